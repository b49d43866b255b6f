#include "privacy/privacy_loss.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <complex>
#include <limits>
#include <numbers>
#include <span>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "privacy/gaussian_privacy.h"

namespace hilum::privacy {
namespace {

constexpr double kGrid = 1e-4;       // of losses
constexpr double kReach = 10.5;      // standard deviations of one step that are kept
constexpr double kTailMass = 1e-15;  // of each end of the composed distribution
constexpr int64_t kMaxPoints = int64_t{1} << 23;
constexpr int64_t kMaxSteps = 10'000'000;

// Five-point Gauss-Legendre on [-1, 1].
constexpr double kNodes[] = {-0.90617984593866399280, -0.53846931010568309104, 0.0,
                             0.53846931010568309104, 0.90617984593866399280};
constexpr double kWeights[] = {0.23692688505618908751, 0.47862867049936646804,
                               0.56888888888888888889, 0.47862867049936646804,
                               0.23692688505618908751};

double Density(double t) { return std::exp(-0.5 * t * t) / std::sqrt(2.0 * std::numbers::pi); }
double Tail(double t) { return 0.5 * std::erfc(t / std::numbers::sqrt2); }

// In units of sigma: noise t, and 1 / sigma where the sample is there. L is the loss of the mixture
// against the noise alone; it grows with t.
class Loss {
 public:
  explicit Loss(const SampledGaussian& m) : m_(m), shift_(1.0 / m.sigma) {}

  double At(double t) const {
    const double power = t * shift_ - 0.5 * shift_ * shift_;
    if (power > 30.0)
      return std::log(m_.rate) + power + std::log1p((1 / m_.rate - 1) * std::exp(-power));
    return std::log1p(m_.rate * std::expm1(power));
  }
  // The t at which the loss is `loss`; minus infinity below its least value.
  double Where(double loss) const {
    const double above = std::expm1(loss) / m_.rate + 1.0;  // e^power
    if (above <= 0.0) return -std::numeric_limits<double>::infinity();
    const double power = loss > 30.0 ? loss - std::log(m_.rate) : std::log(above);
    return (power + 0.5 * shift_ * shift_) / shift_;
  }
  double NoiseDensity(double t) const { return Density(t); }
  double MixtureDensity(double t) const {
    return (1.0 - m_.rate) * Density(t) + m_.rate * Density(t - shift_);
  }
  double shift() const { return shift_; }

 private:
  SampledGaussian m_;
  double shift_;
};

// The mass of [from, to] under `density`, split between the grid's losses at its two ends so that
// the masses under P and under Q both stay what they were.
struct Split {
  double low = 0.0, high = 0.0;
};
template <class DensityOf, class LossOf>
Split SplitMass(double from, double to, double low_loss, DensityOf density, LossOf loss) {
  Split split;
  const int n_parts = std::max(1, static_cast<int>(std::ceil((to - from) / 0.25)));
  const double half = (to - from) / n_parts / 2.0;
  for (int part = 0; part < n_parts; ++part) {
    const double middle = from + (2 * part + 1) * half;
    for (int k = 0; k < 5; ++k) {
      const double t = middle + half * kNodes[k];
      const double mass = density(t) * half * kWeights[k];
      const double above = std::expm1(low_loss - loss(t)) / std::expm1(-kGrid);
      const double share = std::clamp(above, 0.0, 1.0);
      split.high += mass * share;
      split.low += mass * (1.0 - share);
    }
  }
  return split;
}

// In place, forward; the length is a power of two.
class Fourier {
 public:
  explicit Fourier(size_t n) : n_(n), roots_(n / 2) {
    for (size_t k = 0; k < n / 2; ++k) {
      const double angle =
          -2.0 * std::numbers::pi * static_cast<double>(k) / static_cast<double>(n);
      roots_[k] = {std::cos(angle), std::sin(angle)};
    }
  }

  void Transform(std::vector<std::complex<double>>& values) const {
    const int bits = std::bit_width(n_) - 1;
    for (size_t i = 0; i < n_; ++i) {
      size_t j = 0;
      for (int b = 0; b < bits; ++b) j |= (i >> b & 1) << (bits - 1 - b);
      if (i < j) std::swap(values[i], values[j]);
    }
    for (size_t width = 1; width < n_; width *= 2) {
      const size_t stride = n_ / (2 * width);
      for (size_t start = 0; start < n_; start += 2 * width) {
        for (size_t k = 0; k < width; ++k) {
          const std::complex<double> root = roots_[k * stride], odd = values[start + k + width];
          // By hand: the library's product asks about infinities.
          const std::complex<double> turned{root.real() * odd.real() - root.imag() * odd.imag(),
                                            root.real() * odd.imag() + root.imag() * odd.real()};
          values[start + k + width] = values[start + k] - turned;
          values[start + k] += turned;
        }
      }
    }
  }

 private:
  size_t n_;
  std::vector<std::complex<double>> roots_;
};

// The loss that n_steps exceed (sign +1) or fall below (sign -1) with a probability of at most
// kTailMass: Chernoff's bound over a grid of exponents.
double Bound(std::span<const double> mass, int64_t first, int64_t n_steps, double sign) {
  double best = std::numeric_limits<double>::infinity();
  for (int i = -12; i <= 40; ++i) {
    const double exponent = std::exp2(i / 4.0);
    // The largest exponent of all terms is kept out of the sum.
    const double last = sign > 0
                            ? static_cast<double>(first + static_cast<int64_t>(mass.size()) - 1)
                            : -static_cast<double>(first);
    const double step = std::exp(-exponent * kGrid);
    double sum = 0.0, power = 1.0;
    for (size_t j = 0; j < mass.size() && power > 1e-300; ++j) {
      sum += mass[sign > 0 ? mass.size() - 1 - j : j] * power;
      power *= step;
    }
    if (!(sum > 0.0)) continue;
    const double log_moment = std::log(sum) + exponent * last * kGrid;
    best = std::min(best,
                    (static_cast<double>(n_steps) * log_moment - std::log(kTailMass)) / exponent);
  }
  return sign * best;
}

// The n_steps-fold sum of the losses, modulo values.size() grid points.
void RaiseToPower(std::vector<std::complex<double>>& values, int64_t n_steps) {
  const Fourier fourier(values.size());
  fourier.Transform(values);
  const double n = static_cast<double>(n_steps);
  for (std::complex<double>& value : values) {
    const double size = std::abs(value);
    value = size > 0.0 ? std::polar(std::pow(size, n),
                                    std::remainder(n * std::arg(value), 2.0 * std::numbers::pi))
                       : std::complex<double>();
    value = std::conj(value);  // the second transform then is the inverse
  }
  fourier.Transform(values);
}

}  // namespace

PrivacyLoss::Masses PrivacyLoss::OneStep(const SampledGaussian& m, bool removed) {
  const Loss loss(m);
  // P is the mixture when the sample was there; else the noise alone, and losses change sign.
  const double lowest = -kReach, highest = kReach + (removed ? loss.shift() : 0.0);
  const double sign = removed ? 1.0 : -1.0;
  const double edge_a = sign * loss.At(lowest), edge_b = sign * loss.At(highest);
  const auto first = static_cast<int64_t>(std::floor(std::min(edge_a, edge_b) / kGrid));
  const auto last = static_cast<int64_t>(std::ceil(std::max(edge_a, edge_b) / kGrid));
  Masses masses{.first = first,
                .mass = std::vector<double>(static_cast<size_t>(last - first + 1)),
                .infinite = 0.0};
  const auto density = [&](double t) {
    return removed ? loss.MixtureDensity(t) : loss.NoiseDensity(t);
  };
  const auto loss_at = [&](double t) { return sign * loss.At(t); };
  for (int64_t i = first; i < last; ++i) {
    const double low = static_cast<double>(i) * kGrid, high = static_cast<double>(i + 1) * kGrid;
    const double a = loss.Where(removed ? low : -high), b = loss.Where(removed ? high : -low);
    const double from = std::clamp(a, lowest, highest), to = std::clamp(b, lowest, highest);
    if (!(to > from)) continue;
    const Split split = SplitMass(from, to, low, density, loss_at);
    masses.mass[static_cast<size_t>(i - first)] += split.low;
    masses.mass[static_cast<size_t>(i - first + 1)] += split.high;
  }
  masses.infinite = Tail(kReach) * 2.0;  // both ends
  return masses;
}

absl::StatusOr<PrivacyLoss::Masses> PrivacyLoss::Compose(const Masses& one, int64_t n_steps) {
  const double steps = static_cast<double>(n_steps);
  const double low = std::max(Bound(one.mass, one.first, n_steps, -1.0),
                              steps * static_cast<double>(one.first) * kGrid);
  const double high = std::min(
      Bound(one.mass, one.first, n_steps, 1.0),
      steps * static_cast<double>(one.first + static_cast<int64_t>(one.mass.size())) * kGrid);
  const double points = (high - low) / kGrid + 2.0;
  if (!(points <= static_cast<double>(kMaxPoints))) {
    return absl::InvalidArgumentError(
        absl::StrCat("the privacy loss of ", n_steps, " steps spreads over ", high - low,
                     ", the limit is ", static_cast<double>(kMaxPoints) * kGrid));
  }
  Masses sum{.first = static_cast<int64_t>(std::floor(low / kGrid)), .mass = {}, .infinite = 0.0};
  const size_t n = std::bit_ceil(static_cast<size_t>(points));
  // Loss i of a step lies at index i modulo n; so does their sum.
  std::vector<std::complex<double>> values(n);
  const auto index = [n](int64_t at) {
    const int64_t rest = at % static_cast<int64_t>(n);
    return static_cast<size_t>(rest < 0 ? rest + static_cast<int64_t>(n) : rest);
  };
  for (size_t j = 0; j < one.mass.size(); ++j) {
    values[index(one.first + static_cast<int64_t>(j))] += one.mass[j];
  }
  RaiseToPower(values, n_steps);
  sum.mass.resize(n);
  for (size_t j = 0; j < n; ++j) {
    const double mass = values[index(sum.first + static_cast<int64_t>(j))].real();
    sum.mass[j] = std::max(0.0, mass / static_cast<double>(n));
  }
  sum.infinite = steps * one.infinite + 2.0 * kTailMass;
  return sum;
}

double PrivacyLoss::EpsilonOf(const Masses& masses, double delta) {
  if (masses.infinite > delta) return std::numeric_limits<double>::infinity();
  // delta(epsilon) = infinite + sum over losses above epsilon of mass * (1 - e^(epsilon - loss)).
  double mass = masses.infinite, scaled = 0.0;  // scaled: sum of mass * e^-(loss - anchor)
  double anchor =
      static_cast<double>(masses.first + static_cast<int64_t>(masses.mass.size())) * kGrid;
  for (size_t j = masses.mass.size(); j-- > 0;) {
    const double loss = static_cast<double>(masses.first + static_cast<int64_t>(j)) * kGrid;
    // With the losses seen so far the curve falls to `delta` here, if this is above `loss`.
    if (scaled > 0.0 && mass > delta) {
      const double epsilon = anchor + std::log((mass - delta) / scaled);
      if (epsilon >= loss) return std::max(0.0, epsilon);
    }
    if (loss < 0.0) break;
    scaled = scaled * std::exp(loss - anchor) + masses.mass[j];
    anchor = loss;
    mass += masses.mass[j];
  }
  if (scaled > 0.0 && mass > delta) {
    return std::max(0.0, anchor + std::log((mass - delta) / scaled));
  }
  return 0.0;
}

absl::StatusOr<PrivacyLoss> PrivacyLoss::Create(const SampledGaussian& m, int64_t n_steps) {
  if (!(m.sigma >= 0.3 && m.sigma <= 1000.0) || !(m.rate > 0.0 && m.rate <= 1.0) || n_steps < 1 ||
      n_steps > kMaxSteps) {
    return absl::InvalidArgumentError(absl::StrCat(
        "sigma ", m.sigma, ", rate ", m.rate, " and ", n_steps,
        " steps: sigma is 0.3 to 1000, the rate above 0 and at most 1, the steps 1 to ",
        kMaxSteps));
  }
  PrivacyLoss result;
  if (m.rate == 1.0) {
    result.mu_ = std::sqrt(static_cast<double>(n_steps)) / m.sigma;
    return result;
  }
  HILUM_ASSIGN_OR_RETURN(result.removed_, Compose(OneStep(m, true), n_steps));
  HILUM_ASSIGN_OR_RETURN(result.added_, Compose(OneStep(m, false), n_steps));
  return result;
}

double PrivacyLoss::Epsilon(double delta) const {
  HILUM_CHECK(delta > 0.0 && delta < 1.0);
  if (mu_ > 0.0) return GaussianEpsilon(mu_, delta);
  return std::max(EpsilonOf(removed_, delta), EpsilonOf(added_, delta));
}

}  // namespace hilum::privacy

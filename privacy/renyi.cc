#include "privacy/renyi.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <vector>

#include "base/check.h"

namespace hilum::privacy {
namespace {

constexpr double kLargestOrder = 4096.0;
constexpr double kReach = 40.0;  // standard deviations: exp(-800) is left out
constexpr double kLogSqrtTwoPi = 0.91893853320467274178;

// ln(e^x - 1) for x > 0.
double LogExpm1(double x) {
  return x > 30.0 ? x + std::log1p(-std::exp(-x)) : std::log(std::expm1(x));
}

// ln of the sum of exponentials.
double LogSum(const std::vector<double>& logs) {
  const double largest = *std::max_element(logs.begin(), logs.end());
  double sum = 0.0;
  for (const double one : logs) sum += std::exp(one - largest);
  return largest + std::log(sum);
}

// ln(1 + e^x).
double Log1pExp(double x) {
  return x > 0.0 ? x + std::log1p(std::exp(-x)) : std::log1p(std::exp(x));
}

// ln(A - 1), A the moment of order alpha. The terms of k = 0 and 1 are the same with and without
// noise, and the binomial weights sum to 1: only terms of k >= 2 are left, all positive.
double LogExcessOfInteger(const SampledGaussian& m, int alpha) {
  const double inverse = 1.0 / (2.0 * m.sigma * m.sigma);
  const double log_rate = std::log(m.rate), log_rest = std::log1p(-m.rate);
  std::vector<double> terms;
  for (int k = 2; k <= alpha; ++k) {
    const double log_choose =
        std::lgamma(alpha + 1.0) - std::lgamma(k + 1.0) - std::lgamma(alpha - k + 1.0);
    terms.push_back(log_choose + (alpha - k) * log_rest + k * log_rate +
                    LogExpm1((double{1} * k * k - k) * inverse));
  }
  return LogSum(terms);
}

// ln((1+u)^alpha - 1 - alpha u) for u > -1, u != 0: a series where the difference would cancel.
double LogRemainder(double u, double alpha) {
  if (std::abs(u) * alpha < 0.05) {
    double term = alpha * (alpha - 1.0) / 2.0, sum = term;
    for (int k = 3; k < 20; ++k) {
      term *= u * (alpha - k + 1.0) / k;
      sum += term;
    }
    return std::log(sum) + 2.0 * std::log(std::abs(u));
  }
  const double power = alpha * std::log1p(u);
  if (power < 30.0) return std::log(std::expm1(power) - alpha * u);
  return power + std::log1p(-(1.0 + alpha * u) * std::exp(-power));
}

// ln(A - 1) by the trapezoid rule over t = x / sigma. The integrand is analytic in a strip of half
// width pi sigma, so with steps of sigma / 8 (at most 1/8) the rule errs below e^-100.
double LogExcessByQuadrature(const SampledGaussian& m, double alpha) {
  const double step = std::min(0.125, m.sigma / 8.0);
  const auto n = static_cast<int64_t>((2.0 * kReach + alpha / m.sigma) / step);
  std::vector<double> terms;
  terms.reserve(static_cast<size_t>(n));
  for (int64_t i = 0; i < n; ++i) {
    const double t = -kReach + (static_cast<double>(i) + 0.5) * step;
    const double power = t / m.sigma - 1.0 / (2.0 * m.sigma * m.sigma);  // ln of the ratio
    if (power == 0.0) continue;                                          // u = 0 adds nothing
    const double log_density = -0.5 * t * t - kLogSqrtTwoPi;
    double remainder = 0.0;
    if (power > 600.0) {  // u overflows: only its power counts
      remainder = alpha * (std::log(m.rate) + power);
    } else {
      remainder = LogRemainder(m.rate * std::expm1(power), alpha);
    }
    terms.push_back(log_density + remainder);
  }
  return LogSum(terms) + std::log(step);
}

}  // namespace

double SampledGaussianRdp(const SampledGaussian& m, double alpha) {
  HILUM_CHECK(m.sigma >= 0.05 && m.rate > 0.0 && m.rate <= 1.0);
  HILUM_CHECK(alpha > 1.0 && alpha <= kLargestOrder);
  if (m.rate == 1.0) return alpha / (2.0 * m.sigma * m.sigma);
  const bool is_integer = alpha == std::floor(alpha);
  const double log_excess =
      is_integer ? LogExcessOfInteger(m, static_cast<int>(alpha)) : LogExcessByQuadrature(m, alpha);
  return Log1pExp(log_excess) / (alpha - 1.0);
}

double EpsilonOfRdp(double rdp, double alpha, double delta) {
  HILUM_CHECK(alpha > 1.0 && delta > 0.0 && delta < 1.0);
  return rdp + std::log((alpha - 1.0) / alpha) -
         (std::log(delta) + std::log(alpha)) / (alpha - 1.0);
}

}  // namespace hilum::privacy

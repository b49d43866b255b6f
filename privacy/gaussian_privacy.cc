#include "privacy/gaussian_privacy.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/check.h"

namespace hilum::privacy {
namespace {

constexpr double kLogSqrtTwoPi = 0.91893853320467274178;

// The upper tail of the standard normal distribution.
double Tail(double x) { return 0.5 * std::erfc(x / std::numbers::sqrt2); }

// ln(Tail(x) / phi(x)), Mills' ratio, for x >= 0. Beyond 30 the logarithm of its asymptotic series
// to the tenth power, whose error is below 1e-13 there.
double LogMills(double x) {
  if (x < 30.0) return std::log(Tail(x)) + 0.5 * x * x + kLogSqrtTwoPi;
  const double y = 1.0 / (x * x);
  return std::log1p(-y * (1.0 - 3.0 * y * (1.0 - 5.0 * y * (1.0 - 7.0 * y * (1.0 - 9.0 * y))))) -
         std::log(x);
}

}  // namespace

// With b = epsilon/mu - mu/2 and a = b + mu is a^2 - b^2 = 2 epsilon, so e^epsilon phi(a) = phi(b):
// no number here grows with e^epsilon.
double GaussianDelta(double mu, double epsilon) {
  HILUM_CHECK(mu > 0.0 && epsilon >= 0.0);
  const double b = epsilon / mu - mu / 2.0, a = b + mu;
  if (b < 0.0) return Tail(b) - std::exp(LogMills(a) - 0.5 * b * b - kLogSqrtTwoPi);
  const double upper = LogMills(b), lower = LogMills(a);
  return -std::expm1(lower - upper) * std::exp(upper - 0.5 * b * b - kLogSqrtTwoPi);
}

double GaussianEpsilon(double mu, double delta) {
  HILUM_CHECK(mu > 0.0 && delta > 0.0 && delta < 1.0);
  if (GaussianDelta(mu, 0.0) <= delta) return 0.0;
  double low = 0.0, high = std::max(1.0, mu * mu);
  while (GaussianDelta(mu, high) > delta) {
    low = high;
    high *= 2.0;
  }
  while (high - low > 1e-13 * high) {
    const double middle = low + (high - low) / 2.0;
    if (middle <= low || middle >= high) break;
    (GaussianDelta(mu, middle) > delta ? low : high) = middle;
  }
  return high;
}

}  // namespace hilum::privacy

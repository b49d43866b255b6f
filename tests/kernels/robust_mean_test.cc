#include "kernels/robust_mean.h"

#include <algorithm>
#include <cmath>

#include "kernels/weighted_mean.h"
#include "tests/kernels/sites.h"
#include "tests/status_matchers.h"

namespace hilum::kernels {
namespace {

constexpr auto kRefused = absl::StatusCode::kInvalidArgument;
using Vector = std::vector<double>;

double Distance(const Vector& a, std::span<const float> b) {
  double sum = 0.0;
  for (size_t k = 0; k < a.size(); ++k) sum += (a[k] - b[k]) * (a[k] - b[k]);
  return std::sqrt(sum);
}

// Weiszfeld's iteration over the whole vectors, long enough to converge.
Vector WeiszfeldReference(Updates updates, const std::vector<double>& weights) {
  std::vector<double> share = weights;
  Vector z;
  for (int iteration = 0; iteration <= 300; ++iteration) {
    double sum = 0.0;
    for (const double part : share) sum += part;
    z.assign(updates[0].size(), 0.0);
    for (size_t i = 0; i < updates.size(); ++i) {
      for (size_t k = 0; k < z.size(); ++k) z[k] += share[i] / sum * updates[i][k];
    }
    for (size_t i = 0; i < updates.size(); ++i) {
      share[i] = weights[i] / std::max(1e-6, Distance(z, updates[i]));
    }
  }
  return z;
}

Vector CentredClipReference(Updates updates, std::span<const float> centre, double radius,
                            int n_iterations) {
  Vector v(centre.begin(), centre.end());
  for (int iteration = 0; iteration < n_iterations; ++iteration) {
    Vector step(v.size(), 0.0);
    for (const std::span<const float> update : updates) {
      const double factor = std::min(1.0, radius / Distance(v, update));
      for (size_t k = 0; k < v.size(); ++k) step[k] += (update[k] - v[k]) * factor;
    }
    for (size_t k = 0; k < v.size(); ++k) v[k] += step[k] / static_cast<double>(updates.size());
  }
  return v;
}

void ExpectNear(const std::vector<float>& got, const Vector& want, double tolerance) {
  ASSERT_EQ(got.size(), want.size());
  for (size_t k = 0; k < got.size(); ++k) ASSERT_NEAR(got[k], want[k], tolerance) << k;
}

TEST(GeometricMedian, IsWhereWeiszfeldsIterationEnds) {
  for (const int64_t n_sites : {1, 3, 5, 9}) {
    GuardedSites sites(n_sites, 3001);
    std::vector<double> weights;
    for (int64_t site = 0; site < n_sites; ++site) weights.push_back(1.0 + 0.1 * site);
    std::vector<float> median(3001);
    HILUM_ASSERT_OK_AND_ASSIGN(
        const Iterations iterations,
        GeometricMedian(sites.updates(), weights, {.relative_change = 1e-9}, median, Device::kCpu));
    EXPECT_TRUE(iterations.converged) << n_sites;
    // Values of at most 1: the rounding to float is 2^-25, what the shares miss is far below.
    ExpectNear(median, WeiszfeldReference(sites.updates(), weights), 0x1p-24);
  }
}

TEST(GeometricMedian, OfThreePointsIsWhereTheyAreSeenAt120Degrees) {
  const double height = std::sqrt(3.0) / 2.0;
  const GuardedSites sites({{0.0f, 0.0f}, {1.0f, 0.0f}, {0.5f, static_cast<float>(height)}});
  std::vector<float> median(2);
  HILUM_ASSERT_OK_AND_ASSIGN(
      const Iterations iterations,
      GeometricMedian(sites.updates(), std::vector<double>{1, 1, 1}, {}, median, Device::kCpu));
  EXPECT_TRUE(iterations.converged);
  ExpectNear(median, {0.5, height / 3.0}, 1e-6);
}

TEST(GeometricMedian, OfOneOrEqualUpdatesIsTheUpdate) {
  const std::vector<float> update = RandomFloats(2500);
  for (const size_t n_sites : {1, 4}) {
    const GuardedSites sites(std::vector<std::vector<float>>(n_sites, update));
    std::vector<float> median(2500);
    HILUM_ASSERT_OK_AND_ASSIGN(const Iterations iterations,
                               GeometricMedian(sites.updates(), std::vector<double>(n_sites, 2.0),
                                               {}, median, Device::kCpu));
    EXPECT_TRUE(iterations.converged);
    EXPECT_EQ(median, update);
  }
}

// Two of seven sites are far away, wherever: the median stays among the honest five.
TEST(GeometricMedian, StaysNearTheHonestSites) {
  for (const float attack : {1e3f, -1e6f, 1e15f, 3e38f}) {
    GuardedSites sites(7, 2000);
    for (int64_t site = 0; site < 2; ++site) {
      std::fill(sites.site(site).begin(), sites.site(site).end(), attack);
    }
    std::vector<float> median(2000), honest(2000);
    HILUM_EXPECT_OK(
        GeometricMedian(sites.updates(), std::vector<double>(7, 1.0), {}, median, Device::kCpu)
            .status());
    HILUM_EXPECT_OK(WeightedMean(sites.updates().subspan(2), std::vector<double>(5, 1.0), honest,
                                 Device::kCpu));
    const Vector centre(honest.begin(), honest.end());
    double widest = 0.0;
    for (int64_t site = 2; site < 7; ++site) {
      widest = std::max(widest, Distance(centre, sites.site(site)));
    }
    // Minsker 2015, lemma 2.1: within (1 - q) / sqrt(1 - 2q) = 1.1 of the radius, q = 2 / 7; the
    // honest mean lies inside too.
    EXPECT_LT(Distance(centre, median), 2.2 * widest) << attack;
  }
}

TEST(GeometricMedian, RefusesOptionsOutOfRange) {
  const GuardedSites sites(3, 10);
  std::vector<float> median(10);
  const std::vector<double> weights(3, 1.0);
  const auto with = [&](const GeometricMedianOptions& options, const std::vector<double>& w) {
    return GeometricMedian(sites.updates(), w, options, median, Device::kCpu).status();
  };
  EXPECT_THAT(with({.max_iterations = 0}, weights), StatusIs(kRefused, "0 iterations"));
  EXPECT_THAT(with({.max_iterations = 10'001}, weights), StatusIs(kRefused, "1 to 10000"));
  EXPECT_THAT(with({.smoothing = 0.0}, weights), StatusIs(kRefused, "smoothing 0"));
  EXPECT_THAT(with({.relative_change = NAN}, weights), StatusIs(kRefused, "relative change nan"));
  EXPECT_THAT(with({}, {1.0, 1.0}), StatusIs(kRefused, "2 weights"));
  EXPECT_THAT(with({}, {1.0, -1.0, 1.0}), StatusIs(kRefused, "site 1's weight -1"));
  EXPECT_THAT(with({}, {0.0, 0.0, 0.0}), StatusIs(kRefused, "add up to 0"));
}

TEST(CentredClip, FollowsItsDefinition) {
  for (const double radius : {0.5, 20.0, 60.0, 1000.0}) {
    for (const int n_iterations : {1, 3}) {
      GuardedSites sites(6, 3001);
      Guarded<float> centre(RandomFloats(3001, 77));
      std::vector<float> result(3001);
      HILUM_EXPECT_OK(CentredClip(sites.updates(), centre.span(),
                                  {.radius = radius, .n_iterations = n_iterations}, result,
                                  Device::kCpu));
      ExpectNear(result, CentredClipReference(sites.updates(), centre.span(), radius, n_iterations),
                 0x1p-23);
      HILUM_EXPECT_OK(CentredClip(sites.updates(), centre.span(),
                                  {.radius = radius, .n_iterations = n_iterations}, centre.span(),
                                  Device::kCpu));  // in place
      EXPECT_TRUE(SameBits(centre.values(), result));
      EXPECT_TRUE(centre.GuardsAreIntact());
    }
  }
}

TEST(CentredClip, WithAWideRadiusIsTheMean) {
  const GuardedSites sites({{1.0f, 2.0f}, {3.0f, -2.0f}});
  std::vector<float> result(2);
  HILUM_EXPECT_OK(CentredClip(sites.updates(), std::vector<float>{7.0f, 7.0f}, {.radius = 1e9},
                              result, Device::kCpu));
  EXPECT_EQ(result, (std::vector<float>{2.0f, 0.0f}));
}

TEST(CentredClip, NoSiteMovesTheResultFar) {
  const double radius = 0.25;
  GuardedSites sites(5, 1000);
  const std::vector<float> centre(1000, 0.0f);
  std::fill(sites.site(3).begin(), sites.site(3).end(), 1e20f);
  std::vector<float> result(1000);
  HILUM_EXPECT_OK(CentredClip(sites.updates(), centre, {.radius = radius}, result, Device::kCpu));
  EXPECT_LE(Distance(Vector(1000, 0.0), result), radius * 1.0001);
}

TEST(CentredClip, RefusesWhatItCannotClip) {
  GuardedSites sites(3, 10);
  std::vector<float> centre(10), result(10);
  const auto with = [&](const CentredClipOptions& options) {
    return CentredClip(sites.updates(), centre, options, result, Device::kCpu);
  };
  EXPECT_THAT(with({.radius = 0.0}), StatusIs(kRefused, "radius 0"));
  EXPECT_THAT(with({.radius = INFINITY}), StatusIs(kRefused, "radius inf"));
  EXPECT_THAT(with({.radius = 1.0, .n_iterations = 0}), StatusIs(kRefused, "0 iterations"));
  centre[7] = NAN;
  EXPECT_THAT(with({.radius = 1.0}), StatusIs(kRefused, "the centre holds nan at coordinate 7"));
  centre.resize(9);
  EXPECT_THAT(with({.radius = 1.0}), StatusIs(kRefused, "a centre of 9 parameters"));
  centre.assign(10, 0.0f);
  sites.site(2)[4] = INFINITY;
  EXPECT_THAT(with({.radius = 1.0}), StatusIs(kRefused, "site 2's update holds inf"));
  EXPECT_THAT(
      GeometricMedian(sites.updates(), std::vector<double>(3, 1.0), {}, result, Device::kCpu),
      StatusIs(kRefused, "site 2's update holds inf at coordinate 4"));
}

}  // namespace
}  // namespace hilum::kernels

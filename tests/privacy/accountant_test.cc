// Vectors: tests/vectors/dp, whose README.md says where each row comes from and what must hold.
#include "privacy/accountant.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <tuple>

#include "absl/strings/match.h"
#include "privacy/distributed_noise.h"
#include "privacy/gaussian_privacy.h"
#include "privacy/privacy_loss.h"
#include "privacy/renyi.h"
#include "tests/privacy/dp_vectors.h"
#include "tests/status_matchers.h"

namespace hilum::privacy {
namespace {

SampledGaussian MechanismOf(const CsvRow& row) {
  return {.sigma = Number(row, "sigma"), .rate = Number(row, "q")};
}

double OrderOf(const CsvRow& row) {
  const std::string& source = row.at("source");
  const size_t at = source.find("opt_order=");
  HILUM_CHECK(at != std::string::npos);
  return std::strtod(source.c_str() + at + 10, nullptr);
}

enum class Source { kExact, kDpAccounting, kOpacus };
Source SourceOf(const CsvRow& row) {
  const std::string& source = row.at("source");
  if (absl::StartsWith(source, "analytic Gaussian exact")) return Source::kExact;
  return absl::StartsWith(source, "opacus") ? Source::kOpacus : Source::kDpAccounting;
}

TEST(GaussianPrivacy, ReproducesTheExactRows) {
  int n_rows = 0;
  for (const CsvRow& row : DpVectors("dp_vectors.csv")) {
    if (SourceOf(row) != Source::kExact) continue;
    ++n_rows;
    const double mu = std::sqrt(Number(row, "steps")) / Number(row, "sigma");
    EXPECT_NEAR(GaussianEpsilon(mu, Number(row, "delta")), Number(row, "epsilon_pld"), 1e-6);
  }
  EXPECT_EQ(n_rows, 50);
}

TEST(GaussianPrivacy, DeltaAndEpsilonAreInverse) {
  for (const double mu : {0.01, 0.3, 1.0, 7.0, 60.0}) {
    for (const double delta : {1e-12, 1e-7, 1e-3, 0.2}) {
      const double epsilon = GaussianEpsilon(mu, delta);
      if (epsilon == 0.0) {
        EXPECT_LE(GaussianDelta(mu, 0.0), delta);
      } else {
        EXPECT_NEAR(GaussianDelta(mu, epsilon) / delta, 1.0, 1e-7) << mu << " " << delta;
      }
    }
  }
}

TEST(Renyi, AgreesWithQuadratureAtAllOrders) {
  int n_rows = 0, n_bounds = 0;
  for (const CsvRow& row : DpVectors("dp_rdp_orders.csv")) {
    ++n_rows;
    const double order = Number(row, "order");
    const double rdp = SampledGaussianRdp(MechanismOf(row), order);
    const double reference = Number(row, "rdp_one_step_exact_quadrature");
    EXPECT_NEAR(rdp / reference, 1.0, 1e-9)
        << row.at("sigma") << " " << row.at("q") << " " << order;
    if (row.at("q") == "1.0" || order == std::floor(order)) continue;
    ++n_bounds;
    const double bound = row.at("rdp_dp_accounting_0_6_0") == "inf"
                             ? std::numeric_limits<double>::infinity()
                             : Number(row, "rdp_dp_accounting_0_6_0");
    EXPECT_LE(rdp, bound * (1 + 1e-9));
  }
  EXPECT_EQ(n_rows, 250);
  EXPECT_EQ(n_bounds, 60);
}

TEST(Renyi, QuadratureMeetsTheSumAtIntegerOrders) {
  for (const double rate : {0.001, 0.1, 0.9}) {
    for (const double sigma : {0.5, 1.0, 8.0}) {
      for (const double order : {2.0, 3.0, 17.0, 200.0}) {
        const SampledGaussian m{.sigma = sigma, .rate = rate};
        EXPECT_NEAR(SampledGaussianRdp(m, order * (1 + 1e-13)) / SampledGaussianRdp(m, order), 1.0,
                    1e-9)
            << rate << " " << sigma << " " << order;
      }
    }
  }
}

TEST(Renyi, ConvertsAtTheOrderOfEachRow) {
  int n_equal = 0, n_bounds = 0;
  for (const CsvRow& row : DpVectors("dp_vectors.csv")) {
    if (SourceOf(row) == Source::kExact) continue;
    const double order = OrderOf(row), expected = Number(row, "epsilon_rdp");
    const double epsilon =
        EpsilonOfRdp(Number(row, "steps") * SampledGaussianRdp(MechanismOf(row), order), order,
                     Number(row, "delta"));
    const bool exact =
        SourceOf(row) == Source::kOpacus || row.at("q") == "1.0" || order == std::floor(order);
    if (exact) {
      ++n_equal;
      EXPECT_NEAR(epsilon / expected, 1.0, 1e-9) << row.at("source");
    } else {
      ++n_bounds;
      EXPECT_LE(epsilon, expected * (1 + 1e-9)) << row.at("source");
    }
  }
  EXPECT_EQ(n_equal, 84 + 57);
  EXPECT_EQ(n_bounds, 27);
}

// The least epsilon over this project's orders.
double RdpEpsilon(const SampledGaussian& m, double steps, double delta) {
  double least = std::numeric_limits<double>::infinity();
  for (int order = kSmallestOrder; order <= kLargestOrder; ++order) {
    least = std::min(least, EpsilonOfRdp(steps * SampledGaussianRdp(m, order), order, delta));
  }
  return std::max(0.0, least);
}

TEST(PrivacyLoss, LiesBetweenTheBoundsOfBothPackages) {
  std::map<std::tuple<std::string, std::string, std::string>, PrivacyLoss> losses;
  int n_rows = 0;
  for (const CsvRow& row : DpVectors("dp_vectors.csv")) {
    const auto key = std::make_tuple(row.at("sigma"), row.at("q"), row.at("steps"));
    auto found = losses.find(key);
    if (found == losses.end()) {
      HILUM_ASSERT_OK_AND_ASSIGN(
          PrivacyLoss loss,
          PrivacyLoss::Create(MechanismOf(row), static_cast<int64_t>(Number(row, "steps"))));
      found = losses.emplace(key, std::move(loss)).first;
    }
    const double delta = Number(row, "delta"), expected = Number(row, "epsilon_pld");
    const double epsilon = found->second.Epsilon(delta);
    ++n_rows;
    const std::string name = row.at("sigma") + " " + row.at("q") + " " + row.at("steps");
    if (SourceOf(row) == Source::kOpacus) {
      EXPECT_GE(epsilon, expected - 0.012) << name;
      EXPECT_LE(epsilon, expected) << name;
    } else {
      EXPECT_GE(epsilon, expected - 1e-6) << name;
      EXPECT_LE(epsilon, expected + (SourceOf(row) == Source::kExact ? 1e-6 : 2e-3)) << name;
    }
    EXPECT_GE(RdpEpsilon(MechanismOf(row), Number(row, "steps"), delta), epsilon - 2e-3) << name;
  }
  EXPECT_EQ(n_rows, 218);
}

TEST(PrivacyLoss, RefusesWhatItCannotCompute) {
  EXPECT_THAT(PrivacyLoss::Create({.sigma = 0.1, .rate = 0.5}, 1),
              StatusIs(absl::StatusCode::kInvalidArgument, "sigma 0.1"));
  EXPECT_THAT(PrivacyLoss::Create({.sigma = std::nan(""), .rate = 0.5}, 1),
              StatusIs(absl::StatusCode::kInvalidArgument, "sigma nan"));
  EXPECT_THAT(PrivacyLoss::Create({.sigma = 1, .rate = 0.5}, 0),
              StatusIs(absl::StatusCode::kInvalidArgument, "0 steps"));
  EXPECT_THAT(PrivacyLoss::Create({.sigma = 0.4, .rate = 0.9}, 1'000'000),
              StatusIs(absl::StatusCode::kInvalidArgument, "spreads over"));
}

TEST(DistributedNoise, MeetsAllVectors) {
  int n_rows = 0;
  for (const CsvRow& row : DpVectors("dp_distributed_vectors.csv")) {
    ++n_rows;
    const RoundedNorm norm{.scale = Number(row, "scale_s"),
                           .clip_l2 = Number(row, "l2_clip"),
                           .n_params = static_cast<uint64_t>(Number(row, "dim"))};
    const DistributedNoise noise{.n_sites = static_cast<uint64_t>(Number(row, "n_clients")),
                                 .n_params = norm.n_params,
                                 .l2 = RoundedNormBound(norm)};
    EXPECT_NEAR(noise.l2 / Number(row, "l2_rounded_scaled"), 1.0, 1e-11);
    const double n = static_cast<double>(noise.n_sites), printed = Number(row, "sigma_or_mu");
    const bool skellam = row.at("mechanism") == "skellam";
    const double z =
        std::round(skellam ? std::sqrt(printed) / noise.l2 : printed * std::sqrt(n) / noise.l2);
    EXPECT_THAT(z, ::testing::AnyOf(1.0, 4.0, 16.0));
    double least = std::numeric_limits<double>::infinity();
    int best = 0;
    for (int order = kSmallestOrder; order <= kLargestOrder; ++order) {
      const double rdp = skellam ? SkellamRdp(noise, z * z * noise.l2 * noise.l2, order)
                                 : DiscreteGaussianRdp(noise, z * noise.l2 / std::sqrt(n), order);
      const double epsilon = EpsilonOfRdp(Number(row, "steps") * rdp, order, Number(row, "delta"));
      if (epsilon < least) {
        least = epsilon;
        best = order;
      }
    }
    EXPECT_NEAR(least / Number(row, "epsilon"), 1.0, 1e-9) << row.at("mechanism") << " " << z;
    EXPECT_EQ(best, static_cast<int>(Number(row, "best_order")));
    if (skellam) continue;
    // The accountant of the product says the same.
    Accountant accountant;
    HILUM_ASSERT_OK(accountant.Add({.unit = PrivacyUnit::kSilo,
                                    .sigma = z,
                                    .n_honest = noise.n_sites,
                                    .n_params = noise.n_params,
                                    .l2 = noise.l2},
                                   static_cast<uint64_t>(Number(row, "steps"))));
    EXPECT_NEAR(accountant.Epsilon(Number(row, "delta")) / Number(row, "epsilon"), 1.0, 1e-9);
    EXPECT_EQ(accountant.BestOrder(Number(row, "delta")), best);
  }
  EXPECT_EQ(n_rows, 72);
}

// Small noise: the sum of many discrete Gaussians is not one, and the gap is paid for.
TEST(DistributedNoise, TheGapOfASumIsCharged) {
  EXPECT_EQ(DiscreteGaussianGap(1, 0.5), 0.0);
  EXPECT_NEAR(DiscreteGaussianGap(2, 0.5), 10 * std::exp(-9.869604401089358 * 0.25), 1e-12);
  const DistributedNoise one{.n_sites = 1, .n_params = 100, .l2 = 4.0};
  const DistributedNoise two{.n_sites = 2, .n_params = 100, .l2 = 4.0};
  EXPECT_EQ(DiscreteGaussianRdp(one, 1.0, 2), 16.0);
  EXPECT_GT(DiscreteGaussianRdp(two, std::sqrt(0.5), 2), 16.0 + 1e-3);
}

TEST(SiteVariance, NeverRoundsNoiseDown) {
  for (const double l2 : {10.0, 1000.25, 3.3e7}) {
    for (const uint64_t n : {uint64_t{1}, uint64_t{3}, uint64_t{47}}) {
      for (const double sigma : {0.7, 1.0, 3.999}) {
        const DistributedNoise noise{.n_sites = n, .n_params = 10, .l2 = l2};
        HILUM_ASSERT_OK_AND_ASSIGN(const kernels::Variance variance, SiteVariance(noise, sigma));
        const long double asked = static_cast<long double>(sigma) * sigma * l2 * l2 / n;
        const long double got = static_cast<long double>(variance.numerator) / variance.denominator;
        EXPECT_GE(got, asked);
        EXPECT_LE(got, asked * (1 + 1e-5L));
      }
    }
  }
  EXPECT_THAT(SiteVariance({.n_sites = 2, .n_params = 1, .l2 = 1e9}, 10),
              StatusIs(absl::StatusCode::kInvalidArgument, "it is 1 to 2^27"));
  EXPECT_THAT(SiteVariance({.n_sites = 2, .n_params = 1, .l2 = 1}, 0.5),
              StatusIs(absl::StatusCode::kInvalidArgument, "it is 1 to 2^27"));
}

TEST(Accountant, AddsUpReleasesOfOneUnitOnly) {
  const PrivateRelease record{
      .unit = PrivacyUnit::kRecord, .sigma = 1.1, .rate = 0.01, .n_steps = 500};
  Accountant whole, parts;
  EXPECT_EQ(whole.Epsilon(1e-5), 0.0);
  HILUM_ASSERT_OK(whole.Add(record, 4));
  for (int i = 0; i < 4; ++i) HILUM_ASSERT_OK(parts.Add(record));
  EXPECT_NEAR(whole.Epsilon(1e-5), parts.Epsilon(1e-5), 1e-12);
  EXPECT_EQ(whole.n_releases(), 4u);
  EXPECT_NEAR(whole.Epsilon(1e-5),
              RdpEpsilon({.sigma = record.sigma, .rate = record.rate}, 2000, 1e-5), 1e-12);
  PrivateRelease louder = record;
  louder.sigma = 2.2;
  Accountant mixed, sorted;
  for (const auto& one : {record, louder, record}) HILUM_ASSERT_OK(mixed.Add(one));
  HILUM_ASSERT_OK(sorted.Add(louder));
  HILUM_ASSERT_OK(sorted.Add(record, 2));
  EXPECT_NEAR(mixed.Epsilon(1e-5), sorted.Epsilon(1e-5), 1e-12);
  EXPECT_THAT(
      whole.Add({.unit = PrivacyUnit::kSilo, .sigma = 8, .n_honest = 5, .n_params = 9, .l2 = 1e6}),
      StatusIs(absl::StatusCode::kInvalidArgument, "unit silo do not add up"));
}

TEST(Accountant, RefusesAReleaseThatItCannotCharge) {
  Accountant accountant;
  const PrivateRelease good{.unit = PrivacyUnit::kRecord, .sigma = 1, .rate = 0.1, .n_steps = 1};
  const auto refused = [&](auto change, const char* sentence) {
    PrivateRelease bad = good;
    change(bad);
    EXPECT_THAT(accountant.Add(bad), StatusIs(absl::StatusCode::kInvalidArgument, sentence));
  };
  refused([](auto& r) { r.unit = PrivacyUnit::kNone; }, "has no unit");
  refused([](auto& r) { r.sigma = 0; }, "sigma is 0");
  refused([](auto& r) { r.sigma = std::nan(""); }, "sigma is nan");
  refused([](auto& r) { r.rate = 0; }, "sampling rate is 0");
  refused([](auto& r) { r.rate = 1.5; }, "sampling rate is 1.5");
  refused([](auto& r) { r.n_steps = 0; }, "number of steps is 0");
  EXPECT_EQ(accountant.n_releases(), 0u);
}

}  // namespace
}  // namespace hilum::privacy

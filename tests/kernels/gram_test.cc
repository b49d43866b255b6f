#include "kernels/gram.h"

#include <cmath>

#include "kernels/gram_program.h"
#include "tests/kernels/sites.h"
#include "tests/status_matchers.h"

namespace hilum::kernels {
namespace {

using Program = GramProgram;
constexpr auto kRefused = absl::StatusCode::kInvalidArgument;

// Sizes around a tile of 2,048 and a stretch of 16,384 coordinates.
std::vector<int64_t> Sizes() {
  std::vector<int64_t> sizes = SizesAround(Program::kCoords);
  for (const int64_t n : {Program::kTile - 1, Program::kTile, Program::kTile + 1, 40'007}) {
    sizes.push_back(n);
  }
  sizes.erase(sizes.begin());  // 0 is refused
  return sizes;
}

// sum over k of |x_ik * x_jk|, what the error bound is relative to.
double AbsoluteProducts(std::span<const float> a, std::span<const float> b) {
  double sum = 0.0;
  for (size_t k = 0; k < a.size(); ++k) sum += std::abs(static_cast<double>(a[k]) * b[k]);
  return sum;
}

TEST(Gram, StaysWithinTheErrorBoundOfTheReference) {
  for (const int64_t n_sites : {1, 2, 4, 5, 9}) {
    for (const int64_t n : Sizes()) {
      GuardedSites sites(n_sites, n);
      const SiteMatrix want = GramReference(sites.updates());
      HILUM_ASSERT_OK_AND_ASSIGN(const SiteMatrix got, Gram(sites.updates(), Device::kCpu));
      for (int64_t i = 0; i < n_sites; ++i) {
        for (int64_t j = 0; j < n_sites; ++j) {
          const double bound = kGramRelativeError * AbsoluteProducts(sites.site(i), sites.site(j));
          EXPECT_NEAR(got.at(i, j), want.at(i, j), bound) << i << " " << j << ", n = " << n;
          EXPECT_EQ(got.at(i, j), got.at(j, i));
        }
      }
    }
  }
}

// The guards around each update are NaN: a value read beside one spoils the products.
TEST(Gram, GivesTheSameBitsInEveryWayAndInAnyNumberOfParts) {
  for (const int64_t n_sites : {1, 3, 4, 6, 17}) {
    const std::vector<Program::Pair> pairs = PairsOf(n_sites);
    for (const int64_t n : Sizes()) {
      GuardedSites sites(n_sites, n);
      const std::vector<const float*> addresses = Addresses(sites.updates());
      const auto products_of = [&](auto launch, int64_t n_parts) {
        Guarded<double> partial(BlocksFor(n, Program::kTile) * std::ssize(pairs) *
                                Program::kProducts);
        // launch takes the values to cover: n_parts blocks a stretch
        launch(Program{.sites = addresses.data(),
                       .pairs = pairs.data(),
                       .partial = partial.span().data(),
                       .n_sites = n_sites,
                       .n = n,
                       .n_pairs = std::ssize(pairs),
                       .n_parts = n_parts},
               BlocksFor(n, Program::kTile) * n_parts * Program::kTile);
        EXPECT_TRUE(partial.GuardsAreIntact()) << n;
        return partial.values();
      };
      const std::vector<double> want = products_of(
          [](const Program& program, int64_t size) {
            Launch(program, BlocksFor(size, Program::kTile), Isa::kScalar);
          },
          1);
      for (const double product : want) ASSERT_TRUE(std::isfinite(product)) << n;
      ForEachWay([&](auto launch, const std::string& way) {
        for (const int64_t n_parts : {int64_t{1}, int64_t{2}, std::ssize(pairs)}) {
          EXPECT_TRUE(SameBits(products_of(launch, n_parts), want)) << way << ", n = " << n;
        }
      });
    }
  }
}

TEST(Gram, GivesTheSameBitsOnAnyNumberOfThreads) {
  GuardedSites sites(7, 9 * Program::kTile + 77);
  HILUM_ASSERT_OK_AND_ASSIGN(const SiteMatrix want, Gram(sites.updates(), Device::kCpu));
  for (const int n_threads : {1, 3, 8}) {
    SetCpuThreads(n_threads);
    HILUM_ASSERT_OK_AND_ASSIGN(const SiteMatrix got, Gram(sites.updates(), Device::kCpu));
    for (int64_t i = 0; i < 7; ++i) {
      for (int64_t j = 0; j < 7; ++j) EXPECT_EQ(got.at(i, j), want.at(i, j));
    }
  }
  SetCpuThreads(0);
}

// Float sums would lose the 1: the products are added in double.
TEST(Gram, KeepsSmallTermsBesideLargeOnes) {
  const GuardedSites sites({{4096.0f, 1.0f, -4096.0f, 0.5f}, {4096.0f, 1.0f, 4096.0f, 0.5f}});
  HILUM_ASSERT_OK_AND_ASSIGN(const SiteMatrix gram, Gram(sites.updates(), Device::kCpu));
  EXPECT_EQ(gram.at(0, 1), 1.25);
  EXPECT_EQ(gram.at(0, 0), 2.0 * 4096 * 4096 + 1.25);
}

TEST(Gram, NamesTheSiteWhoseUpdateIsNotFinite) {
  for (const float bad :
       {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    GuardedSites sites(5, 9000);
    sites.site(3)[8191] = bad;
    EXPECT_THAT(Gram(sites.updates(), Device::kCpu),
                StatusIs(kRefused, absl::StrCat("site 3's update holds ", bad,
                                                " at coordinate 8191 of 9000")));
  }
}

TEST(Gram, HoldsTheLargestFloats) {
  const std::vector<float> huge(3000, std::numeric_limits<float>::max());
  const GuardedSites sites(std::vector<std::vector<float>>(2, huge));
  HILUM_ASSERT_OK_AND_ASSIGN(const SiteMatrix gram, Gram(sites.updates(), Device::kCpu));
  EXPECT_TRUE(std::isfinite(gram.at(0, 1)));
}

TEST(Gram, RefusesNoSiteAndNoParameter) {
  EXPECT_THAT(Gram({}, Device::kCpu), StatusIs(kRefused, "0 sites"));
  const std::vector<std::span<const float>> empty(2);
  EXPECT_THAT(Gram(empty, Device::kCpu), StatusIs(kRefused, "0 parameters"));
}

TEST(SquaredDistances, StayWithinTheErrorBoundAndAreNeverBelowZero) {
  // Two updates that differ by 2^-12 in one coordinate of 3,000, and one that is far.
  std::vector<std::vector<float>> values(3, RandomFloats(3000, 8));
  values[1][77] += 0x1p-12f;
  values[2] = RandomFloats(3000, 9);
  const GuardedSites sites(values);
  HILUM_ASSERT_OK_AND_ASSIGN(const SiteMatrix gram, Gram(sites.updates(), Device::kCpu));
  const SiteMatrix distances = SquaredDistances(gram);
  for (int64_t i = 0; i < 3; ++i) {
    EXPECT_EQ(distances.at(i, i), 0.0);
    for (int64_t j = 0; j < 3; ++j) {
      double want = 0.0;
      for (size_t k = 0; k < 3000; ++k) {
        const double d = static_cast<double>(values[i][k]) - values[j][k];
        want += d * d;
      }
      EXPECT_NEAR(distances.at(i, j), want, SquaredDistanceError(gram, i, j));
      EXPECT_GE(distances.at(i, j), 0.0);
    }
  }
  SiteMatrix rounded(2);  // as rounding may leave equal updates
  rounded.Set(0, 0, 1.0);
  rounded.Set(1, 1, 1.0);
  rounded.Set(0, 1, 1.0 + 0x1p-50);
  EXPECT_EQ(SquaredDistances(rounded).at(0, 1), 0.0);
}

}  // namespace
}  // namespace hilum::kernels

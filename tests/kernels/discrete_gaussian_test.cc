#include "kernels/discrete_gaussian.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <map>
#include <sstream>

#include "base/seeded_random.h"
#include "kernels/chacha20_stream.h"
#include "kernels/discrete_gaussian_program.h"
#include "tests/kernels/parity.h"
#include "tests/status_matchers.h"

namespace hilum::kernels {
namespace {

// The stream of the vectors: upper halves of SplitMix64.
class Words {
 public:
  explicit Words(uint64_t seed) : random_(seed) {}
  void operator()(std::span<uint32_t> words) const {
    for (uint32_t& word : words) word = static_cast<uint32_t>(random_.Next() >> 32);
  }

 private:
  mutable SeededRandom random_;  // a FunctionRef calls what is const
};

std::vector<int64_t> Draw(const Variance& variance, size_t n, uint64_t seed) {
  const auto gaussian = DiscreteGaussian::Create(variance);
  EXPECT_TRUE(gaussian.ok()) << gaussian.status();
  std::vector<int64_t> samples(n);
  Words words(seed);
  gaussian->Sample(samples, words);
  return samples;
}

TEST(DiscreteGaussian, EqualsTheVectorsOfPythonsFractions) {
  std::ifstream file(std::string(HILUM_SOURCE_DIR) +
                     "/tests/vectors/kernels/discrete_gaussian.txt");
  int n_lines = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream fields(line);
    uint64_t seed = 0;
    Variance variance;
    fields >> seed >> variance.numerator >> variance.denominator;
    std::vector<int64_t> want;
    for (int64_t sample = 0; fields >> sample;) want.push_back(sample);
    ASSERT_EQ(want.size(), 40u);
    EXPECT_EQ(Draw(variance, want.size(), seed), want) << line;
    ++n_lines;
  }
  EXPECT_EQ(n_lines, 8);
}

struct ChiSquare {
  double value = 0.0;
  double freedom = 0.0;
};

// Bins of `width` integers from -bound to bound, and one for what lies beyond.
ChiSquare AgainstTheDistribution(const std::vector<int64_t>& samples, double variance,
                                 int64_t width) {
  const auto weight = [&](int64_t x) {
    return std::exp(-static_cast<double>(x) * static_cast<double>(x) / (2 * variance));
  };
  const auto bin_of = [&](int64_t x) {
    return static_cast<int64_t>(std::floor(static_cast<double>(x) / static_cast<double>(width)));
  };
  const auto reach = static_cast<int64_t>(15 * std::sqrt(variance)) + 15;
  double total = 0;
  std::map<int64_t, double> probability;
  for (int64_t x = -reach; x <= reach; ++x) {
    total += weight(x);
    probability[bin_of(x)] += weight(x);
  }
  std::map<int64_t, double> count;
  for (const int64_t sample : samples) ++count[bin_of(sample)];
  const auto n = static_cast<double>(samples.size());
  ChiSquare result;
  double rare_expected = 0, rare_count = n;  // bins of fewer than 20 expected are one bin
  for (const auto& [bin, sum] : probability) {
    const double expected = n * sum / total;
    if (expected < 20) {
      rare_expected += expected;
      continue;
    }
    rare_count -= count[bin];
    result.value += (count[bin] - expected) * (count[bin] - expected) / expected;
    ++result.freedom;
  }
  if (rare_expected < 20) return {result.value, result.freedom - 1};
  result.value += (rare_count - rare_expected) * (rare_count - rare_expected) / rare_expected;
  return result;
}

// A chi-square of f degrees of freedom has the mean f and the standard deviation sqrt(2 f). Six of
// them, with fixed seeds; 5 % too much or too little variance is 20 of them or more (next test).
TEST(DiscreteGaussian, FollowsTheExactDistribution) {
  constexpr size_t kSamples = 400'000;
  struct Case {
    Variance variance;
    int64_t width;
  };
  for (const Case& c : {Case{{1, 4}, 1}, Case{{1, 1}, 1}, Case{{3, 2}, 1}, Case{{10, 3}, 1},
                        Case{{100, 1}, 1}, Case{{12345, 7}, 3}, Case{{1'000'000, 1}, 50}}) {
    for (const uint64_t seed : {1, 2, 3}) {
      const double variance =
          static_cast<double>(c.variance.numerator) / static_cast<double>(c.variance.denominator);
      const ChiSquare chi =
          AgainstTheDistribution(Draw(c.variance, kSamples, seed), variance, c.width);
      EXPECT_GE(chi.freedom, 3.0);
      EXPECT_LT(chi.value, chi.freedom + 6 * std::sqrt(2 * chi.freedom))
          << "variance " << variance << ", seed " << seed;
      EXPECT_GT(chi.value, chi.freedom - 6 * std::sqrt(2 * chi.freedom));
    }
  }
}

TEST(DiscreteGaussian, TheTestNoticesAnotherVariance) {
  for (const auto& [numerator, width] : {std::pair<uint64_t, int64_t>{100, 1}, {1'000'000, 50}}) {
    const auto samples = Draw({.numerator = numerator}, 400'000, 1);
    for (const double factor : {0.95, 1.05}) {
      const ChiSquare chi =
          AgainstTheDistribution(samples, factor * static_cast<double>(numerator), width);
      EXPECT_GT(chi.value, chi.freedom + 20 * std::sqrt(2 * chi.freedom));
    }
  }
}

// sigma = 2^27: too wide for bins of one, so its moments. The standard deviation of the mean is
// sigma / sqrt(n), that of the variance sigma^2 sqrt(2 / n).
TEST(DiscreteGaussian, HasTheMomentsOfTheLargestVariance) {
  constexpr double kSamples = 200'000;
  const double sigma = std::ldexp(1.0, 27);
  double sum = 0, squares = 0;
  for (const int64_t x : Draw({.numerator = uint64_t{1} << 54}, kSamples, 5)) {
    sum += static_cast<double>(x);
    squares += static_cast<double>(x) * static_cast<double>(x);
  }
  EXPECT_NEAR(sum / kSamples / sigma, 0.0, 6 / std::sqrt(kSamples));
  EXPECT_NEAR(squares / kSamples / sigma / sigma, 1.0, 6 * std::sqrt(2 / kSamples));
}

TEST(DiscreteGaussian, OfTheSmallestVarianceIsZero) {
  for (const int64_t x : Draw({.numerator = 1, .denominator = 1 << 20}, 1000, 6)) EXPECT_EQ(x, 0);
}

constexpr int64_t kRun = DiscreteGaussianProgram::kRun;
constexpr std::array<uint32_t, 8> kKey = {0, 1, 2, 3, 4, 5, 6, 7};

// What AddNoise adds, run by run, by Sample.
std::vector<int64_t> SamplesOf(const DiscreteGaussian& gaussian, int64_t n) {
  std::vector<int64_t> samples(static_cast<size_t>(n));
  for (int64_t first = 0; first < n; first += kRun) {
    uint32_t block = 0;
    const auto source = [&](std::span<uint32_t> words) {
      ChaCha20Words(kKey.data(), {static_cast<uint32_t>(first / kRun), 0, 0}, block, words);
      block += static_cast<uint32_t>(words.size()) / kChaChaWords;
    };
    gaussian.Sample(std::span(samples).subspan(static_cast<size_t>(first),
                                               static_cast<size_t>(std::min(kRun, n - first))),
                    source);
  }
  return samples;
}

TEST(DiscreteGaussian, AddsTheSamplesInTheRing) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto gaussian,
                             DiscreteGaussian::Create({.numerator = 5000, .denominator = 3}));
  for (const int ring_bits : {1, 16, 25, 32}) {
    const uint64_t mask = (uint64_t{1} << ring_bits) - 1;
    for (const int64_t n : SizesAround(DiscreteGaussianProgram::kTile)) {
      const std::vector<int64_t> samples = SamplesOf(gaussian, n);
      Guarded ring(RandomWords(n));
      const std::vector<uint32_t> before = ring.values();
      HILUM_ASSERT_OK(gaussian.AddNoise(ring.span(), ring_bits, kKey, Device::kCpu));
      for (size_t j = 0; j < before.size(); ++j) {
        const uint64_t want = (before[j] + static_cast<uint64_t>(samples[j])) & mask;
        ASSERT_EQ(ring.span()[j], want) << j << " of " << n;
      }
      EXPECT_TRUE(ring.GuardsAreIntact());
    }
  }
}

TEST(DiscreteGaussian, AddsWhatPythonsFractionsDrawFromItsKeystream) {
  std::ifstream file(std::string(HILUM_SOURCE_DIR) +
                     "/tests/vectors/kernels/discrete_gaussian_noise.txt");
  int n_lines = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    std::istringstream fields(line);
    std::array<uint32_t, 8> key = kKey;
    Variance variance;
    fields >> key[0] >> variance.numerator >> variance.denominator;
    std::vector<uint32_t> want;
    for (int64_t sample = 0; fields >> sample;) want.push_back(static_cast<uint32_t>(sample));
    ASSERT_EQ(want.size(), static_cast<size_t>(2 * kRun + 3));
    HILUM_ASSERT_OK_AND_ASSIGN(const auto gaussian, DiscreteGaussian::Create(variance));
    std::vector<uint32_t> ring(want.size(), 0);
    HILUM_ASSERT_OK(gaussian.AddNoise(ring, 32, key, Device::kCpu));
    EXPECT_EQ(ring, want) << line;
    ++n_lines;
  }
  EXPECT_EQ(n_lines, 4);
}

TEST(DiscreteGaussian, EveryWayOfRunningGivesTheSameBits) {
  const GaussianParameters gaussian{
      .numerator = 100, .denominator = 1, .scale = 11, .largest = 1'000'000};
  ForEachWay([&](auto launch, const std::string& name) {
    for (const int64_t n : SizesAround(DiscreteGaussianProgram::kTile)) {
      Guarded ring(RandomWords(n));
      std::vector<uint32_t> want = ring.values();
      const auto program = [&](std::span<uint32_t> words) {
        return DiscreteGaussianProgram{.ring = words.data(),
                                       .n = n,
                                       .key = kKey.data(),
                                       .gaussian = gaussian,
                                       .mask = 0x1ffffff};
      };
      Launch(program(want), BlocksFor(n, DiscreteGaussianProgram::kTile), Isa::kScalar);
      launch(program(ring.span()), n);
      EXPECT_EQ(ring.values(), want) << name << ", " << n;
      EXPECT_TRUE(ring.GuardsAreIntact());
    }
  });
}

TEST(DiscreteGaussian, TakesWordsInWholeBlocks) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto gaussian, DiscreteGaussian::Create({.numerator = 100}));
  size_t n_words = 0, n_calls = 0;
  Words words(1);
  const auto counted = [&](std::span<uint32_t> span) {
    n_words += span.size();
    ++n_calls;
    words(span);
  };
  gaussian.Sample({}, counted);
  EXPECT_EQ(n_words, 0u);
  std::vector<int64_t> samples(1);
  gaussian.Sample(samples, counted);
  EXPECT_EQ(n_words, kNoiseBlockWords);
  samples.resize(1000);
  gaussian.Sample(samples, counted);
  EXPECT_EQ(n_words, n_calls * kNoiseBlockWords);
}

TEST(DiscreteGaussian, RefusesWhatIsOutOfRange) {
  for (const Variance& variance :
       {Variance{.numerator = 0}, Variance{.numerator = (uint64_t{1} << 54) + 1},
        Variance{.numerator = 1, .denominator = 0},
        Variance{.numerator = 1, .denominator = (1 << 20) + 1}}) {
    EXPECT_THAT(DiscreteGaussian::Create(variance),
                StatusIs(absl::StatusCode::kInvalidArgument, "1 to 2^54"));
  }
  HILUM_ASSERT_OK_AND_ASSIGN(const auto gaussian, DiscreteGaussian::Create({.numerator = 100}));
  std::vector<uint32_t> ring(3, 5);
  for (const int bits : {0, 33}) {
    EXPECT_THAT(gaussian.AddNoise(ring, bits, kKey, Device::kCpu),
                StatusIs(absl::StatusCode::kInvalidArgument, "1 to 32"));
  }
  EXPECT_THAT(gaussian.AddNoise(ring, 32, kKey, Device(Device::kCuda, 4095)),
              StatusIs(absl::StatusCode::kFailedPrecondition, "cuda:4095 was asked for"));
  EXPECT_EQ(ring, std::vector<uint32_t>(3, 5));
}

}  // namespace
}  // namespace hilum::kernels

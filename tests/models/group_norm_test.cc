#include "models/group_norm.h"

#include <cmath>
#include <vector>

#include "base/seeded_random.h"
#include "tests/status_matchers.h"

namespace hilum::models {
namespace {

constexpr float kEpsilon = 1e-5f;

std::vector<float> Random(size_t n, uint64_t seed, double low = -1, double high = 1) {
  SeededRandom random(seed);
  std::vector<float> values(n);
  for (float& value : values) value = static_cast<float>(random.Uniform(low, high));
  return values;
}

// One image with its coefficients and statistics.
struct Case {
  NormShape shape;
  std::vector<float> x, dy, gamma, beta;
  std::vector<float> scale, shift, mean, rstd;
  std::vector<float> y, dx, dgamma, dbeta;

  Case(int64_t pixels, int channels, bool relu) : shape{pixels, channels, 8, relu} {
    const size_t n = pixels * channels;
    x = Random(n, 1, -0.5, 2);  // a mean that is not 0
    dy = Random(n, 2);
    gamma = Random(channels, 3, 0.5, 1.5);
    beta = Random(channels, 4);
    scale = shift = dgamma = dbeta = std::vector<float>(channels);
    mean = rstd = std::vector<float>(8);
    y = dx = std::vector<float>(n);
  }
  NormStatistics statistics() { return {scale.data(), shift.data(), mean.data(), rstd.data()}; }
  void Forward() {
    GroupNormForward(shape, x.data(), gamma.data(), beta.data(), kEpsilon, statistics(), y.data());
  }
  void Backward() {
    GroupNormBackward(shape, x.data(), dy.data(), gamma.data(), statistics(), dx.data(),
                      dgamma.data(), dbeta.data());
  }
  // sum(dy * y) with the reference's y.
  double Objective() const {
    std::vector<float> reference(y.size());
    GroupNormForwardReference(shape, x.data(), gamma.data(), beta.data(), kEpsilon,
                              reference.data());
    double sum = 0;
    for (size_t i = 0; i < reference.size(); ++i) sum += double{dy[i]} * reference[i];
    return sum;
  }
};

// Some value of the channel is so near to 0 before the ReLU that a small step crosses it.
bool NearKink(const Case& c, int channel) {
  for (int64_t p = 0; p < c.shape.pixels; ++p) {
    const float x = c.x[p * c.shape.channels + channel];
    if (std::abs(x * c.scale[channel] + c.shift[channel]) < 3e-3f) return true;
  }
  return false;
}

// Sizes around the block of 64 pixels and the tiles of 8 and 16 channels.
TEST(GroupNorm, ForwardAgreesWithTheReference) {
  for (int64_t pixels : {1, 2, 3, 63, 64, 65, 129}) {
    for (int channels : {8, 16, 24, 32, 40, 64}) {
      for (bool relu : {false, true}) {
        Case c(pixels, channels, relu);
        c.Forward();
        std::vector<float> reference(c.y.size());
        GroupNormForwardReference(c.shape, c.x.data(), c.gamma.data(), c.beta.data(), kEpsilon,
                                  reference.data());
        // x / sigma is at most 2 / sqrt(epsilon); sums lose less than 64 roundings of 2^-24.
        const double sigma_floor = pixels * channels == 8 ? std::sqrt(kEpsilon) : 0.05;
        const double bound = 64 * 0x1p-24 * 2 / sigma_floor + 1e-6;
        for (size_t i = 0; i < reference.size(); ++i) {
          ASSERT_NEAR(c.y[i], reference[i], bound)
              << pixels << " pixels, " << channels << " channels, value " << i;
        }
      }
    }
  }
}

TEST(GroupNorm, BackwardAgreesWithDifferencesOfTheReference) {
  for (int64_t pixels : {3, 65}) {
    for (int channels : {8, 24}) {
      for (bool relu : {false, true}) {
        Case c(pixels, channels, relu);
        c.Forward();
        c.Backward();
        const auto difference = [&](float& value) {
          // The widest step that float32 inputs allow; the error is of second order in it.
          const float kept = value, step = 1e-3f;
          value = kept + step;
          const double up = c.Objective();
          const float above = value;
          value = kept - step;
          const double down = c.Objective();
          const double slope = (up - down) / (double{above} - value);
          value = kept;
          return slope;
        };
        for (size_t i = 0; i < c.x.size(); i += 7) {
          // At a kink of the ReLU the difference means nothing.
          if (relu && std::abs(c.y[i]) < 0.02) continue;
          EXPECT_NEAR(c.dx[i], difference(c.x[i]), 0.02) << pixels << " " << channels << " " << i;
        }
        for (int k = 0; k < channels; ++k) {
          if (relu && NearKink(c, k)) continue;
          EXPECT_NEAR(c.dgamma[k], difference(c.gamma[k]), 0.02) << k;
          EXPECT_NEAR(c.dbeta[k], difference(c.beta[k]), 0.02) << k;
        }
      }
    }
  }
}

// What an offset of the input does not change: each group's gradient sums to 0, also against xhat.
TEST(GroupNorm, TheGradientIsOrthogonalToOffsetAndScale) {
  Case c(100, 32, true);
  c.Forward();
  c.Backward();
  for (int group = 0; group < 8; ++group) {
    double sum = 0, product = 0;
    for (int64_t p = 0; p < 100; ++p) {
      for (int k = 4 * group; k < 4 * group + 4; ++k) {
        sum += c.dx[p * 32 + k];
        product += c.dx[p * 32 + k] * (c.x[p * 32 + k] - c.mean[group]);
      }
    }
    EXPECT_NEAR(sum, 0, 1e-4) << group;
    EXPECT_NEAR(product, 0, 1e-3) << group;  // exact but for epsilon
  }
}

TEST(GroupNorm, NaNIsNotHiddenByTheReLU) {
  Case c(4, 8, true);
  c.x[3] = std::nanf("");
  c.Forward();
  EXPECT_TRUE(std::isnan(c.y[3]));
  EXPECT_FALSE(std::isnan(c.y[4]));  // another group
}

TEST(GroupNorm, ALargeOffsetDoesNotSpoilTheVariance) {
  Case c(1024, 16, false);
  for (float& value : c.x) value += 100;
  c.Forward();
  std::vector<float> reference(c.y.size());
  GroupNormForwardReference(c.shape, c.x.data(), c.gamma.data(), c.beta.data(), kEpsilon,
                            reference.data());
  for (size_t i = 0; i < reference.size(); ++i) ASSERT_NEAR(c.y[i], reference[i], 5e-3);
}

}  // namespace
}  // namespace hilum::models

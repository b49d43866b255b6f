// The GPU gives the CPU's bits. Skipped where there is no GPU; built only with HILUM_CUDA.
#include <array>

#include "kernels/clip.h"
#include "kernels/dequantize.h"
#include "kernels/discrete_gaussian.h"
#include "kernels/integer_sum.h"
#include "kernels/keystream.h"
#include "kernels/quantize.h"
#include "kernels/sum_of_squares.h"
#include "kernels/tag_polynomial.h"
#include "tests/kernels/parity.h"
#include "tests/status_matchers.h"

namespace hilum::kernels {
namespace {

constexpr int64_t kTile = 2048;  // of every program

class Cuda : public testing::Test {
 protected:
  void SetUp() override {
    if (CudaDeviceCount() == 0) GTEST_SKIP() << "no CUDA device here: GPU parity was not run";
  }
  const Device cuda{Device::kCuda, 0};
};

TEST_F(Cuda, IntegerSumGivesTheSameBits) {
  for (const int64_t n : SizesAround(kTile)) {
    const std::vector<uint32_t> words = RandomWords(n);
    std::vector<uint64_t> cpu = RandomTotals(n), gpu = cpu;
    HILUM_ASSERT_OK(AddWords(words, cpu, Device::kCpu));
    HILUM_ASSERT_OK(AddWords(words, gpu, cuda));
    EXPECT_EQ(gpu, cpu) << n;
    HILUM_ASSERT_OK(SubtractWords(words, gpu, cuda));
    EXPECT_EQ(gpu, RandomTotals(n)) << n;
    std::vector<uint32_t> cpu_ring(cpu.size()), gpu_ring(cpu.size());
    HILUM_ASSERT_OK(ReduceToRing(cpu, 25, cpu_ring, Device::kCpu));
    HILUM_ASSERT_OK(ReduceToRing(cpu, 25, gpu_ring, cuda));
    EXPECT_EQ(gpu_ring, cpu_ring) << n;
  }
}

TEST_F(Cuda, KeystreamsGiveTheSameBits) {
  const std::array<uint8_t, kMaskKeyBytes> a = {1, 2, 3}, b = {4, 5, 6};
  const std::array<MaskKey, 2> keys = {MaskKey{.bytes = a}, MaskKey{.bytes = b, .sign = -1}};
  HILUM_ASSERT_OK_AND_ASSIGN(
      const MaskKeys prepared,
      MaskKeys::Create(keys, {.suite = MaskSuite::kChaCha20, .ring_bits = 27}));
  for (const uint64_t first : {uint64_t{0}, uint64_t{5}, (uint64_t{1} << 36) - 70'000}) {
    for (const int64_t n : SizesAround(kTile)) {
      std::vector<uint32_t> cpu = RandomWords(n), gpu = cpu;
      HILUM_ASSERT_OK(KeystreamAdd(cpu, prepared, first, Device::kCpu));
      HILUM_ASSERT_OK(KeystreamAdd(gpu, prepared, first, cuda));
      EXPECT_EQ(gpu, cpu) << n << " from " << first;
    }
  }
}

TEST_F(Cuda, NoiseGivesTheSameBits) {
  constexpr std::array<uint32_t, 8> kKey = {1, 2, 3, 4, 5, 6, 7, 8};
  for (const Variance& variance :
       {Variance{.numerator = 1, .denominator = 4}, Variance{.numerator = 5000, .denominator = 3},
        Variance{.numerator = uint64_t{1} << 54}}) {
    HILUM_ASSERT_OK_AND_ASSIGN(const auto gaussian, DiscreteGaussian::Create(variance));
    for (const int64_t n : SizesAround(8192)) {
      std::vector<uint32_t> cpu = RandomWords(n), gpu = cpu;
      HILUM_ASSERT_OK(gaussian.AddNoise(cpu, 27, kKey, Device::kCpu));
      HILUM_ASSERT_OK(gaussian.AddNoise(gpu, 27, kKey, cuda));
      EXPECT_EQ(gpu, cpu) << n << ", variance " << variance.numerator;
    }
  }
}

TEST_F(Cuda, TagsGiveTheSameBits) {
  constexpr TagValues kPoints = {0x123456789abcdefull, kTagPrime - 1, 77};
  for (const int64_t n : SizesAround(8192)) {
    const std::vector<uint32_t> words = RandomWords(n);
    const std::vector<uint64_t> sums = RandomTotals(n);
    HILUM_ASSERT_OK_AND_ASSIGN(const TagValues of_words, EvaluateTags(words, kPoints, cuda));
    HILUM_ASSERT_OK_AND_ASSIGN(const TagValues of_sums, EvaluateTags(sums, kPoints, cuda));
    EXPECT_EQ(of_words, EvaluateTagsReference(words, kPoints)) << n;
    EXPECT_EQ(of_sums, EvaluateTagsReference(sums, kPoints)) << n;
  }
}

TEST_F(Cuda, NormsGiveTheSameBits) {
  for (const int64_t n : SizesAround(kTile)) {
    const std::vector<float> values = RandomFloats(n);
    HILUM_ASSERT_OK_AND_ASSIGN(const Norms cpu, MeasureNorms(values, Device::kCpu));
    HILUM_ASSERT_OK_AND_ASSIGN(const Norms gpu, MeasureNorms(values, cuda));
    EXPECT_EQ(gpu.sum_of_squares, cpu.sum_of_squares) << n;
    EXPECT_EQ(gpu.max_abs, cpu.max_abs) << n;
    EXPECT_EQ(gpu.first_not_finite, cpu.first_not_finite) << n;
  }
}

TEST_F(Cuda, ScalingGivesTheSameBits) {
  for (const int64_t n : SizesAround(kTile)) {
    std::vector<float> cpu = RandomFloats(n), gpu = cpu;
    HILUM_ASSERT_OK(ScaleInPlace(cpu, 0.3f, Device::kCpu));
    HILUM_ASSERT_OK(ScaleInPlace(gpu, 0.3f, cuda));
    EXPECT_TRUE(SameBits(gpu, cpu)) << n;
  }
}

TEST_F(Cuda, QuantizingGivesTheSameBits) {
  const QuantizeOptions options{
      .weight = 0.37, .scale = 33554431.0, .value_bits = 26, .ring_bits = 32};
  for (const int64_t n : SizesAround(kTile)) {
    std::vector<uint32_t> cpu(static_cast<size_t>(n)), gpu(static_cast<size_t>(n));
    HILUM_ASSERT_OK(Quantize(RandomFloats(n), RandomWords(n), options, cpu, Device::kCpu));
    HILUM_ASSERT_OK(Quantize(RandomFloats(n), RandomWords(n), options, gpu, cuda));
    EXPECT_EQ(gpu, cpu) << n;
  }
}

TEST_F(Cuda, TheMeanAndTheServerStepGiveTheSameBits) {
  const DequantizeOptions options{.ring_bits = 32, .gain = 1.0 / 3.0e9};
  for (const int64_t n : SizesAround(kTile)) {
    const std::vector<uint32_t> ring = RandomWords(n);
    std::vector<double> cpu_mean(ring.size()), gpu_mean(ring.size());
    HILUM_ASSERT_OK(Dequantize(ring, options, cpu_mean, Device::kCpu));
    HILUM_ASSERT_OK(Dequantize(ring, options, gpu_mean, cuda));
    EXPECT_TRUE(SameBits(gpu_mean, cpu_mean)) << n;
    std::vector<float> cpu = RandomFloats(n), gpu = cpu;
    HILUM_ASSERT_OK(AddMean(ring, options, 0.7, cpu, Device::kCpu));
    HILUM_ASSERT_OK(AddMean(ring, options, 0.7, gpu, cuda));
    EXPECT_TRUE(SameBits(gpu, cpu)) << n;
  }
}

}  // namespace
}  // namespace hilum::kernels

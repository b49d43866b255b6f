// The GPU gives the CPU's bits for the kernels over many sites, the server's optimizers and
// packing. Skipped where there is no GPU; built only with HILUM_CUDA.
#include <cmath>

#include "kernels/gram.h"
#include "kernels/gram_program.h"
#include "kernels/pack.h"
#include "kernels/robust_mean.h"
#include "kernels/server_step.h"
#include "kernels/trimmed_mean.h"
#include "kernels/vector_sum.h"
#include "kernels/weighted_mean.h"
#include "tests/kernels/sites.h"
#include "tests/status_matchers.h"

namespace hilum::kernels {
namespace {

class CudaSites : public testing::Test {
 protected:
  void SetUp() override {
    if (CudaDeviceCount() == 0) GTEST_SKIP() << "no CUDA device here: GPU parity was not run";
  }
  // Runs `rule(result, device)` on both and compares.
  template <class Rule>
  void ExpectSame(int64_t n, Rule rule) {
    std::vector<float> cpu(static_cast<size_t>(n)), gpu(cpu.size());
    HILUM_ASSERT_OK(rule(cpu, Device(Device::kCpu)));
    HILUM_ASSERT_OK(rule(gpu, cuda));
    EXPECT_TRUE(SameBits(gpu, cpu)) << n;
  }
  const Device cuda{Device::kCuda, 0};
};

constexpr int64_t kSites[] = {1, 3, 10, 50};
constexpr int64_t kSizes[] = {1, 17, 2047, 2049, 4096, 16385, 100'003};

TEST_F(CudaSites, MeansGiveTheSameBits) {
  for (const int64_t n_sites : kSites) {
    const std::vector<double> weights(static_cast<size_t>(n_sites), 3.7);
    for (const int64_t n : kSizes) {
      const GuardedSites sites(n_sites, n);
      const Updates updates = sites.updates();
      ExpectSame(n, [&](auto& r, Device d) { return WeightedMean(updates, weights, r, d); });
      ExpectSame(n, [&](auto& r, Device d) { return CoordinateMedian(updates, r, d); });
      ExpectSame(n, [&](auto& r, Device d) { return TrimmedMean(updates, n_sites / 5, r, d); });
      ExpectSame(
          n, [&](auto& r, Device d) { return MeanAroundMedian(updates, (n_sites + 1) / 2, r, d); });
      ExpectSame(n, [&](auto& r, Device d) {
        return GeometricMedian(updates, weights, {}, r, d).status();
      });
    }
  }
}

TEST_F(CudaSites, GramGivesTheSameBits) {
  for (const int64_t n_sites : kSites) {
    for (const int64_t n : kSizes) {
      const GuardedSites sites(n_sites, n);
      HILUM_ASSERT_OK_AND_ASSIGN(const SiteMatrix cpu, Gram(sites.updates(), Device::kCpu));
      HILUM_ASSERT_OK_AND_ASSIGN(const SiteMatrix gpu, Gram(sites.updates(), cuda));
      for (int64_t i = 0; i < n_sites; ++i) {
        for (int64_t j = 0; j < n_sites; ++j) EXPECT_EQ(gpu.at(i, j), cpu.at(i, j)) << n;
      }
    }
  }
}

TEST_F(CudaSites, NotFiniteUpdatesAreNamed) {
  GuardedSites sites(5, 9000);
  sites.site(3)[8191] = NAN;
  std::vector<float> result(9000);
  const auto named = StatusIs(absl::StatusCode::kInvalidArgument, "site 3's update holds nan");
  EXPECT_THAT(WeightedMean(sites.updates(), std::vector<double>(5, 1.0), result, cuda), named);
  EXPECT_THAT(CoordinateMedian(sites.updates(), result, cuda), named);
  EXPECT_THAT(Gram(sites.updates(), cuda), named);
}

TEST_F(CudaSites, ServerStepsGiveTheSameBits) {
  for (const ServerRule rule :
       {ServerRule::kFedAdagrad, ServerRule::kFedAdam, ServerRule::kFedYogi}) {
    for (const int64_t n : kSizes) {
      const auto after = [&](Device device) {
        std::vector<float> model = RandomFloats(n, 1), m = RandomFloats(n, 2),
                           v(model.size(), 0.1f);
        const ServerState state{.model = model, .m = m, .v = v};
        const ServerStepOptions options{.rule = rule, .rate = 0.03f};
        HILUM_EXPECT_OK(ServerStep(RandomFloats(n, 3), options, state, device));
        HILUM_EXPECT_OK(ServerStepFromRing(RandomWords(n), {.ring_bits = 32, .gain = 1e-9}, options,
                                           state, device));
        model.insert(model.end(), m.begin(), m.end());
        model.insert(model.end(), v.begin(), v.end());
        return model;
      };
      EXPECT_TRUE(SameBits(after(cuda), after(Device::kCpu))) << n;
    }
  }
}

TEST_F(CudaSites, PackingAndExactSumsGiveTheSameBits) {
  for (const int64_t n : kSizes) {
    const std::vector<uint32_t> words = RandomWords(n), other = RandomWords(n, 5);
    std::vector<uint8_t> cpu(static_cast<size_t>(PackedSizeBytes(n, 25))), gpu(cpu.size());
    HILUM_ASSERT_OK(PackWords(words, 25, cpu, Device::kCpu));
    HILUM_ASSERT_OK(PackWords(words, 25, gpu, cuda));
    EXPECT_EQ(gpu, cpu) << n;
    std::vector<uint32_t> cpu_ring(words.size()), gpu_ring(words.size());
    HILUM_ASSERT_OK(UnpackWords(cpu, 25, cpu_ring, Device::kCpu));
    HILUM_ASSERT_OK(UnpackWords(cpu, 25, gpu_ring, cuda));
    EXPECT_EQ(gpu_ring, cpu_ring) << n;
    const std::vector<std::span<const uint32_t>> vectors = {words, other, words, other, words};
    std::vector<uint64_t> cpu_total(words.size(), 9), gpu_total = cpu_total;
    HILUM_ASSERT_OK(AddVectors(vectors, cpu_total, Device::kCpu));
    HILUM_ASSERT_OK(AddVectors(vectors, gpu_total, cuda));
    EXPECT_EQ(gpu_total, cpu_total) << n;
  }
}

}  // namespace
}  // namespace hilum::kernels

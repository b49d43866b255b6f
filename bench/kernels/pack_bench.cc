// Ring words of 25 bits into the bytes of packed mode, and back.
#include <vector>

#include "bench/kernels/sizes.h"
#include "bench/roofline.h"
#include "kernels/pack.h"

namespace hilum::kernels {
namespace {

constexpr int kBits = 25;

void PackWordsBench(benchmark::State& state) {
  const int64_t n = state.range(0);
  const std::vector<uint32_t> ring(static_cast<size_t>(n), 0x1234567);
  std::vector<uint8_t> packed(static_cast<size_t>(PackedSizeBytes(n, kBits)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(PackWords(ring, kBits, packed, Device::kCpu));
    benchmark::ClobberMemory();
  }
  bench::ReportRoofline(state, {.bytes = (4.0 + kBits / 8.0) * static_cast<double>(n),
                                .ops = 2.0 * static_cast<double>(n),
                                .traffic = bench::Traffic::kCopy});
}
BENCHMARK(PackWordsBench)->Name("PackWords")->Apply(bench::VectorSizes);

void UnpackWordsBench(benchmark::State& state) {
  const int64_t n = state.range(0);
  const std::vector<uint8_t> packed(static_cast<size_t>(PackedSizeBytes(n, kBits)), 0);
  std::vector<uint32_t> ring(static_cast<size_t>(n));
  for (auto _ : state) {
    benchmark::DoNotOptimize(UnpackWords(packed, kBits, ring, Device::kCpu));
    benchmark::ClobberMemory();
  }
  bench::ReportRoofline(state, {.bytes = (4.0 + kBits / 8.0) * static_cast<double>(n),
                                .ops = 2.0 * static_cast<double>(n),
                                .traffic = bench::Traffic::kCopy});
}
BENCHMARK(UnpackWordsBench)->Name("UnpackWords")->Apply(bench::VectorSizes);

}  // namespace
}  // namespace hilum::kernels

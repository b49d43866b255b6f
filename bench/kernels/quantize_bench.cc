// Stochastic rounding into the ring; the random words are given.
#include <vector>

#include "bench/kernels/sizes.h"
#include "bench/roofline.h"
#include "kernels/quantize.h"

namespace hilum::kernels {
namespace {

void QuantizeBench(benchmark::State& state) {
  const size_t n = static_cast<size_t>(state.range(0));
  const std::vector<float> values(n, 0.25f);
  const std::vector<uint32_t> random_words(n, 0x12345678);
  std::vector<uint32_t> ring(n);
  const QuantizeOptions options{.weight = 0.3, .scale = 1e6, .value_bits = 26, .ring_bits = 32};
  for (auto _ : state) {
    benchmark::DoNotOptimize(Quantize(values, random_words, options, ring, Device::kCpu));
    benchmark::ClobberMemory();
  }
  bench::ReportRoofline(state, {.bytes = 12.0 * n, .ops = 10.0 * n});
}
BENCHMARK(QuantizeBench)->Name("Quantize")->Apply(bench::VectorSizes);

}  // namespace
}  // namespace hilum::kernels

// Ring words into the mean, and the FedAvg step.
#include <vector>

#include "bench/kernels/sizes.h"
#include "bench/roofline.h"
#include "kernels/dequantize.h"

namespace hilum::kernels {
namespace {

constexpr DequantizeOptions kOptions{.ring_bits = 32, .gain = 1e-9};

void DequantizeBench(benchmark::State& state) {
  const size_t n = static_cast<size_t>(state.range(0));
  const std::vector<uint32_t> ring(n, 0xfffffff0);
  std::vector<double> mean(n);
  for (auto _ : state) {
    benchmark::DoNotOptimize(Dequantize(ring, kOptions, mean, Device::kCpu));
    benchmark::ClobberMemory();
  }
  bench::ReportRoofline(state,
                        {.bytes = 12.0 * n, .ops = 1.0 * n, .traffic = bench::Traffic::kCopy});
}
BENCHMARK(DequantizeBench)->Name("Dequantize")->Apply(bench::VectorSizes);

void AddMeanBench(benchmark::State& state) {
  const size_t n = static_cast<size_t>(state.range(0));
  const std::vector<uint32_t> ring(n, 0xfffffff0);
  std::vector<float> model(n, 0.5f);
  for (auto _ : state) {
    benchmark::DoNotOptimize(AddMean(ring, kOptions, 1.0, model, Device::kCpu));
    benchmark::ClobberMemory();
  }
  bench::ReportRoofline(state,
                        {.bytes = 12.0 * n, .ops = 3.0 * n, .traffic = bench::Traffic::kUpdate});
}
BENCHMARK(AddMeanBench)->Name("AddMean")->Apply(bench::VectorSizes);

}  // namespace
}  // namespace hilum::kernels

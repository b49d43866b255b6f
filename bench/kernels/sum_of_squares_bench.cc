// The norms of a delta, before it is clipped.
#include <vector>

#include "bench/kernels/sizes.h"
#include "bench/roofline.h"
#include "kernels/sum_of_squares.h"

namespace hilum::kernels {
namespace {

void MeasureNormsBench(benchmark::State& state) {
  const size_t n = static_cast<size_t>(state.range(0));
  const std::vector<float> values(n, 0.25f);
  for (auto _ : state) benchmark::DoNotOptimize(MeasureNorms(values, Device::kCpu));
  bench::ReportRoofline(state,
                        {.bytes = 4.0 * n, .ops = 3.0 * n, .traffic = bench::Traffic::kRead});
}
BENCHMARK(MeasureNormsBench)->Name("MeasureNorms")->Apply(bench::VectorSizes);

}  // namespace
}  // namespace hilum::kernels

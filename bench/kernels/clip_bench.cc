// Scaling a delta down to the clip norm.
#include <vector>

#include "bench/kernels/sizes.h"
#include "bench/roofline.h"
#include "kernels/clip.h"

namespace hilum::kernels {
namespace {

void ScaleInPlaceBench(benchmark::State& state) {
  const size_t n = static_cast<size_t>(state.range(0));
  std::vector<float> values(n, 0.25f);
  for (auto _ : state) {
    benchmark::DoNotOptimize(ScaleInPlace(values, -1.0f, Device::kCpu));
    benchmark::ClobberMemory();
  }
  bench::ReportRoofline(state,
                        {.bytes = 8.0 * n, .ops = 1.0 * n, .traffic = bench::Traffic::kUpdate});
}
BENCHMARK(ScaleInPlaceBench)->Name("ScaleInPlace")->Apply(bench::VectorSizes);

}  // namespace
}  // namespace hilum::kernels

// The server's optimizers, from ring words to the next model.
#include <vector>

#include "bench/kernels/sizes.h"
#include "bench/roofline.h"
#include "kernels/server_step.h"

namespace hilum::kernels {
namespace {

void ServerStepBench(benchmark::State& state, ServerRule rule) {
  const size_t n = static_cast<size_t>(state.range(0));
  const std::vector<uint32_t> ring(n, 0xfffffff0);
  std::vector<float> model(n, 0.5f), m(n, 0.0f), v(n, 1e-6f);
  for (auto _ : state) {
    benchmark::DoNotOptimize(ServerStepFromRing(ring, {.ring_bits = 32, .gain = 1e-9},
                                                {.rule = rule, .rate = 0.1f},
                                                {.model = model, .m = m, .v = v}, Device::kCpu));
    benchmark::ClobberMemory();
  }
  bench::ReportRoofline(state,
                        {.bytes = 28.0 * n, .ops = 12.0 * n, .traffic = bench::Traffic::kUpdate});
}
BENCHMARK_CAPTURE(ServerStepBench, adagrad, ServerRule::kFedAdagrad)
    ->Name("FedAdagrad")
    ->Apply(bench::VectorSizes);
BENCHMARK_CAPTURE(ServerStepBench, adam, ServerRule::kFedAdam)
    ->Name("FedAdam")
    ->Apply(bench::VectorSizes);
BENCHMARK_CAPTURE(ServerStepBench, yogi, ServerRule::kFedYogi)
    ->Name("FedYogi")
    ->Apply(bench::VectorSizes);

}  // namespace
}  // namespace hilum::kernels

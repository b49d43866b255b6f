// Robust rules over N sites' float updates: name/N/P.
#include <vector>

#include "bench/kernels/sites.h"
#include "bench/roofline.h"
#include "kernels/gram.h"
#include "kernels/krum.h"

namespace hilum::kernels {
namespace {

// Reads each update once and multiplies each pair.
bench::Work PairWork(int64_t n_sites, int64_t n_params) {
  return {.bytes = 4.0 * static_cast<double>(n_sites * n_params),
          .ops = static_cast<double>(n_sites * (n_sites + 1) * n_params),
          .traffic = bench::Traffic::kRead};
}

void KrumBench(benchmark::State& state) {
  const bench::SiteUpdates updates(state.range(0), state.range(1));
  for (auto _ : state) {
    const SiteMatrix gram = Gram(updates.spans(), Device::kCpu).value();
    benchmark::DoNotOptimize(KrumSelect(SquaredDistances(gram), {.n_faulty = state.range(0) / 5}));
  }
  bench::ReportRoofline(state, PairWork(state.range(0), state.range(1)));
}
BENCHMARK(KrumBench)->Name("krum")->Apply(bench::SitesOfOneModel);

}  // namespace
}  // namespace hilum::kernels

// The weighted mean of N sites' float updates: weighted_sum/N/P.
#include <vector>

#include "bench/kernels/sites.h"
#include "bench/roofline.h"
#include "kernels/weighted_mean.h"

namespace hilum::kernels {
namespace {

void WeightedMeanBench(benchmark::State& state) {
  const int64_t n_sites = state.range(0), n_params = state.range(1);
  const bench::SiteUpdates updates(n_sites, n_params);
  const std::vector<double> weights(static_cast<size_t>(n_sites), 3.0);
  std::vector<float> mean(static_cast<size_t>(n_params));
  for (auto _ : state) {
    benchmark::DoNotOptimize(WeightedMean(updates.spans(), weights, mean, Device::kCpu));
    benchmark::ClobberMemory();
  }
  bench::ReportRoofline(state, {.bytes = 4.0 * static_cast<double>((n_sites + 1) * n_params),
                                .ops = 2.0 * static_cast<double>(n_sites * n_params),
                                .traffic = bench::Traffic::kRead});
}
BENCHMARK(WeightedMeanBench)->Name("weighted_sum")->Apply(bench::SitesAndParams);

}  // namespace
}  // namespace hilum::kernels

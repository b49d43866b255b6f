// Sums over many sites.
#include <vector>

#include "bench/kernels/sites.h"
#include "bench/roofline.h"
#include "kernels/vector_sum.h"
#include "kernels/weighted_mean.h"

namespace hilum::kernels {
namespace {

// The weighted mean of N sites' float updates: weighted_sum/N/P.
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

// The exact sum of N sites' ring words: vector_sum/N/P.
void AddVectorsBench(benchmark::State& state) {
  const size_t n_sites = static_cast<size_t>(state.range(0));
  const size_t n_params = static_cast<size_t>(state.range(1));
  const std::vector<std::vector<uint32_t>> words(n_sites, std::vector<uint32_t>(n_params, 12345));
  const std::vector<std::span<const uint32_t>> spans(words.begin(), words.end());
  std::vector<uint64_t> total(n_params);
  for (auto _ : state) {
    benchmark::DoNotOptimize(AddVectors(spans, total, Device::kCpu));
    benchmark::ClobberMemory();
  }
  bench::ReportRoofline(state, {.bytes = (4.0 * n_sites + 16.0) * n_params,
                                .ops = 1.0 * n_sites * n_params,
                                .traffic = bench::Traffic::kRead});
}
BENCHMARK(AddVectorsBench)->Name("vector_sum")->Apply(bench::SitesOfOneModel);

}  // namespace
}  // namespace hilum::kernels

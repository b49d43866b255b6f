// Robust rules over N sites' float updates: name/N/P.
#include <vector>

#include "bench/kernels/sites.h"
#include "bench/roofline.h"
#include "kernels/gram.h"
#include "kernels/krum.h"
#include "kernels/robust_mean.h"
#include "kernels/trimmed_mean.h"

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

// Reads each update once; what it computes depends on the network, so no operations are stated.
bench::Work ReadWork(int64_t n_sites, int64_t n_params) {
  return {.bytes = 4.0 * static_cast<double>((n_sites + 1) * n_params),
          .ops = 0.0,
          .traffic = bench::Traffic::kRead};
}

void CoordinateMedianBench(benchmark::State& state) {
  const bench::SiteUpdates updates(state.range(0), state.range(1));
  std::vector<float> result(static_cast<size_t>(state.range(1)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(CoordinateMedian(updates.spans(), result, Device::kCpu));
  }
  bench::ReportRoofline(state, ReadWork(state.range(0), state.range(1)));
}
BENCHMARK(CoordinateMedianBench)->Name("coordinate_median")->Apply(bench::SitesOfOneModel);

void TrimmedMeanBench(benchmark::State& state) {
  const bench::SiteUpdates updates(state.range(0), state.range(1));
  std::vector<float> result(static_cast<size_t>(state.range(1)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        TrimmedMean(updates.spans(), state.range(0) / 5, result, Device::kCpu));
  }
  bench::ReportRoofline(state, ReadWork(state.range(0), state.range(1)));
}
BENCHMARK(TrimmedMeanBench)->Name("trimmed_mean")->Apply(bench::SitesOfOneModel);

void GeometricMedianBench(benchmark::State& state) {
  const bench::SiteUpdates updates(state.range(0), state.range(1));
  const std::vector<double> weights(static_cast<size_t>(state.range(0)), 1.0);
  std::vector<float> result(static_cast<size_t>(state.range(1)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(GeometricMedian(updates.spans(), weights, {}, result, Device::kCpu));
  }
  bench::ReportRoofline(state, PairWork(state.range(0), state.range(1)));
}
BENCHMARK(GeometricMedianBench)->Name("geometric_median")->Apply(bench::SitesOfOneModel);

void CentredClipBench(benchmark::State& state) {
  const bench::SiteUpdates updates(state.range(0), state.range(1));
  std::vector<float> result(static_cast<size_t>(state.range(1)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(CentredClip(
        updates.spans(), result, {.radius = 10.0, .n_iterations = 3}, result, Device::kCpu));
  }
  bench::ReportRoofline(state, PairWork(state.range(0), state.range(1)));
}
BENCHMARK(CentredClipBench)->Name("centred_clip")->Apply(bench::SitesOfOneModel);

void BulyanBench(benchmark::State& state) {
  const int64_t n_sites = state.range(0), n_faulty = (n_sites - 3) / 4;
  const bench::SiteUpdates updates(n_sites, state.range(1));
  std::vector<float> result(static_cast<size_t>(state.range(1)));
  for (auto _ : state) {
    const SiteMatrix gram = Gram(updates.spans(), Device::kCpu).value();
    const std::vector<int64_t> kept = BulyanSelect(SquaredDistances(gram), n_faulty).value();
    std::vector<std::span<const float>> spans;
    for (const int64_t site : kept) spans.push_back(updates.spans()[static_cast<size_t>(site)]);
    benchmark::DoNotOptimize(MeanAroundMedian(spans, n_sites - 4 * n_faulty, result, Device::kCpu));
  }
  bench::ReportRoofline(state, PairWork(n_sites, state.range(1)));
}
BENCHMARK(BulyanBench)->Name("bulyan")->Apply(bench::SitesOfOneModel);

}  // namespace
}  // namespace hilum::kernels

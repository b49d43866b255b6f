// Updates of many sites to time: how many, how long, and their values.
#ifndef HILUM_BENCH_KERNELS_SITES_H_
#define HILUM_BENCH_KERNELS_SITES_H_

#include <benchmark/benchmark.h>

#include <cstdint>
#include <span>
#include <vector>

namespace hilum::bench {

// N sites, each an allocation of its own, of P float32 values in (-1, 1) that differ.
class SiteUpdates {
 public:
  SiteUpdates(int64_t n_sites, int64_t n_params) : values_(static_cast<size_t>(n_sites)) {
    uint32_t word = 12345;
    for (std::vector<float>& update : values_) {
      update.resize(static_cast<size_t>(n_params));
      for (float& value : update) {
        word = word * 1664525u + 1013904223u;
        value = static_cast<float>(static_cast<int32_t>(word)) * 0x1p-31f;
      }
      spans_.emplace_back(update);
    }
  }
  std::span<const std::span<const float>> spans() const { return spans_; }

 private:
  std::vector<std::vector<float>> values_;
  std::vector<std::span<const float>> spans_;
};

// name/N/P with 1.4, 12 and 100 million parameters, as long as the
// updates of all sites take at most 10 GB.
inline void SitesAndParams(benchmark::internal::Benchmark* bench) {
  for (const int64_t n_params : {1'400'000, 12'000'000, 100'000'000}) {
    for (const int64_t n_sites : {10, 50, 200}) {
      if (n_sites * n_params * 4 <= 10'000'000'000) bench->Args({n_sites, n_params});
    }
  }
  bench->UseRealTime()->Unit(benchmark::kMillisecond);
}

// 10, 50 and 200 sites of 1.4 M parameters: for rules that cost more than one pass.
inline void SitesOfOneModel(benchmark::internal::Benchmark* bench) {
  for (const int64_t n_sites : {10, 50, 200}) bench->Args({n_sites, 1'400'000});
  bench->UseRealTime()->Unit(benchmark::kMillisecond);
}

}  // namespace hilum::bench

#endif  // HILUM_BENCH_KERNELS_SITES_H_

// The running sum: one chunk of a site's vector into the totals, and the totals into the ring.
#include <vector>

#include "bench/kernels/sizes.h"
#include "bench/roofline.h"
#include "kernels/integer_sum.h"

namespace hilum::kernels {
namespace {

void AddWordsBench(benchmark::State& state) {
  const size_t n = static_cast<size_t>(state.range(0));
  const std::vector<uint32_t> words(n, 12345);
  std::vector<uint64_t> total(n, 1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(AddWords(words, total, Device::kCpu));
    benchmark::ClobberMemory();
  }
  // 4 bytes read of the word, 8 read and 8 written of the total.
  bench::ReportRoofline(state,
                        {.bytes = 20.0 * n, .ops = 1.0 * n, .traffic = bench::Traffic::kUpdate});
}
BENCHMARK(AddWordsBench)->Name("AddWords")->Apply(bench::VectorSizes);

void ReduceToRingBench(benchmark::State& state) {
  const size_t n = static_cast<size_t>(state.range(0));
  const std::vector<uint64_t> total(n, uint64_t{1} << 33 | 5);
  std::vector<uint32_t> ring(n);
  for (auto _ : state) {
    benchmark::DoNotOptimize(ReduceToRing(total, 32, ring, Device::kCpu));
    benchmark::ClobberMemory();
  }
  bench::ReportRoofline(state,
                        {.bytes = 12.0 * n, .ops = 1.0 * n, .traffic = bench::Traffic::kCopy});
}
BENCHMARK(ReduceToRingBench)->Name("ReduceToRing")->Apply(bench::VectorSizes);

}  // namespace
}  // namespace hilum::kernels

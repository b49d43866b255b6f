// The tags of one vector at three points, and of the sum.
#include <vector>

#include "bench/kernels/sizes.h"
#include "bench/roofline.h"
#include "kernels/tag_polynomial.h"

namespace hilum::kernels {
namespace {

constexpr TagValues kPoints = {0x123456789abcdefull, 0xfedcba987654321ull, 0x13579bdf02468aceull};

template <class Word>
void EvaluateTagsBench(benchmark::State& state) {
  const size_t n = static_cast<size_t>(state.range(0));
  const std::vector<Word> words(n, 0x12345678);
  for (auto _ : state) {
    benchmark::DoNotOptimize(EvaluateTags(words, kPoints, Device::kCpu));
  }
  constexpr double kWords = sizeof(Word) / 4.0;
  bench::ReportRoofline(
      state,
      {.bytes = 4.0 * kWords * n, .ops = 18.0 * kWords * n, .traffic = bench::Traffic::kRead});
  state.counters["Mcoord/s"] =
      benchmark::Counter(1e-6 * n, benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(EvaluateTagsBench<uint32_t>)->Name("EvaluateTags/words")->Apply(bench::VectorSizes);
BENCHMARK(EvaluateTagsBench<uint64_t>)->Name("EvaluateTags/sums")->Apply(bench::VectorSizes);

// The obvious loop, on one thread: what the kernel is measured against.
void ReferenceBench(benchmark::State& state) {
  const size_t n = static_cast<size_t>(state.range(0));
  const std::vector<uint32_t> words(n, 0x12345678);
  for (auto _ : state) benchmark::DoNotOptimize(EvaluateTagsReference(words, kPoints));
  state.counters["Mcoord/s"] =
      benchmark::Counter(1e-6 * n, benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(ReferenceBench)->Name("EvaluateTagsReference")->Arg(1 << 18)->UseRealTime();

}  // namespace
}  // namespace hilum::kernels

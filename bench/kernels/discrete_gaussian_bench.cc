// Exact noise: its draws alone on one thread, where the random words cost nothing, and as it is
// added to a vector, with its keystream, on all threads.
#include <benchmark/benchmark.h>

#include <array>
#include <vector>

#include "base/seeded_random.h"
#include "kernels/discrete_gaussian.h"

namespace hilum::kernels {
namespace {

void SampleBench(benchmark::State& state) {
  const auto gaussian =
      DiscreteGaussian::Create({.numerator = static_cast<uint64_t>(state.range(0))}).value();
  std::vector<int64_t> samples(1 << 16);
  SeededRandom random(1);
  size_t n_words = 0;
  const auto source = [&](std::span<uint32_t> words) {
    for (uint32_t& word : words) word = static_cast<uint32_t>(random.Next() >> 32);
    n_words += words.size();
  };
  for (auto _ : state) {
    gaussian.Sample(samples, source);
    benchmark::DoNotOptimize(samples.data());
  }
  const auto n = static_cast<double>(samples.size());
  state.counters["Mcoord/s"] =
      benchmark::Counter(1e-6 * n, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["words/coord"] =
      static_cast<double>(n_words) / n / static_cast<double>(state.iterations());
}
BENCHMARK(SampleBench)
    ->Name("SampleNoise")
    ->ArgName("variance")
    ->Arg(1)
    ->Arg(10'000)
    ->Arg(430'000'000);

void AddNoiseBench(benchmark::State& state) {
  const auto gaussian =
      DiscreteGaussian::Create({.numerator = static_cast<uint64_t>(state.range(0))}).value();
  std::vector<uint32_t> ring(1'400'000);
  constexpr std::array<uint32_t, 8> kKey = {1, 2, 3};
  for (auto _ : state) {
    benchmark::DoNotOptimize(gaussian.AddNoise(ring, 32, kKey, Device::kCpu));
  }
  state.counters["Mcoord/s"] = benchmark::Counter(1e-6 * static_cast<double>(ring.size()),
                                                  benchmark::Counter::kIsIterationInvariantRate);
}
BENCHMARK(AddNoiseBench)
    ->Name("AddNoise")
    ->ArgName("variance")
    ->Arg(1)
    ->Arg(10'000)
    ->Arg(430'000'000)
    ->UseRealTime();

}  // namespace
}  // namespace hilum::kernels

#include "bench/roofline.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "kernels/cpu.h"

namespace hilum::bench {
namespace {

constexpr int kPasses = 7;

// Words of 8 bytes in an array that is beyond the caches: four times the last one, at least 128
// MiB, and no more than a sixteenth of the memory.
size_t NumWords() {
  const auto cache = static_cast<size_t>(std::max(0L, sysconf(_SC_LEVEL3_CACHE_SIZE)));
  const auto memory =
      static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<size_t>(sysconf(_SC_PAGESIZE));
  constexpr size_t kLeast = size_t{1} << 27;
  return std::clamp(4 * cache, kLeast, std::max(kLeast, memory / 16)) / 8;
}

#if defined(__x86_64__)
#define HILUM_EACH_ISA __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define HILUM_EACH_ISA
#endif

HILUM_EACH_ISA uint64_t Sum(const uint64_t* a, size_t n) {
  uint64_t sum = 0;
  for (size_t i = 0; i < n; ++i) sum += a[i];
  return sum;
}

HILUM_EACH_ISA void Copy(const uint64_t* __restrict a, uint64_t* __restrict b, size_t n) {
  for (size_t i = 0; i < n; ++i) b[i] = a[i] ^ 1;  // not a plain copy: no call of memcpy
}

HILUM_EACH_ISA void Update(double* a, size_t n) {
  for (size_t i = 0; i < n; ++i) a[i] *= 3.0;
}

HILUM_EACH_ISA void Triad(const double* __restrict a, const double* __restrict b,
                          double* __restrict c, size_t n) {
  for (size_t i = 0; i < n; ++i) c[i] = a[i] + 3.0 * b[i];
}

#if defined(__SSE2__)
// The same with stores that do not fetch the line first. `n` even, arrays 16-byte aligned.
void CopyStreaming(const uint64_t* a, uint64_t* b, size_t n) {
  for (size_t i = 0; i < n; i += 2) {
    _mm_stream_si128(reinterpret_cast<__m128i*>(b + i),
                     _mm_load_si128(reinterpret_cast<const __m128i*>(a + i)));
  }
  _mm_sfence();
}

void TriadStreaming(const double* a, const double* b, double* c, size_t n) {
  const __m128d three = _mm_set1_pd(3.0);
  for (size_t i = 0; i < n; i += 2) {
    _mm_stream_pd(c + i, _mm_add_pd(_mm_load_pd(a + i), _mm_mul_pd(three, _mm_load_pd(b + i))));
  }
  _mm_sfence();
}
#else
constexpr auto CopyStreaming = Copy;
constexpr auto TriadStreaming = Triad;
#endif

// Best seconds of several passes of part(first, n) over `n_words` words, one thread a core.
double BestSeconds(size_t n_words, const std::function<void(size_t first, size_t n)>& part) {
  const size_t n_threads = static_cast<size_t>(kernels::CpuThreads());
  const size_t share = n_words / n_threads / 8 * 8;
  double best = 1e9;
  for (int pass = 0; pass < kPasses; ++pass) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::thread> threads;
    for (size_t k = 1; k < n_threads; ++k) threads.emplace_back(part, k * share, share);
    part(0, share);
    for (std::thread& thread : threads) thread.join();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    best = std::min(
        best, took.count() * static_cast<double>(n_words) / static_cast<double>(share * n_threads));
  }
  return best;
}

// Bytes a second of a sum over an array and of a copy.
std::pair<double, double> ReadAndCopy(size_t n_words) {
  const double bytes = 8.0 * static_cast<double>(n_words);
  std::vector<uint64_t> a(n_words, 1), b(n_words, 2);
  const double read = BestSeconds(
      n_words, [&](size_t first, size_t n) { benchmark::DoNotOptimize(Sum(a.data() + first, n)); });
  const double copy = std::min(
      BestSeconds(n_words,
                  [&](size_t first, size_t n) { Copy(a.data() + first, b.data() + first, n); }),
      BestSeconds(n_words, [&](size_t first, size_t n) {
        CopyStreaming(a.data() + first, b.data() + first, n);
      }));
  return {bytes / read, 2 * bytes / copy};
}

MemoryBound Measure() {
  const size_t n_words = NumWords();
  const double bytes = 8.0 * static_cast<double>(n_words);
  const auto [read, copy] = ReadAndCopy(n_words);
  std::vector<double> x(n_words, 1.0), y(n_words, 2.0), z(n_words, 3.0);
  const double triad =
      std::min(BestSeconds(n_words,
                           [&](size_t first, size_t n) {
                             Triad(x.data() + first, y.data() + first, z.data() + first, n);
                           }),
               BestSeconds(n_words, [&](size_t first, size_t n) {
                 TriadStreaming(x.data() + first, y.data() + first, z.data() + first, n);
               }));
  const double update =
      BestSeconds(n_words, [&](size_t first, size_t n) { Update(x.data() + first, n); });
  return {.read = read, .copy = copy, .triad = 3 * bytes / triad, .update = 2 * bytes / update};
}

double BoundFor(Traffic traffic) {
  const MemoryBound& bound = MeasuredBound();
  switch (traffic) {
    case Traffic::kRead:
      return bound.read;
    case Traffic::kCopy:
      return bound.copy;
    case Traffic::kTriad:
      return bound.triad;
    case Traffic::kUpdate:
      return bound.update;
  }
  return bound.triad;
}

// Counters are rates only so that the library divides by the time; without their mark it prints
// "percent_of_bound=88" and not "88/s".
class PlainReporter : public benchmark::ConsoleReporter {
 public:
  using ConsoleReporter::ConsoleReporter;
  void ReportRuns(const std::vector<Run>& runs) override {
    std::vector<Run> plain = runs;
    for (Run& run : plain) {
      for (auto& [name, counter] : run.counters) counter.flags = benchmark::Counter::kDefaults;
    }
    ConsoleReporter::ReportRuns(plain);
  }
};

}  // namespace

const MemoryBound& MeasuredBound() {
  static const MemoryBound bound = Measure();
  return bound;
}

void ReportRoofline(benchmark::State& state, const Work& work) {
  const double bound = BoundFor(work.traffic);
  using benchmark::Counter;
  constexpr auto kRate = Counter::kIsIterationInvariantRate;
  state.counters["GB/s"] = Counter(work.bytes * 1e-9, kRate);
  state.counters["Gop/s"] = Counter(work.ops * 1e-9, kRate);
  state.counters["bound_GB/s"] = Counter(bound * 1e-9);
  state.counters["percent_of_bound"] = Counter(100.0 * work.bytes / bound, kRate);
}

int RunBenches(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  const auto add = [](const char* key, Traffic traffic) {
    benchmark::AddCustomContext(key, std::to_string(BoundFor(traffic) * 1e-9));
  };
  add("bound_read_GB/s", Traffic::kRead);
  add("bound_copy_GB/s", Traffic::kCopy);
  add("bound_triad_GB/s", Traffic::kTriad);
  add("bound_update_GB/s", Traffic::kUpdate);
  benchmark::AddCustomContext("isa", std::string(ToString(kernels::DefaultIsa())));
  benchmark::AddCustomContext("threads", std::to_string(kernels::CpuThreads()));
  PlainReporter reporter(benchmark::ConsoleReporter::OO_Tabular);  // no colours
  benchmark::RunSpecifiedBenchmarks(&reporter);
  return 0;
}

}  // namespace hilum::bench

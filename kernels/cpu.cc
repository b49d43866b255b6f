#include "kernels/cpu.h"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <thread>

#include "absl/strings/str_cat.h"
#include "base/cores.h"
#include "base/log.h"

namespace hilum::kernels {
namespace {

constexpr int kMaxThreads = 256;     // above, threads cost more than they add
constexpr int kRangesPerThread = 4;  // so that a thread that wakes late leaves its share to others

using Body = absl::FunctionRef<void(int64_t, int64_t)>;

// Ranges of one ParallelFor, taken one after the other by whoever is free.
struct Job {
  Body body;
  int64_t n_items;
  int64_t n_ranges;
  std::atomic<int64_t> next{0};

  void TakeRanges() {
    for (int64_t range = next++; range < n_ranges; range = next++) {
      body(range * n_items / n_ranges, (range + 1) * n_items / n_ranges);
    }
  }
};

// Threads that live as long as the process: it is never destroyed, so no exit can wait for it.
class Pool {
 public:
  // False, and nothing done: another caller has the pool.
  bool Run(Job& job, int n_threads) {
    if (busy_.test_and_set(std::memory_order_acquire)) return false;
    {
      std::lock_guard lock(mutex_);
      while (n_workers_ < n_threads - 1) {
        std::thread([this] { Work(); }).detach();
        ++n_workers_;
      }
      job_ = &job;
      places_ = n_threads - 1;
    }
    wake_.notify_all();
    job.TakeRanges();
    {
      std::unique_lock lock(mutex_);
      job_ = nullptr;  // a worker that wakes from here on finds nothing
      done_.wait(lock, [this] { return n_active_ == 0; });
    }
    busy_.clear(std::memory_order_release);
    return true;
  }

 private:
  void Work() {
    std::unique_lock lock(mutex_);
    while (true) {
      wake_.wait(lock, [&] { return job_ != nullptr && places_ > 0; });
      Job* const job = job_;
      --places_;
      ++n_active_;
      lock.unlock();
      job->TakeRanges();
      lock.lock();
      if (--n_active_ == 0) done_.notify_one();
    }
  }

  std::atomic_flag busy_;
  std::mutex mutex_;
  std::condition_variable wake_, done_;
  Job* job_ = nullptr;
  int places_ = 0;    // workers that may still join the job
  int n_active_ = 0;  // workers inside it
  int n_workers_ = 0;
};

Pool& ThePool() {
  static Pool* const pool = new Pool;
  return *pool;
}

std::atomic<int> threads_asked{0};

int DefaultThreads() {
  static const int threads = [] {
    int asked = 0;
    if (const char* text = std::getenv("HILUM_THREADS"); text != nullptr) {
      const char* const end = text + std::strlen(text);
      const auto [stop, error] = std::from_chars(text, end, asked);
      if (error != std::errc() || stop != end || asked < 1) {
        Log(LogLevel::kWarning, "HILUM_THREADS is not a number of threads", {{"value", text}});
        asked = 0;
      }
    }
    if (asked == 0) asked = UsableCores();
    return std::clamp(asked, 1, kMaxThreads);
  }();
  return threads;
}

Isa IsaOfEnvironment() {
  const Isa best = BestIsa();
  const char* const text = std::getenv("HILUM_ISA");
  if (text == nullptr) return best;
  const absl::StatusOr<Isa> asked = ParseIsa(text);
  if (!asked.ok() || *asked > best) {
    Log(LogLevel::kWarning, "HILUM_ISA is not an instruction set of this processor",
        {{"value", text}, {"used", ToString(best)}});
    return best;
  }
  return *asked;
}

}  // namespace

absl::StatusOr<Isa> ParseIsa(absl::string_view text) {
  for (const Isa isa : {Isa::kScalar, Isa::kAvx2, Isa::kAvx512}) {
    if (text == ToString(isa)) return isa;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("instruction set \"", text, "\" is not scalar, avx2 or avx512"));
}

absl::string_view ToString(Isa isa) {
  switch (isa) {
    case Isa::kScalar:
      return "scalar";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvx512:
      return "avx512";
  }
  return "unknown";
}

Isa BestIsa() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  return avx2 && avx512 ? Isa::kAvx512 : avx2 ? Isa::kAvx2 : Isa::kScalar;
#else
  return Isa::kScalar;
#endif
}

Isa DefaultIsa() {
  static const Isa isa = IsaOfEnvironment();
  return isa;
}

int CpuThreads() {
  const int asked = threads_asked.load(std::memory_order_relaxed);
  return asked > 0 ? asked : DefaultThreads();
}

void SetCpuThreads(int n_threads) {
  threads_asked.store(std::clamp(n_threads, 0, kMaxThreads), std::memory_order_relaxed);
}

void ParallelFor(int64_t n_items, int64_t min_items, Body body) {
  if (n_items <= 0) return;
  const int64_t most = std::max<int64_t>(1, n_items / std::max<int64_t>(1, min_items));
  const int n_threads = static_cast<int>(std::min<int64_t>(CpuThreads(), most));
  Job job{.body = body,
          .n_items = n_items,
          .n_ranges = std::min<int64_t>(most, int64_t{n_threads} * kRangesPerThread)};
  if (n_threads > 1 && ThePool().Run(job, n_threads)) return;
  body(0, n_items);
}

}  // namespace hilum::kernels

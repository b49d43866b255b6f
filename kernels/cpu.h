// The CPU side of every launch: how many threads, and which instructions.
//
// One pool of threads serves the process. A launch that finds it busy runs on the caller's thread
// alone, so several callers share the cores without waking more threads than there are cores.
// Results never depend on the number of threads or on the instructions.
#ifndef HILUM_KERNELS_CPU_H_
#define HILUM_KERNELS_CPU_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace hilum::kernels {

// The instructions that a kernel's loops are compiled for. Each includes the ones before.
enum class Isa { kScalar, kAvx2, kAvx512 };  // kScalar: any x86-64, that is SSE2

// "scalar", "avx2" or "avx512". InvalidArgument: another text.
absl::StatusOr<Isa> ParseIsa(absl::string_view text);
absl::string_view ToString(Isa isa);

// The best that this processor has.
Isa BestIsa();

// What launches use: BestIsa(), or less when the environment's HILUM_ISA asks for less. A text that
// is not an Isa, or one that the processor lacks, is logged and then counts as not set. Read once.
// Thread-safe.
Isa DefaultIsa();

// Threads that one launch may use: SetCpuThreads's number, else the environment's HILUM_THREADS,
// else one for each core that this process may use (base/cores.h). Thread-safe.
int CpuThreads();
void SetCpuThreads(int n_threads);  // >= 1; 0 goes back to the default

// Calls body(first, last) on ranges that together are [0, n_items), none shorter than `min_items`
// while there are several, on up to CpuThreads() threads, the caller's among them. Returns when all
// are done. Thread-safe; a body may call it again, and then runs on its own thread.
void ParallelFor(int64_t n_items, int64_t min_items,
                 absl::FunctionRef<void(int64_t first, int64_t last)> body);

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_CPU_H_

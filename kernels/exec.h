// Runs one block program on the CPU (host compiler) or on a CUDA stream (nvcc).
//
// A block program is a plain struct with one call operator made of phases:
//   block.Local(n, f)  calls f(t) for each thread t < n; f may touch only what belongs to t.
//   block.Phase(n, f)  calls f(t, shared) for each thread t < n; then all threads wait.
//   block.PhaseOfLanes(width, n, f)  calls f(group, lane, shared) for n groups of `width` threads;
//                          on the CPU once a group, with lane 0: f takes all lanes as a vector.
//   block.PhaseOfGrid(n_rows, n_columns, f)  calls f(row, column, shared) for each cell, of any
//                          number; neighbouring threads take neighbouring columns.
// Without n: all Program::kThreads threads. n may exceed kThreads or be negative (then no thread
// runs), so a ragged last tile is n_params - first and needs no padding.
// Inside a phase the threads run in any order. Shared memory reaches a program only through Phase,
// so a wait cannot be forgotten.
//
// One translation unit uses one side only: a .cc file is compiled by the host compiler, a .cu file
// by nvcc. A program's name ends in Program; the function that users call has the plain name.
#ifndef HILUM_KERNELS_EXEC_H_
#define HILUM_KERNELS_EXEC_H_

#include <algorithm>
#include <array>
#include <cstdint>

#if defined(__CUDACC__)
#define HILUM_KERNEL __device__ __forceinline__
#else
#include "kernels/cpu.h"
#define HILUM_KERNEL inline __attribute__((always_inline))
#endif

namespace hilum::kernels {

// Blocks of `tile` values that cover n values.
inline int64_t BlocksFor(int64_t n, int64_t tile) { return (n + tile - 1) / tile; }

// Asks for the first min(n, most) values ahead of their use. The CPU's own prefetcher starts anew
// with each site's values; a GPU hides the wait behind other threads.
template <class T>
HILUM_KERNEL void Prefetch(const T* values, int64_t n, int64_t most) {
#if defined(__CUDACC__)
  (void)values, (void)n, (void)most;
#else
  constexpr int64_t kLine = 64 / sizeof(T);  // bytes of a cache line
  for (int64_t k = 0; k < std::min(n, most); k += kLine) __builtin_prefetch(values + k);
#endif
}

}  // namespace hilum::kernels

#if defined(__CUDACC__)
#include "kernels/exec_cuda.h"
#else
#include "kernels/exec_cpu.h"
#endif

#endif  // HILUM_KERNELS_EXEC_H_

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

#if defined(__CUDACC__)

// One CUDA thread block. Each call of f is one real thread.
template <class Program>
class Block {
 public:
  // A value that each thread keeps between phases: one register set per thread.
  template <class T>
  struct PerThread {
    T value{};
    HILUM_KERNEL T& operator[](int) { return value; }
  };

  HILUM_KERNEL Block(int64_t block_index, typename Program::Shared& shared)
      : index(block_index), shared_(shared) {}

  template <class F>
  HILUM_KERNEL void Local(int64_t n, F f) const {
    if (static_cast<int64_t>(threadIdx.x) < n) f(static_cast<int>(threadIdx.x));
  }
  template <class F>
  HILUM_KERNEL void Local(F f) const {
    f(static_cast<int>(threadIdx.x));
  }
  template <class F>
  HILUM_KERNEL void Phase(int64_t n, F f) const {
    Local(n, [&](int t) { f(t, shared_); });
    __syncthreads();
  }
  template <class F>
  HILUM_KERNEL void Phase(F f) const {
    Phase(Program::kThreads, f);
  }
  template <class F>
  HILUM_KERNEL void PhaseOfLanes(int width, int64_t n, F f) const {
    Phase(n * width, [&](int t, auto& shared) { f(t / width, t % width, shared); });
  }
  template <class F>
  HILUM_KERNEL void PhaseOfGrid(int64_t n_rows, int64_t n_columns, F f) const {
    for (int64_t i = threadIdx.x; i < n_rows * n_columns; i += Program::kThreads) {
      f(i / n_columns, i % n_columns, shared_);
    }
    __syncthreads();
  }

  int64_t index;

 private:
  typename Program::Shared& shared_;
};

template <class Program>
__global__ void __launch_bounds__(Program::kThreads) Run(Program program) {
  __shared__ typename Program::Shared shared;
  program(Block<Program>(blockIdx.x, shared));
}

// Queues `program` on `stream`. 0 <= blocks < 2^31.
template <class Program>
cudaError_t Launch(cudaStream_t stream, const Program& program, int64_t blocks) {
  if (blocks == 0) return cudaSuccess;  // CUDA refuses an empty grid
  Run<<<static_cast<unsigned>(blocks), Program::kThreads, 0, stream>>>(program);
  return cudaGetLastError();
}

#else

// The order in which the CPU visits the threads of a block. A correct program gives the same bits
// in both orders.
enum class Order { kForward, kReverse };

// One thread block on the CPU. Each phase is a loop over the threads.
template <class Program, Order kOrder, Isa kTheIsa>
class Block {
 public:
  static constexpr Isa kIsa = kTheIsa;
  template <class T>
  struct PerThread {
    std::array<T, Program::kThreads> value{};
    HILUM_KERNEL T& operator[](int t) { return value[static_cast<size_t>(t)]; }
  };

  HILUM_KERNEL Block(int64_t block_index, typename Program::Shared& shared)
      : index(block_index), shared_(shared) {}

  template <class F>
  HILUM_KERNEL void Local(int64_t n, F f) const {
    const int count = static_cast<int>(std::min<int64_t>(n, Program::kThreads));
    if constexpr (kOrder == Order::kForward) {
      for (int t = 0; t < count; ++t) f(t);
    } else {
      for (int t = count - 1; t >= 0; --t) f(t);
    }
  }
  template <class F>
  HILUM_KERNEL void Local(F f) const {
    Local(Program::kThreads, f);
  }
  template <class F>
  HILUM_KERNEL void Phase(int64_t n, F f) const {
    Local(n, [&](int t) { f(t, shared_); });
  }
  template <class F>
  HILUM_KERNEL void Phase(F f) const {
    Phase(Program::kThreads, f);
  }
  template <class F>
  HILUM_KERNEL void PhaseOfLanes(int width, int64_t n, F f) const {
    Local(std::min<int64_t>(n, Program::kThreads / width),
          [&](int group) { f(group, 0, shared_); });
  }
  template <class F>
  HILUM_KERNEL void PhaseOfGrid(int64_t n_rows, int64_t n_columns, F f) const {
    for (int64_t r = 0; r < n_rows; ++r) {
      const int64_t row = kOrder == Order::kForward ? r : n_rows - 1 - r;
#pragma GCC ivdep  // the items of a phase do not depend on one another
      for (int64_t column = 0; column < n_columns; ++column) f(row, column, shared_);
    }
  }

  int64_t index;

 private:
  typename Program::Shared& shared_;
};

// Blocks first..last-1, compiled once for each Isa: release binaries run on any x86-64, and take
// the widest instructions that they find. `flatten` pulls the program's lambdas in, so that their
// loops are compiled for the same instructions.
template <Order kOrder, Isa kIsa, class Program>
HILUM_KERNEL void RunBlocks(const Program& program, int64_t first, int64_t last) {
  typename Program::Shared shared;
  for (int64_t index = first; index < last; ++index) {
    program(Block<Program, kOrder, kIsa>(index, shared));
  }
}
template <Order kOrder, class Program>
__attribute__((flatten)) void RunScalar(const Program& program, int64_t first, int64_t last) {
  RunBlocks<kOrder, Isa::kScalar>(program, first, last);
}
#if defined(__x86_64__)
template <Order kOrder, class Program>
__attribute__((flatten, target("avx2,fma"))) void RunAvx2(const Program& program, int64_t first,
                                                          int64_t last) {
  RunBlocks<kOrder, Isa::kAvx2>(program, first, last);
}
template <Order kOrder, class Program>
__attribute__((flatten, target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))) void RunAvx512(
    const Program& program, int64_t first, int64_t last) {
  RunBlocks<kOrder, Isa::kAvx512>(program, first, last);
}
#endif

template <Order kOrder, class Program>
auto RunFor(Isa isa) {
#if defined(__x86_64__)
  if (isa == Isa::kAvx512) return &RunAvx512<kOrder, Program>;
  if (isa == Isa::kAvx2) return &RunAvx2<kOrder, Program>;
#endif
  (void)isa;
  return &RunScalar<kOrder, Program>;
}

// A thread takes at least this many blocks: below, waking it costs more than it saves.
inline constexpr int64_t kMinBlocksPerThread = 16;

// Runs `program` to its end, on several threads when there are many blocks.
template <Order kOrder = Order::kForward, class Program>
void Launch(const Program& program, int64_t blocks, Isa isa = DefaultIsa()) {
  const auto run = RunFor<kOrder, Program>(isa);
  int64_t min_blocks = kMinBlocksPerThread;
  if constexpr (requires { Program::kMinBlocksPerThread; }) {  // a program of long blocks says less
    min_blocks = Program::kMinBlocksPerThread;
  }
  ParallelFor(blocks, min_blocks, [&](int64_t first, int64_t last) { run(program, first, last); });
}

#endif

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_EXEC_H_

// The CPU side of exec.h, which includes it: a phase is a loop over threads.
#ifndef HILUM_KERNELS_EXEC_CPU_H_
#define HILUM_KERNELS_EXEC_CPU_H_

#include <algorithm>
#include <array>
#include <cstdint>

#include "kernels/cpu.h"

namespace hilum::kernels {

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
// The items of a phase do not depend on one another.
#ifdef __clang__
#pragma clang loop vectorize(assume_safety)
#else
#pragma GCC ivdep
#endif
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

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_EXEC_CPU_H_

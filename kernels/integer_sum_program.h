// The block programs of integer_sum.h.
#ifndef HILUM_KERNELS_INTEGER_SUM_PROGRAM_H_
#define HILUM_KERNELS_INTEGER_SUM_PROGRAM_H_

#include <cstdint>

#include "kernels/exec.h"

namespace hilum::kernels {

// One block adds (kSign = 1) or subtracts (kSign = -1) one tile of kTile words.
//   words  [n]; total  [n]
// Launch BlocksFor(n, kTile) blocks. Unsigned arithmetic, so it is exact in both directions.
template <int kSign>
struct IntegerSumProgram {
  static constexpr int kThreads = 256;
  static constexpr int kPerThread = 8;
  static constexpr int kTile = kThreads * kPerThread;
  struct Shared {};

  const uint32_t* words;
  uint64_t* total;
  int64_t n;

  template <class Block>
  HILUM_KERNEL void operator()(const Block& block) const {
    const IntegerSumProgram p =
        *this;  // a copy that no store can change, so that the loops vectorise
    for (int j = 0; j < kPerThread; ++j) {
      const int64_t first = block.index * kTile + j * kThreads;
      block.Local(n - first, [=](int t) {  // neighbours read neighbours
        const uint64_t word = p.words[first + t];
        p.total[first + t] += kSign > 0 ? word : -word;
      });
    }
  }
};

// One block reduces one tile of kTile totals modulo mask + 1.
//   total  [n]; ring  [n]; mask  2^ring_bits - 1
struct ReduceToRingProgram {
  static constexpr int kThreads = 256;
  static constexpr int kPerThread = 8;
  static constexpr int kTile = kThreads * kPerThread;
  struct Shared {};

  const uint64_t* total;
  uint32_t* ring;
  int64_t n;
  uint32_t mask;

  template <class Block>
  HILUM_KERNEL void operator()(const Block& block) const {
    const ReduceToRingProgram p =
        *this;  // a copy that no store can change, so that the loops vectorise
    for (int j = 0; j < kPerThread; ++j) {
      const int64_t first = block.index * kTile + j * kThreads;
      block.Local(n - first, [=](int t) {
        p.ring[first + t] = static_cast<uint32_t>(p.total[first + t]) & p.mask;
      });
    }
  }
};

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_INTEGER_SUM_PROGRAM_H_

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
    for (int j = 0; j < kPerThread; ++j) {
      const int64_t first = block.index * kTile + j * kThreads;
      const uint32_t* in = words + first;  // neighbours read neighbours
      uint64_t* out = total + first;
      block.Local(n - first, [=](int t) { out[t] = kSign > 0 ? out[t] + in[t] : out[t] - in[t]; });
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
    const uint32_t low = mask;
    for (int j = 0; j < kPerThread; ++j) {
      const int64_t first = block.index * kTile + j * kThreads;
      const uint64_t* in = total + first;
      uint32_t* out = ring + first;
      block.Local(n - first, [=](int t) { out[t] = static_cast<uint32_t>(in[t]) & low; });
    }
  }
};

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_INTEGER_SUM_PROGRAM_H_

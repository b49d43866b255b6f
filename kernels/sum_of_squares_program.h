// The block program of sum_of_squares.h: the norms of one tile.
#ifndef HILUM_KERNELS_SUM_OF_SQUARES_PROGRAM_H_
#define HILUM_KERNELS_SUM_OF_SQUARES_PROGRAM_H_

#include <cmath>
#include <cstdint>
#include <cstring>

#include "kernels/exec.h"

namespace hilum::kernels {

// One block reduces one tile of kTile values.
//   values   [n]
//   partial  [BlocksFor(n, kTile)] sum of the tile's squares: kPerThread fused multiply-adds a
//            thread, then a fixed tree, so the bits depend on no order and no compiler flag
//   largest  [same] bits of the largest |value|. As integers, infinity is above every finite
//            number and NaN is above infinity: one maximum finds all three.
struct SumOfSquaresProgram {
  static constexpr int kThreads = 256;
  static constexpr int kPerThread = 8;
  static constexpr int kTile = kThreads * kPerThread;
  struct Shared {
    float sum[kThreads];
    int32_t largest[kThreads];
  };

  const float* values;
  float* partial;
  int32_t* largest;
  int64_t n;

  template <class Block>
  HILUM_KERNEL void operator()(const Block& block) const {
    const int64_t first = block.index * kTile;
    const float* in = values + first;
    const int64_t left = n - first;
    if (left >= kTile) {  // apart, so that the loops of a whole tile have no test inside
      block.Phase([=](int t, Shared& shared) { Take(in, t, kTile, shared); });
    } else {
      block.Phase([=](int t, Shared& shared) { Take(in, t, left, shared); });
    }
    for (int width = kThreads / 2; width > 0; width /= 2) {
      block.Phase(width, [&](int t, Shared& shared) {
        shared.sum[t] += shared.sum[t + width];
        shared.largest[t] = Larger(shared.largest[t], shared.largest[t + width]);
      });
    }
    block.Phase(1, [&](int, Shared& shared) {
      partial[block.index] = shared.sum[0];
      largest[block.index] = shared.largest[0];
    });
  }

  // Thread t's values of a tile of which `left` are there: t, t + kThreads, ... Neighbours read
  // neighbours.
  static HILUM_KERNEL void Take(const float* in, int t, int64_t left, Shared& shared) {
    float sum = 0.0f;
    int32_t most = 0;
    for (int j = 0; j < kPerThread; ++j) {
      if (t + j * kThreads >= left) break;
      const float value = in[t + j * kThreads];
      sum = fmaf(value, value, sum);
      most = Larger(most, AbsoluteBits(value));
    }
    shared.sum[t] = sum;
    shared.largest[t] = most;
  }
  static HILUM_KERNEL int32_t AbsoluteBits(float value) {
    int32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits & 0x7fffffff;
  }
  static HILUM_KERNEL int32_t Larger(int32_t a, int32_t b) { return a > b ? a : b; }
};

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_SUM_OF_SQUARES_PROGRAM_H_

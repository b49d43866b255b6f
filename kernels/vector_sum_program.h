// The block program of vector_sum.h.
#ifndef HILUM_KERNELS_VECTOR_SUM_PROGRAM_H_
#define HILUM_KERNELS_VECTOR_SUM_PROGRAM_H_

#include <cstdint>

#include "kernels/exec.h"

namespace hilum::kernels {

// One block adds one tile of kTile words of all vectors; the sums stay in a first-level cache (CPU)
// or in registers (GPU).
//   vectors  [n_vectors] addresses of [n] words; total  [n]
// Launch BlocksFor(n, kTile) blocks.
struct VectorSumProgram {
  static constexpr int kThreads = 256;
  static constexpr int kPerThread = 8;
  static constexpr int kTile = kThreads * kPerThread;
  struct Shared {};

  const uint32_t* const* vectors;
  uint64_t* total;
  int64_t n_vectors;
  int64_t n;

  template <class Block>
  HILUM_KERNEL void operator()(const Block& block) const {
    const VectorSumProgram p = *this;  // a copy that no store can change
    const int64_t first = block.index * kTile;
    const int64_t left = p.n - first;
    typename Block::template PerThread<uint64_t> sums[kPerThread];
    int64_t i = 0;
    // Four vectors at a time: a sum is loaded and stored once for four words.
    for (; i + 4 <= p.n_vectors; i += 4) {
      const uint32_t* const* in = p.vectors + i;
      const uint32_t *a = in[0] + first, *b = in[1] + first, *c = in[2] + first, *d = in[3] + first;
      for (int j = 0; j < kPerThread; ++j) {
        for (int ahead = 4; ahead < 8 && i + ahead < p.n_vectors; ++ahead) {
          Prefetch(in[ahead] + first + j * kThreads, left - j * kThreads, kThreads);
        }
        block.Local(left - j * kThreads, [&](int t) {
          const int k = j * kThreads + t;
          sums[j][t] += uint64_t{a[k]} + uint64_t{b[k]} + uint64_t{c[k]} + uint64_t{d[k]};
        });
      }
    }
    for (; i < p.n_vectors; ++i) {
      const uint32_t* const a = p.vectors[i] + first;
      for (int j = 0; j < kPerThread; ++j) {
        block.Local(left - j * kThreads, [&](int t) { sums[j][t] += a[j * kThreads + t]; });
      }
    }
    for (int j = 0; j < kPerThread; ++j) {
      block.Local(left - j * kThreads,
                  [&](int t) { p.total[first + j * kThreads + t] += sums[j][t]; });
    }
  }
};

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_VECTOR_SUM_PROGRAM_H_

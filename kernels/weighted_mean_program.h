// The block program of weighted_mean.h.
#ifndef HILUM_KERNELS_WEIGHTED_MEAN_PROGRAM_H_
#define HILUM_KERNELS_WEIGHTED_MEAN_PROGRAM_H_

#include <cstdint>
#include <cstring>

#include "kernels/exec.h"
#include "kernels/streaming_store.h"

namespace hilum::kernels {

// Not 0 when `value` is NaN or infinite. An integer, so that a loop over it vectorises.
HILUM_KERNEL int32_t NotFiniteMark(float value) {
  int32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return (bits & 0x7fffffff) >= 0x7f800000 ? 1 : 0;
}

// One block sums one tile of kTile coordinates of all sites; the sums stay in a first-level cache
// (CPU) or in registers (GPU), and each value of a site is read once.
//   sites  [n_sites] addresses of [n] values; weights  [n_sites]; sum  [n]
//   marks  [BlocksFor(n, kTile)], 0 before: 1 where a sum is not finite
//   streaming  on the CPU: the sum is too long for a cache to keep (streaming_store.h)
// Launch BlocksFor(n, kTile) blocks.
struct WeightedSumProgram {
  static constexpr int kThreads = 256;
  static constexpr int kPerThread = 16;
  static constexpr int kTile = kThreads * kPerThread;
  struct Shared {};

  const float* const* sites;
  const double* weights;
  float* sum;
  int32_t* marks;
  int64_t n_sites;
  int64_t n;
  double gain;
  bool streaming = false;

  template <class Block>
  HILUM_KERNEL void operator()(const Block& block) const {
    const WeightedSumProgram p = *this;  // a copy that no store can change
    const int64_t first = block.index * kTile;
    const int64_t left = p.n - first;
    typename Block::template PerThread<double> sums[kPerThread];
    int64_t site = 0;
    // Four sites at a time: a sum is loaded and stored once for four products.
    for (; site + 4 <= p.n_sites; site += 4) {
      const float* const* in = p.sites + site;
      const float *a = in[0] + first, *b = in[1] + first, *c = in[2] + first, *d = in[3] + first;
      const double* w = p.weights + site;
      const double wa = w[0], wb = w[1], wc = w[2], wd = w[3];
      for (int j = 0; j < kPerThread; ++j) {
        for (int i = 4; i < 8 && site + i < p.n_sites; ++i) {
          Prefetch(in[i] + first + j * kThreads, left - j * kThreads, kThreads);
        }
        block.Local(left - j * kThreads, [&](int t) {
          const int k = j * kThreads + t;
          sums[j][t] = sums[j][t] + wa * a[k] + wb * b[k] + wc * c[k] + wd * d[k];
        });
      }
    }
    for (; site < p.n_sites; ++site) {
      const float* const a = p.sites[site] + first;
      const double wa = p.weights[site];
      for (int j = 0; j < kPerThread; ++j) {
        block.Local(left - j * kThreads,
                    [&](int t) { sums[j][t] = sums[j][t] + wa * a[j * kThreads + t]; });
      }
    }
    typename Block::template PerThread<int32_t> marked;
    typename Block::template PerThread<float> results;
    for (int j = 0; j < kPerThread; ++j) {
      block.Local(left - j * kThreads, [&](int t) {
        results[t] = static_cast<float>(p.gain * sums[j][t]);
        marked[t] |= NotFiniteMark(results[t]);
      });
      StoreValues(block, results, left - j * kThreads, p.sum + first + j * kThreads, p.streaming);
    }
    FinishStores(p.streaming);
    block.Local([&](int t) {
      if (marked[t] != 0) p.marks[block.index] = 1;  // several threads may, with the same value
    });
  }
};

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_WEIGHTED_MEAN_PROGRAM_H_

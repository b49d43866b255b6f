// The block programs of dequantize.h.
#ifndef HILUM_KERNELS_DEQUANTIZE_PROGRAM_H_
#define HILUM_KERNELS_DEQUANTIZE_PROGRAM_H_

#include <cstdint>

#include "kernels/exec.h"

namespace hilum::kernels {

// A ring word of (32 - shift) bits as the signed integer that it stands for.
HILUM_KERNEL int32_t SignedFromRing(uint32_t word, int shift) {
  return static_cast<int32_t>(word << shift) >> shift;
}

// One block turns one tile of kTile ring words into means.
//   ring  [n]; mean  [n]; shift  32 - ring_bits
// Launch BlocksFor(n, kTile) blocks.
struct DequantizeProgram {
  static constexpr int kThreads = 256;
  static constexpr int kPerThread = 8;
  static constexpr int kTile = kThreads * kPerThread;
  struct Shared {};

  const uint32_t* ring;
  double* mean;
  int64_t n;
  double gain;
  int shift;

  template <class Block>
  HILUM_KERNEL void operator()(const Block& block) const {
    const DequantizeProgram p =
        *this;  // a copy that no store can change, so that the loops vectorise
    for (int j = 0; j < kPerThread; ++j) {
      const int64_t first = block.index * kTile + j * kThreads;
      block.Local(n - first, [=](int t) {
        p.mean[first + t] = SignedFromRing(p.ring[first + t], p.shift) * p.gain;
      });
    }
  }
};

// One block adds one tile of kTile means, times the rate, to the model.
//   ring  [n]; model  [n]; shift  32 - ring_bits
// Launch BlocksFor(n, kTile) blocks.
struct AddMeanProgram {
  static constexpr int kThreads = 256;
  static constexpr int kPerThread = 8;
  static constexpr int kTile = kThreads * kPerThread;
  struct Shared {};

  const uint32_t* ring;
  float* model;
  int64_t n;
  double gain;
  double rate;
  int shift;

  template <class Block>
  HILUM_KERNEL void operator()(const Block& block) const {
    const AddMeanProgram p = *this;  // a copy that no store can change, so that the loops vectorise
    for (int j = 0; j < kPerThread; ++j) {
      const int64_t first = block.index * kTile + j * kThreads;
      block.Local(n - first, [=](int t) {
        const double mean = SignedFromRing(p.ring[first + t], p.shift) * p.gain;
        const double before = p.model[first + t];
        p.model[first + t] = static_cast<float>(before + p.rate * mean);
      });
    }
  }
};

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_DEQUANTIZE_PROGRAM_H_

// The block program of clip.h.
#ifndef HILUM_KERNELS_CLIP_PROGRAM_H_
#define HILUM_KERNELS_CLIP_PROGRAM_H_

#include <cstdint>

#include "kernels/exec.h"

namespace hilum::kernels {

// One block scales one tile of kTile values in place.
//   values  [n]. Launch BlocksFor(n, kTile) blocks.
struct ScaleProgram {
  static constexpr int kThreads = 256;
  static constexpr int kPerThread = 8;
  static constexpr int kTile = kThreads * kPerThread;
  struct Shared {};

  float* values;
  int64_t n;
  float factor;

  template <class Block>
  HILUM_KERNEL void operator()(const Block& block) const {
    const ScaleProgram p = *this;  // a copy that no store can change, so that the loops vectorise
    for (int j = 0; j < kPerThread; ++j) {
      const int64_t first = block.index * kTile + j * kThreads;
      block.Local(n - first, [=](int t) { p.values[first + t] *= p.factor; });
    }
  }
};

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_CLIP_PROGRAM_H_

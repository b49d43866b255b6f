// The block program of quantize.h.
#ifndef HILUM_KERNELS_QUANTIZE_PROGRAM_H_
#define HILUM_KERNELS_QUANTIZE_PROGRAM_H_

#include <cstdint>

#include "kernels/exec.h"
#include "kernels/quantize.h"

namespace hilum::kernels {

// One block quantizes one tile of kTile values.
//   values  [n]; random_words  [n]; ring  [n]
//   limit   2^(value_bits - 1) - 1; mask  2^ring_bits - 1
// Launch BlocksFor(n, kTile) blocks.
struct QuantizeProgram {
  static constexpr int kThreads = 256;
  static constexpr int kPerThread = 8;
  static constexpr int kTile = kThreads * kPerThread;
  struct Shared {};

  const float* values;
  const uint32_t* random_words;
  uint32_t* ring;
  int64_t n;
  double weight;
  double scale;
  double limit;
  uint32_t mask;
  float clip_factor;

  template <class Block>
  HILUM_KERNEL void operator()(const Block& block) const {
    const QuantizeProgram p =
        *this;  // a copy that no store can change, so that the loops vectorise
    for (int j = 0; j < kPerThread; ++j) {
      const int64_t first = block.index * kTile + j * kThreads;
      block.Local(n - first, [=](int t) {
        const int32_t rounded =
            p.Rounded(p.values[first + t] * p.clip_factor, p.random_words[first + t]);
        p.ring[first + t] = static_cast<uint32_t>(rounded) & p.mask;
      });
    }
  }

  // Written without floor and without unsigned conversions, which SSE2 and AVX2 lack for vectors.
  HILUM_KERNEL int32_t Rounded(float value, uint32_t word) const {
    double scaled = static_cast<double>(value) * weight * scale;
    scaled = scaled < limit ? scaled : limit;    // NaN becomes the limit: a conversion is never
    scaled = scaled > -limit ? scaled : -limit;  // undefined, though callers refuse NaN before
    const int32_t towards_zero = static_cast<int32_t>(scaled);
    const double rest = scaled - towards_zero;  // exact, in (-1, 1)
    // word * 2^-32, exactly: the word less 2^31 as a signed integer, scaled, and half added again.
    const double uniform = static_cast<int32_t>(word ^ 0x80000000u) * 0x1p-32 + 0.5;
    const int32_t up = uniform < rest ? 1 : 0;
    const int32_t down = uniform < -rest ? 1 : 0;
    return towards_zero + up - down;
  }
};

// The program for `options`; the caller fills in the pointers and n.
inline QuantizeProgram MakeQuantizeProgram(const QuantizeOptions& options) {
  return QuantizeProgram{.values = nullptr,
                         .random_words = nullptr,
                         .ring = nullptr,
                         .n = 0,
                         .weight = options.weight,
                         .scale = options.scale,
                         .limit = static_cast<double>((int64_t{1} << (options.value_bits - 1)) - 1),
                         .mask = 0xffffffffu >> (32 - options.ring_bits),
                         .clip_factor = options.clip_factor};
}

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_QUANTIZE_PROGRAM_H_

// Weighted float32 values -> integers of the ring Z/2^b by stochastic rounding
// (secure_aggregation.md, section 6, steps 1 and 2).
#ifndef HILUM_KERNELS_QUANTIZE_H_
#define HILUM_KERNELS_QUANTIZE_H_

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "kernels/device.h"

namespace hilum::kernels {

struct QuantizeOptions {
  double weight = 1.0;  // w / W, in (0, 1]
  double scale = 0.0;   // s > 0, ring units for one unit of the weights: (2^(value_bits-1) - 1) / R
  int value_bits = 0;   // b_x, 2..ring_bits: results lie in +-(2^(value_bits-1) - 1)
  int ring_bits = 0;    // b, 2..32
  // Clipping in the same pass: each value is first multiplied by this and rounded to float32, as
  // ScaleInPlace does, whose pass of 8 bytes a coordinate is saved. Finite; 1 changes nothing.
  float clip_factor = 1.0f;
};

// For each j, in double without a fused multiply-add:
//   t = clamp(float(values[j] * clip_factor) * weight * scale, +-(2^(value_bits-1) - 1))   the
//   clamp to +-R, scaled x = t rounded towards zero, or one further from zero if random_words[j] *
//   2^-32 < |t - x| ring[j] = x mod 2^ring_bits, two's complement
// The mean over random words is t within 2^-32. The clamp comes after the scale, where its bound is
// an integer: so the bound holds for the rounded value too, and n sites cannot wrap.
//   values  [n] float32, finite; random_words  [n] uniform words; ring  [n]
//   12 bytes of traffic and about 10 operations a coordinate; same bits on every device
// InvalidArgument: lengths differ, or an option is out of range. FailedPrecondition: no such
// device. Thread-safe on disjoint spans.
absl::Status Quantize(std::span<const float> values, std::span<const uint32_t> random_words,
                      const QuantizeOptions& options, std::span<uint32_t> ring, Device device);

// The specification. Same preconditions, not checked.
void QuantizeReference(std::span<const float> values, std::span<const uint32_t> random_words,
                       const QuantizeOptions& options, std::span<uint32_t> ring);

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_QUANTIZE_H_

// The norms of a delta, and whether it is finite: one pass over the values.
#ifndef HILUM_KERNELS_SUM_OF_SQUARES_H_
#define HILUM_KERNELS_SUM_OF_SQUARES_H_

#include <cstdint>
#include <span>

#include "absl/status/statusor.h"
#include "kernels/device.h"

namespace hilum::kernels {

struct Norms {
  double sum_of_squares = 0.0;    // the square of the L2 norm; infinity when a tile's sum overflows
  float max_abs = 0.0f;           // the L-infinity norm
  int64_t first_not_finite = -1;  // position of the first NaN or infinity; -1: there is none, and
                                  // only then do the two norms mean anything
};

// The true sum of squares is at most sum_of_squares * (1 + this): in a tile each square passes at
// most 8 roundings in its thread and 8 in the tree, none of them of a negative term, and the double
// combine adds less than 2^-24 for up to 2^28 tiles. (16 + 1) * 2^-24, doubled for squares that
// round to subnormal floats.
inline constexpr double kSumOfSquaresRelativeError = 34 * 0x1p-24;

// Float partial sums by a fixed tree in tiles of 2,048 values (fused multiply-adds written out),
// then a double sum of the tiles in their order: same bits on every device.
//   values  [n] float32, any values; n >= 0; 4 bytes of traffic and 3 operations a value
// FailedPrecondition: no such device. Thread-safe.
absl::StatusOr<Norms> MeasureNorms(std::span<const float> values, Device device);

// The specification, summed in double. Its sum of squares differs from MeasureNorms's by the
// relative error above; max_abs and first_not_finite are equal.
Norms MeasureNormsReference(std::span<const float> values);

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_SUM_OF_SQUARES_H_

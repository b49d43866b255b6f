// Scales a vector in place: the second half of clipping, after the norm is known.
#ifndef HILUM_KERNELS_CLIP_H_
#define HILUM_KERNELS_CLIP_H_

#include <span>

#include "absl/status/status.h"
#include "kernels/device.h"

namespace hilum::kernels {

// values[j] = values[j] * factor, rounded once to float32: same bits on every device.
//   values  [n] float32; n >= 0; 8 bytes of traffic and 1 operation a value
// FailedPrecondition: no such device. Thread-safe on disjoint spans.
absl::Status ScaleInPlace(std::span<float> values, float factor, Device device);

// The specification.
void ScaleInPlaceReference(std::span<float> values, float factor);

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_CLIP_H_

// Sums in the ring Z/2^b -> the weighted mean, and the mean added to the model
// (secure_aggregation.md, section 6, "Dequantise").
#ifndef HILUM_KERNELS_DEQUANTIZE_H_
#define HILUM_KERNELS_DEQUANTIZE_H_

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "kernels/device.h"

namespace hilum::kernels {

struct DequantizeOptions {
  int ring_bits = 0;  // b, 2..32
  double gain = 0.0;  // g = W / (s * sum of weights), finite and > 0
};

// InvalidArgument: an option is out of range.
absl::Status CheckDequantizeOptions(const DequantizeOptions& options);

// mean[j] = double(ring[j] as a signed ring_bits-bit integer) * gain. Same bits on every device.
//   ring  [n], each word < 2^ring_bits; mean  [n]; 12 bytes of traffic, 1 operation a coordinate
// InvalidArgument: lengths differ, or an option is out of range. FailedPrecondition: no such
// device. Thread-safe on disjoint spans.
absl::Status Dequantize(std::span<const uint32_t> ring, const DequantizeOptions& options,
                        std::span<double> mean, Device device);

// The FedAvg step in place, without storing the mean:
//   model[j] = float(double(model[j]) + rate * (double(signed ring[j]) * gain)), three roundings to
// double and one to float, no fused multiply-add. Same bits on every device.
//   rate   the server's learning rate, finite; model  [n] float32
//   12 bytes of traffic and 3 operations a coordinate
// Errors as for Dequantize; InvalidArgument also when `rate` is not finite.
absl::Status AddMean(std::span<const uint32_t> ring, const DequantizeOptions& options, double rate,
                     std::span<float> model, Device device);

// The specifications. Same preconditions, not checked.
void DequantizeReference(std::span<const uint32_t> ring, const DequantizeOptions& options,
                         std::span<double> mean);
void AddMeanReference(std::span<const uint32_t> ring, const DequantizeOptions& options, double rate,
                      std::span<float> model);

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_DEQUANTIZE_H_

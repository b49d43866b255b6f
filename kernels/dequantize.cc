#include "kernels/dequantize.h"

#include <cmath>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/cuda_entry.h"
#include "kernels/dequantize_program.h"

namespace hilum::kernels {
namespace {

absl::Status CheckCall(size_t n_ring, size_t n_out, const DequantizeOptions& options) {
  if (n_ring != n_out) {
    return absl::InvalidArgumentError(
        absl::StrCat(n_ring, " ring words were given for ", n_out, " parameters"));
  }
  return CheckDequantizeOptions(options);
}

int64_t SignedReference(uint32_t word, int ring_bits) {
  const int64_t modulus = int64_t{1} << ring_bits;
  return word < modulus / 2 ? word : word - modulus;
}

}  // namespace

absl::Status CheckDequantizeOptions(const DequantizeOptions& options) {
  if (options.ring_bits < 2 || options.ring_bits > 32) {
    return absl::InvalidArgumentError(
        absl::StrCat("a ring of ", options.ring_bits, " bits was given; it has 2 to 32"));
  }
  if (!(options.gain > 0.0 && std::isfinite(options.gain))) {
    return absl::InvalidArgumentError(
        absl::StrCat("gain ", options.gain, " is not a finite number above 0"));
  }
  return absl::OkStatus();
}

absl::Status Dequantize(std::span<const uint32_t> ring, const DequantizeOptions& options,
                        std::span<double> mean, Device device) {
  HILUM_RETURN_IF_ERROR(CheckCall(ring.size(), mean.size(), options));
  HILUM_RETURN_IF_ERROR(CheckDevice(device));
  if constexpr (kCudaBuild) {
    if (device.kind == Device::kCuda) return cuda::Dequantize(ring, options, mean, device.index);
  }
  const int64_t n = static_cast<int64_t>(ring.size());
  Launch(DequantizeProgram{.ring = ring.data(),
                           .mean = mean.data(),
                           .n = n,
                           .gain = options.gain,
                           .shift = 32 - options.ring_bits},
         BlocksFor(n, DequantizeProgram::kTile));
  return absl::OkStatus();
}

absl::Status AddMean(std::span<const uint32_t> ring, const DequantizeOptions& options, double rate,
                     std::span<float> model, Device device) {
  HILUM_RETURN_IF_ERROR(CheckCall(ring.size(), model.size(), options));
  if (!std::isfinite(rate)) {
    return absl::InvalidArgumentError(absl::StrCat("learning rate ", rate, " is not finite"));
  }
  HILUM_RETURN_IF_ERROR(CheckDevice(device));
  if constexpr (kCudaBuild) {
    if (device.kind == Device::kCuda) {
      return cuda::AddMean(ring, options, rate, model, device.index);
    }
  }
  const int64_t n = static_cast<int64_t>(ring.size());
  Launch(AddMeanProgram{.ring = ring.data(),
                        .model = model.data(),
                        .n = n,
                        .gain = options.gain,
                        .rate = rate,
                        .shift = 32 - options.ring_bits},
         BlocksFor(n, AddMeanProgram::kTile));
  return absl::OkStatus();
}

void DequantizeReference(std::span<const uint32_t> ring, const DequantizeOptions& options,
                         std::span<double> mean) {
  for (size_t j = 0; j < ring.size(); ++j) {
    mean[j] = static_cast<double>(SignedReference(ring[j], options.ring_bits)) * options.gain;
  }
}

void AddMeanReference(std::span<const uint32_t> ring, const DequantizeOptions& options, double rate,
                      std::span<float> model) {
  for (size_t j = 0; j < ring.size(); ++j) {
    const double mean =
        static_cast<double>(SignedReference(ring[j], options.ring_bits)) * options.gain;
    model[j] = static_cast<float>(static_cast<double>(model[j]) + rate * mean);
  }
}

}  // namespace hilum::kernels

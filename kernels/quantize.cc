#include "kernels/quantize.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/cuda_entry.h"
#include "kernels/quantize_program.h"

namespace hilum::kernels {
namespace {

absl::Status CheckOptions(const QuantizeOptions& options) {
  if (!(options.weight > 0.0 && options.weight <= 1.0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("weight ", options.weight, " is not above 0 and at most 1"));
  }
  if (!(options.scale > 0.0 && std::isfinite(options.scale))) {
    return absl::InvalidArgumentError(
        absl::StrCat("scale ", options.scale, " is not a finite number above 0"));
  }
  if (!std::isfinite(options.clip_factor)) {
    return absl::InvalidArgumentError(
        absl::StrCat("clip factor ", options.clip_factor, " is not finite"));
  }
  if (options.ring_bits < 2 || options.ring_bits > 32 || options.value_bits < 2 ||
      options.value_bits > options.ring_bits) {
    return absl::InvalidArgumentError(
        absl::StrCat("values of ", options.value_bits, " bits in a ring of ", options.ring_bits,
                     ": needed is 2 <= value_bits <= ring_bits <= 32"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Quantize(std::span<const float> values, std::span<const uint32_t> random_words,
                      const QuantizeOptions& options, std::span<uint32_t> ring, Device device) {
  if (values.size() != random_words.size() || values.size() != ring.size()) {
    return absl::InvalidArgumentError(absl::StrCat(values.size(), " values, ", random_words.size(),
                                                   " random words and ", ring.size(),
                                                   " ring words differ in length"));
  }
  HILUM_RETURN_IF_ERROR(CheckOptions(options));
  HILUM_RETURN_IF_ERROR(CheckDevice(device));
  if constexpr (kCudaBuild) {
    if (device.kind == Device::kCuda) {
      return cuda::Quantize(values, random_words, options, ring, device.index);
    }
  }
  QuantizeProgram program = MakeQuantizeProgram(options);
  program.values = values.data();
  program.random_words = random_words.data();
  program.ring = ring.data();
  program.n = static_cast<int64_t>(values.size());
  Launch(program, BlocksFor(program.n, QuantizeProgram::kTile));
  return absl::OkStatus();
}

void QuantizeReference(std::span<const float> values, std::span<const uint32_t> random_words,
                       const QuantizeOptions& options, std::span<uint32_t> ring) {
  const double limit = std::pow(2.0, options.value_bits - 1) - 1.0;
  for (size_t j = 0; j < values.size(); ++j) {
    const float clipped = values[j] * options.clip_factor;
    const double t = std::clamp(clipped * options.weight * options.scale, -limit, limit);
    double x = std::trunc(t);
    if (random_words[j] / 4294967296.0 < std::abs(t - x)) x += std::copysign(1.0, t);
    const int64_t modulus = int64_t{1} << options.ring_bits;
    ring[j] = static_cast<uint32_t>((static_cast<int64_t>(x) + modulus) % modulus);
  }
}

}  // namespace hilum::kernels

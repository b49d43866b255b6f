#include "kernels/discrete_gaussian.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/cuda_entry.h"
#include "kernels/discrete_gaussian_program.h"
#include "kernels/secret.h"

namespace hilum::kernels {

namespace {

constexpr uint64_t kMaxNumerator = uint64_t{1} << 54;
constexpr uint64_t kMaxDenominator = uint64_t{1} << 20;

uint64_t FloorSqrt(uint64_t value) {
  uint64_t root = 0;
  for (uint64_t bit = uint64_t{1} << 31; bit > 0; bit >>= 1) {
    if ((root + bit) * (root + bit) <= value) root += bit;
  }
  return root;
}

// The words of a source. Wiped at the end: who knows them knows the noise.
class SourceWords {
 public:
  explicit SourceWords(RandomSource source) : source_(source) {}

  uint32_t Next() {
    if (next_ == kNoiseBlockWords) {
      source_({reinterpret_cast<uint32_t*>(block_.data()), kNoiseBlockWords});
      next_ = 0;
    }
    return reinterpret_cast<const uint32_t*>(block_.data())[next_++];
  }

 private:
  RandomSource source_;
  SecretBytes block_{kNoiseBlockWords * sizeof(uint32_t)};
  size_t next_ = kNoiseBlockWords;
};

}  // namespace

absl::StatusOr<DiscreteGaussian> DiscreteGaussian::Create(const Variance& variance) {
  if (variance.numerator < 1 || variance.numerator > kMaxNumerator || variance.denominator < 1 ||
      variance.denominator > kMaxDenominator) {
    return absl::InvalidArgumentError(
        absl::StrCat("a variance of ", variance.numerator, " / ", variance.denominator,
                     " was asked for; the numerator is 1 to 2^54 and the denominator 1 to 2^20"));
  }
  DiscreteGaussian gaussian;
  GaussianParameters& p = gaussian.parameters_;
  p.numerator = variance.numerator;
  p.denominator = variance.denominator;
  p.scale = FloorSqrt(variance.numerator / variance.denominator) + 1;
  p.largest = ((uint64_t{1} << 63) - 1) / (variance.denominator * p.scale);
  return gaussian;
}

void DiscreteGaussian::Sample(std::span<int64_t> samples, RandomSource source) const {
  SourceWords words(source);
  for (int64_t& sample : samples) sample = DrawGaussian(parameters_, words);
}

absl::Status DiscreteGaussian::AddNoise(std::span<uint32_t> ring, int ring_bits, NoiseKey key,
                                        Device device) const {
  if (ring_bits < 1 || ring_bits > 32) {
    return absl::InvalidArgumentError(
        absl::StrCat("a ring of ", ring_bits, " bits was asked for; it has 1 to 32"));
  }
  HILUM_RETURN_IF_ERROR(CheckDevice(device));
  const uint32_t mask = 0xffffffffu >> (32 - ring_bits);
  if constexpr (kCudaBuild) {
    if (device.kind == Device::kCuda) {
      return cuda::AddDiscreteGaussian(ring, parameters_, key, mask, device.index);
    }
  }
  const DiscreteGaussianProgram program{.ring = ring.data(),
                                        .n = static_cast<int64_t>(ring.size()),
                                        .key = key.data(),
                                        .gaussian = parameters_,
                                        .mask = mask};
  Launch(program, BlocksFor(program.n, program.kTile));
  return absl::OkStatus();
}

}  // namespace hilum::kernels

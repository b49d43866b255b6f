#include "privacy/quantize.h"

#include <algorithm>
#include <cmath>
#include <span>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/quantize.h"
#include "privacy/accountant.h"
#include "privacy/policy.h"

namespace hilum::privacy {
namespace {

constexpr size_t kBatch = size_t{1} << 16;  // words drawn at once: 256 KiB, which stays in cache

absl::Status CheckFit(const WeightedDelta& delta, const RoundConfig& config) {
  if (static_cast<uint64_t>(delta.n_params()) != config.n_params) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the update has ", delta.n_params(), " parameters, the round is for ", config.n_params));
  }
  if (delta.max_weight() != config.max_weight) {
    return absl::InvalidArgumentError(
        absl::StrCat("the update was weighted by W = ", delta.max_weight(),
                     ", the round has W = ", config.max_weight));
  }
  if (config.n_extras != kMinExtras) {
    return absl::InvalidArgumentError(absl::StrCat("the round asks for ", config.n_extras,
                                                   " extra coordinates, this version has ",
                                                   kMinExtras));
  }
  // A weight is a number of films; with differential privacy it would be told without noise.
  if (config.unit != PrivacyUnit::kNone && delta.weight() != config.max_weight) {
    return absl::InvalidArgumentError(
        absl::StrCat("with differential privacy every site has the weight W = ", config.max_weight,
                     ", this update has ", delta.weight()));
  }
  return CheckHeadroom(config);
}

// round(min(loss, 64) * 2^16), at most 2^22.
absl::StatusOr<uint32_t> LossCoordinate(double loss) {
  if (!std::isfinite(loss)) {
    return absl::DataLossError(
        absl::StrCat("the training loss is ", loss, ": training diverged, nothing is sent"));
  }
  if (loss < 0.0) {
    return absl::InvalidArgumentError(absl::StrCat("the training loss ", loss, " is negative"));
  }
  return static_cast<uint32_t>(
      std::lround(std::min(loss, kMaxLoss) * static_cast<double>(1 << kLossFractionBits)));
}

absl::Status QuantizeValues(std::span<const float> values, const kernels::QuantizeOptions& options,
                            RoundingStream& stream, std::span<uint32_t> ring,
                            kernels::Device device) {
  std::vector<uint32_t> random_words(std::min(kBatch, values.size()));
  for (size_t first = 0; first < values.size(); first += kBatch) {
    const size_t n = std::min(kBatch, values.size() - first);
    const std::span<uint32_t> words = std::span<uint32_t>(random_words).first(n);
    stream.Fill(words);
    HILUM_RETURN_IF_ERROR(kernels::Quantize(values.subspan(first, n), words, options,
                                            ring.subspan(first, n), device));
  }
  return absl::OkStatus();
}

// The sum of the squares of signed ring words, exact to 2^-64 of itself.
long double SumOfSquares(std::span<const uint32_t> ring, int ring_bits) {
  uint64_t low = 0, high = 0;
  for (const uint32_t word : ring) {
    const int unused = 32 - ring_bits;
    const int64_t value = static_cast<int32_t>(word << unused) >> unused;
    const auto square = static_cast<uint64_t>(value * value);
    low += square;
    if (low < square) ++high;
  }
  return static_cast<long double>(high) * 0x1p64L + static_cast<long double>(low);
}

// Rounds until the result is no longer than the sensitivity that the noise is for. Conditional
// rounding: Kairouz, Liu, Steinke 2021, arXiv:2102.06387, section 4.
absl::Status QuantizeWithinBound(std::span<const float> values,
                                 const kernels::QuantizeOptions& options, double bound_l2,
                                 RoundingStream& stream, std::span<uint32_t> ring,
                                 kernels::Device device) {
  // One draw is too long with a probability of at most e^-1/2, so all are with less than 2^-700.
  constexpr int kMaxDraws = 1000;
  const long double bound = static_cast<long double>(bound_l2) * bound_l2;
  for (int i = 0; i < kMaxDraws; ++i) {
    HILUM_RETURN_IF_ERROR(QuantizeValues(values, options, stream, ring, device));
    if (SumOfSquares(ring, options.ring_bits) <= bound) return absl::OkStatus();
  }
  return absl::InternalError(absl::StrCat("the rounded update was longer than ", bound_l2, " in ",
                                          kMaxDraws, " draws: it was not clipped"));
}

}  // namespace

absl::StatusOr<QuantizedDelta> Quantize(WeightedDelta delta, const RoundConfig& config,
                                        const Extras& extras, RoundingStream stream,
                                        kernels::Device device) {
  HILUM_RETURN_IF_ERROR(CheckFit(delta, config));
  HILUM_ASSIGN_OR_RETURN(const uint32_t loss, LossCoordinate(extras.loss));
  std::vector<uint32_t> ring(config.n_coords());
  const kernels::QuantizeOptions options{
      .weight = static_cast<double>(delta.weight()) / delta.max_weight(),
      .scale = config.scale,
      .value_bits = config.value_bits,
      .ring_bits = config.ring_bits};
  const size_t n_params = static_cast<size_t>(config.n_params);
  const std::span<const float> values = QuantizedDelta::ValuesOf(delta);
  const std::span<uint32_t> params = std::span<uint32_t>(ring).first(n_params);
  if (config.unit == PrivacyUnit::kSilo) {
    HILUM_ASSIGN_OR_RETURN(const PrivateRelease release, SiloRelease(config));
    HILUM_RETURN_IF_ERROR(QuantizeWithinBound(values, options, release.l2, stream, params, device));
  } else {
    HILUM_RETURN_IF_ERROR(QuantizeValues(values, options, stream, params, device));
  }
  ring[n_params] = delta.weight();
  ring[n_params + 1] = 1;  // the count
  ring[n_params + 2] = config.unit == PrivacyUnit::kNone ? loss : 0;
  return QuantizedDelta(std::move(ring));
}

}  // namespace hilum::privacy

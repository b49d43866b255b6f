#include "privacy/unmask.h"

#include <algorithm>
#include <bit>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/random.h"
#include "kernels/integer_sum.h"
#include "privacy/packed_vector.h"
#include "privacy/policy.h"
#include "privacy/quantize.h"

namespace hilum::privacy {
namespace {

absl::Status CheckLength(size_t n_coords, const RoundConfig& config) {
  if (config.n_extras == kMinExtras && n_coords >= kMinExtras &&
      n_coords - kMinExtras == config.n_params) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("the sum has ", n_coords,
                                                 " coordinates, the round is for ", config.n_params,
                                                 " and ", config.n_extras, " extras"));
}

// What the three extra coordinates of `n` updates sum to.
struct ExtraSums {
  uint64_t n = 0, weight = 0, count = 0, loss = 0;
};

ExtraSums ExtrasOf(const RingTotal& total, const RoundConfig& config) {
  const std::span<const uint32_t> extras =
      total.words().subspan(static_cast<size_t>(config.n_params));
  return {.n = total.n_members(), .weight = extras[0], .count = extras[1], .loss = extras[2]};
}

// Whether the updates can have such sums.
absl::Status CheckSums(const ExtraSums& sums, const RoundConfig& config) {
  const uint64_t n = sums.n, max_weight = config.max_weight;
  if (sums.count != n || n == 0) {
    return absl::DataLossError(
        absl::StrCat("the count coordinate is ", sums.count, ", the sum is of ", n, " updates"));
  }
  if (sums.weight < n || sums.weight > n * max_weight) {
    return absl::DataLossError(absl::StrCat("the weights of ", n, " updates sum to ", sums.weight,
                                            ", each is 1 to ", max_weight));
  }
  if (sums.loss > n * (static_cast<uint64_t>(kMaxLoss) << kLossFractionBits)) {
    return absl::DataLossError(absl::StrCat("the losses of ", n, " updates sum to ", sums.loss,
                                            " * 2^-16, each is at most ", kMaxLoss));
  }
  if (config.unit != PrivacyUnit::kNone && (sums.weight != n * max_weight || sums.loss != 0)) {
    return absl::DataLossError(
        absl::StrCat("with differential privacy ", n, " updates have the weight ", n * max_weight,
                     " and tell no loss; these sum to ", sums.weight, " and ", sums.loss));
  }
  return absl::OkStatus();
}

// S mod 2^b, once each sum is one that its members can reach.
absl::StatusOr<std::vector<uint32_t>> Reduce(const MaskedSum& sum, const RoundConfig& config,
                                             kernels::Device device) {
  HILUM_RETURN_IF_ERROR(CheckLength(sum.sums.size(), config));
  HILUM_RETURN_IF_ERROR(CheckHeadroom(config));
  const uint64_t largest = sum.n_members * ((uint64_t{1} << config.ring_bits) - 1);
  const auto above = std::find_if(sum.sums.begin(), sum.sums.end(),
                                  [largest](uint64_t value) { return value > largest; });
  if (above != sum.sums.end()) {
    return absl::DataLossError(absl::StrCat("coordinate ", above - sum.sums.begin(), " sums to ",
                                            *above, ", ", sum.n_members, " updates reach at most ",
                                            largest));
  }
  std::vector<uint32_t> ring(sum.sums.size());
  HILUM_RETURN_IF_ERROR(kernels::ReduceToRing(sum.sums, config.ring_bits, ring, device));
  return ring;
}

absl::Status CheckMasks(const kernels::MaskKeys& masks, const RoundConfig& config) {
  if (config.mode != RoundMode::kOpen && masks.ring_bits() == config.ring_bits &&
      static_cast<int>(masks.suite()) == static_cast<int>(config.suite)) {
    return absl::OkStatus();
  }
  return absl::PermissionDeniedError(
      absl::StrCat("keys of suite ", static_cast<int>(masks.suite()), " for ", masks.ring_bits(),
                   " bits do not remove masks of suite ", static_cast<int>(config.suite), " and ",
                   config.ring_bits, " bits"));
}

// The first chunk that has extra coordinates.
uint32_t FirstExtraChunk(const RoundConfig& config) {
  return static_cast<uint32_t>(config.n_params / config.chunk_coords);
}

}  // namespace

absl::StatusOr<RingTotal> Unmask(const MaskedTotal& total, const RoundConfig& config,
                                 kernels::Device device) {
  if (config.mode != RoundMode::kOpen || config.suite != Suite::kNone) {
    return absl::PermissionDeniedError(
        absl::StrCat("the round has mode ", static_cast<int>(config.mode), " with mask suite ",
                     static_cast<int>(config.suite), ", and no key was given that removes masks"));
  }
  HILUM_ASSIGN_OR_RETURN(
      std::vector<uint32_t> ring,
      Reduce({.sums = total.sums(), .n_members = total.n_members()}, config, device));
  return RingTotal(std::move(ring), total.n_members());
}

absl::StatusOr<RingTotal> Unmask(const MaskedSum& sum, const RoundConfig& config,
                                 const kernels::MaskKeys& masks, kernels::Device device,
                                 const std::atomic<bool>* cancel) {
  HILUM_RETURN_IF_ERROR(CheckMasks(masks, config));
  HILUM_ASSIGN_OR_RETURN(std::vector<uint32_t> ring, Reduce(sum, config, device));
  for (size_t first = 0; first < ring.size(); first += kUnmaskStep) {
    if (cancel != nullptr && *cancel) return absl::CancelledError("the unmasking was stopped");
    const std::span<uint32_t> part =
        std::span(ring).subspan(first, std::min(kUnmaskStep, ring.size() - first));
    HILUM_RETURN_IF_ERROR(kernels::KeystreamAdd(part, masks, first, device));
  }
  return RingTotal(std::move(ring), sum.n_members);
}

std::vector<uint32_t> DrawChunks(const RoundConfig& config, uint32_t n_members) {
  crypto::SeededStream stream(crypto::RandomArray<32>());
  std::vector<uint32_t> chunks;
  for (uint32_t chunk = 0; chunk < LayoutOf(config).n_chunks(); ++chunk) {
    const bool drawn = stream.Below(n_members) < kSampleMembers;
    if (drawn || chunk >= FirstExtraChunk(config)) chunks.push_back(chunk);
  }
  return chunks;
}

absl::StatusOr<RingSample> RingSample::Make(const MaskedSum& sum, const RoundConfig& config,
                                            const kernels::MaskKeys& masks,
                                            std::vector<uint32_t> chunks, kernels::Device device,
                                            const std::atomic<bool>* cancel) {
  HILUM_RETURN_IF_ERROR(CheckMasks(masks, config));
  HILUM_ASSIGN_OR_RETURN(std::vector<uint32_t> ring, Reduce(sum, config, device));
  const VectorLayout layout = LayoutOf(config);
  for (uint32_t chunk = 0, next = 0; chunk < layout.n_chunks(); ++chunk) {
    if (cancel != nullptr && *cancel) return absl::CancelledError("the unmasking was stopped");
    const uint64_t first = uint64_t{chunk} * layout.chunk_coords;
    const std::span<uint32_t> part =
        std::span(ring).subspan(static_cast<size_t>(first), layout.CoordsOf(chunk));
    if (next < chunks.size() && chunks[next] == chunk) {
      HILUM_RETURN_IF_ERROR(kernels::KeystreamAdd(part, masks, first, device));
      ++next;
    } else if (chunk >= FirstExtraChunk(config)) {
      return absl::InvalidArgumentError(
          absl::StrCat("the sample lacks chunk ", chunk, ", which has extra coordinates"));
    } else {
      std::fill(part.begin(), part.end(), 0);
    }
  }
  return RingSample(RingTotal(std::move(ring), sum.n_members), std::move(chunks));
}

absl::Status RingSample::CheckModel(const RoundConfig& config, double rate,
                                    std::span<const float> base, std::span<const float> model) && {
  const size_t n_params = static_cast<size_t>(config.n_params);
  if (base.size() != n_params || model.size() != n_params) {
    return absl::InvalidArgumentError(absl::StrCat("models of ", base.size(), " and ", model.size(),
                                                   " parameters, the round has ", n_params));
  }
  HILUM_ASSIGN_OR_RETURN(const MeanDelta mean, Dequantize(std::move(total_), config));
  for (const uint32_t chunk : chunks_) {
    const size_t first = size_t{chunk} * config.chunk_coords;
    if (first >= n_params) break;
    const size_t n = std::min<size_t>(config.chunk_coords, n_params - first);
    std::vector<float> part(base.begin() + static_cast<ptrdiff_t>(first),
                            base.begin() + static_cast<ptrdiff_t>(first + n));
    HILUM_RETURN_IF_ERROR(kernels::AddMean(mean.words().subspan(first, n), mean.options(), rate,
                                           part, kernels::Device::kCpu));
    for (size_t j = 0; j < n; ++j) {
      if (std::bit_cast<uint32_t>(part[j]) == std::bit_cast<uint32_t>(model[first + j])) continue;
      return absl::DataLossError(absl::StrCat("parameter ", first + j, " of the model is ",
                                              model[first + j], ", the verified sum makes ",
                                              part[j]));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckExtras(const RingTotal& total, const RoundConfig& config) {
  HILUM_RETURN_IF_ERROR(CheckLength(total.words().size(), config));
  return CheckSums(ExtrasOf(total, config), config);
}

absl::StatusOr<MeanDelta> Dequantize(RingTotal total, const RoundConfig& config) {
  HILUM_RETURN_IF_ERROR(CheckLength(total.words().size(), config));
  HILUM_RETURN_IF_ERROR(CheckHeadroom(config));
  const ExtraSums sums = ExtrasOf(total, config);
  HILUM_RETURN_IF_ERROR(CheckSums(sums, config));
  MeanDelta mean;
  mean.n_members_ = total.n_members();
  mean.n_params_ = static_cast<int64_t>(config.n_params);
  mean.ring_ = MeanDelta::Take(total);
  mean.total_weight_ = sums.weight;
  mean.mean_loss_ = static_cast<double>(sums.loss) / (1 << kLossFractionBits) / mean.n_members_;
  // With differential privacy the denominator is fixed: the whole roster, each with weight W.
  const double divisor = config.unit == PrivacyUnit::kNone
                             ? static_cast<double>(mean.total_weight_)
                             : static_cast<double>(config.roster.size()) * config.max_weight;
  mean.options_ = {.ring_bits = config.ring_bits,
                   .gain = config.max_weight / (config.scale * divisor)};
  return mean;
}

absl::Status AddMean(const MeanDelta& mean, double rate, std::span<float> model,
                     kernels::Device device) {
  return kernels::AddMean(mean.words(), mean.options(), rate, model, device);
}

}  // namespace hilum::privacy

#include "privacy/robust.h"

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/dequantize.h"
#include "kernels/gram.h"
#include "kernels/krum.h"
#include "kernels/robust_mean.h"
#include "kernels/trimmed_mean.h"
#include "kernels/updates.h"
#include "kernels/weighted_mean.h"
#include "privacy/packed_vector.h"

namespace hilum::privacy {
namespace {

constexpr int kClipSteps = 3;

using Spans = std::vector<std::span<const float>>;

absl::StatusOr<kernels::SiteMatrix> Distances(const Spans& updates, kernels::Device device) {
  HILUM_ASSIGN_OR_RETURN(const kernels::SiteMatrix gram, kernels::Gram(updates, device));
  return kernels::SquaredDistances(gram);
}

Spans Chosen(const Spans& updates, const std::vector<int64_t>& sites) {
  Spans chosen;
  for (const int64_t site : sites) chosen.push_back(updates[static_cast<size_t>(site)]);
  return chosen;
}

absl::Status MultiKrum(const Spans& updates, const RobustOptions& options, std::span<float> result,
                       kernels::Device device) {
  HILUM_ASSIGN_OR_RETURN(const kernels::SiteMatrix distances, Distances(updates, device));
  const int64_t n_sites = static_cast<int64_t>(updates.size());
  const int64_t n_selected = options.rule == RobustRule::kKrum ? 1 : n_sites - options.n_faulty;
  HILUM_ASSIGN_OR_RETURN(
      const std::vector<int64_t> sites,
      kernels::KrumSelect(distances, {.n_faulty = options.n_faulty, .n_selected = n_selected}));
  const Spans chosen = Chosen(updates, sites);
  return kernels::WeightedMean(chosen, std::vector<double>(chosen.size(), 1.0), result, device);
}

absl::Status Bulyan(const Spans& updates, int64_t n_faulty, std::span<float> result,
                    kernels::Device device) {
  HILUM_ASSIGN_OR_RETURN(const kernels::SiteMatrix distances, Distances(updates, device));
  HILUM_ASSIGN_OR_RETURN(const std::vector<int64_t> sites,
                         kernels::BulyanSelect(distances, n_faulty));
  const int64_t n_kept = static_cast<int64_t>(updates.size()) - 4 * n_faulty;
  return kernels::MeanAroundMedian(Chosen(updates, sites), n_kept, result, device);
}

absl::Status Combine(const Spans& updates, const RobustOptions& options, std::span<float> result,
                     kernels::Device device) {
  const std::vector<double> alike(updates.size(), 1.0);
  switch (options.rule) {
    case RobustRule::kMedian:
      return kernels::CoordinateMedian(updates, result, device);
    case RobustRule::kTrimmedMean:
      return kernels::TrimmedMean(updates, options.n_faulty, result, device);
    case RobustRule::kKrum:
    case RobustRule::kMultiKrum:
      return MultiKrum(updates, options, result, device);
    case RobustRule::kBulyan:
      return Bulyan(updates, options.n_faulty, result, device);
    case RobustRule::kGeometricMedian:
      return kernels::GeometricMedian(updates, alike, {}, result, device).status();
    case RobustRule::kCentredClipping:
      break;
  }
  const std::vector<float> zero(result.size());
  return kernels::CentredClip(
      updates, zero, {.radius = options.clip_radius, .n_iterations = kClipSteps}, result, device);
}

}  // namespace

absl::StatusOr<OpenedUpdate> OpenUpdate(ByteView vector, const RoundConfig& config) {
  if (config.mode != RoundMode::kOpen || config.suite != Suite::kNone) {
    return absl::PermissionDeniedError("an update of a masked round cannot be looked at");
  }
  const VectorLayout layout = LayoutOf(config);
  if (vector.size() != layout.size_bytes() || config.n_coords() < config.n_params + 2) {
    return absl::InvalidArgumentError(absl::StrCat("the update has ", vector.size(),
                                                   " bytes, the round is for ", config.n_coords(),
                                                   " words of ", layout.ring_bits, " bits"));
  }
  HILUM_ASSIGN_OR_RETURN(const std::vector<uint32_t> words, UnpackVector(vector, layout));
  const size_t n_params = static_cast<size_t>(config.n_params);
  const uint32_t weight = words[n_params], count = words[n_params + 1];
  if (weight < 1 || weight > config.max_weight || count != 1) {
    return absl::DataLossError(absl::StrCat("the update has weight ", weight, " and count ", count,
                                            ", allowed are 1 to ", config.max_weight, " and 1"));
  }
  std::vector<float> values(n_params);
  HILUM_RETURN_IF_ERROR(
      kernels::AddMean(std::span<const uint32_t>(words).first(n_params),
                       {.ring_bits = config.ring_bits,
                        .gain = config.max_weight / (config.scale * static_cast<double>(weight))},
                       1.0, values, kernels::Device::kCpu));
  return OpenedUpdate(std::move(values));
}

absl::StatusOr<RobustDelta> CombineRobustly(std::span<const OpenedUpdate> updates,
                                            const RobustOptions& options, kernels::Device device) {
  Spans spans;
  for (const OpenedUpdate& update : updates) spans.push_back(update.values());
  HILUM_RETURN_IF_ERROR(kernels::CheckUpdates(spans));
  std::vector<float> result(spans.front().size());
  HILUM_RETURN_IF_ERROR(Combine(spans, options, result, device));
  return RobustDelta(std::move(result));
}

}  // namespace hilum::privacy

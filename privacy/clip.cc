#include "privacy/clip.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/clip.h"
#include "kernels/sum_of_squares.h"

namespace hilum::privacy {
namespace {

// Squares of values far below this are lost in float32, so no smaller norm can be promised.
constexpr double kMinClipNorm = 1e-9;

// The norm grows by at most 2^-24 when the factor is rounded to float32, and by as much when the
// products are: this is more than both.
constexpr double kScalingMargin = 0x1p-22;

absl::Status CheckNorms(const kernels::Norms& norms, int64_t n_params) {
  if (norms.first_not_finite >= 0) {
    return absl::DataLossError(absl::StrCat("the update holds NaN or infinity at parameter ",
                                            norms.first_not_finite, " of ", n_params,
                                            ": training diverged, nothing is sent"));
  }
  if (!std::isfinite(norms.sum_of_squares)) {
    return absl::DataLossError(absl::StrCat("the update's norm is beyond float32, its largest ",
                                            "change is ", norms.max_abs,
                                            ": training diverged, nothing is sent"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ClippedDelta> ClipToNorm(ModelDelta delta, double max_norm_l2,
                                        kernels::Device device) {
  if (!(max_norm_l2 >= kMinClipNorm && std::isfinite(max_norm_l2))) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the clip norm ", max_norm_l2, " is not a finite number of at least ", kMinClipNorm));
  }
  ClippedDelta clipped(std::move(delta));
  HILUM_ASSIGN_OR_RETURN(const kernels::Norms norms,
                         kernels::MeasureNorms(clipped.values_, device));
  HILUM_RETURN_IF_ERROR(CheckNorms(norms, clipped.n_params()));
  clipped.unclipped_norm_l2_ = std::sqrt(norms.sum_of_squares);
  const double norm_at_most =
      std::sqrt(norms.sum_of_squares * (1.0 + kernels::kSumOfSquaresRelativeError));
  if (norm_at_most > max_norm_l2) {
    const double factor = max_norm_l2 / norm_at_most * (1.0 - kScalingMargin);
    HILUM_RETURN_IF_ERROR(
        kernels::ScaleInPlace(clipped.values_, static_cast<float>(factor), device));
    clipped.was_clipped_ = true;
  }
  return clipped;
}

}  // namespace hilum::privacy

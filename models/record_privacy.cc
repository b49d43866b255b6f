#include "models/record_privacy.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace hilum::models {
namespace {

constexpr size_t kSamplesAtOnce = 4096;
constexpr double kMostSensitivity = 0x1p31;  // so that a sum of squares fits 64 bits

// Exact: `values` is a rounding of a vector that is no longer than kMostSensitivity.
bool IsAtMost(std::span<const int64_t> values, double bound) {
  uint64_t square = 0;
  for (const int64_t value : values) square += static_cast<uint64_t>(value * value);
  return static_cast<long double>(square) <= static_cast<long double>(bound) * bound;
}

}  // namespace

std::vector<int64_t> PoissonSample(int64_t n_samples, double rate, const DrawWords& draw) {
  std::vector<int64_t> drawn;
  // Rounded down: no sample is drawn more often than the accountant assumes.
  const bool all = rate >= 1.0;
  const auto threshold = all ? 0 : static_cast<uint64_t>(rate * 0x1p64);
  std::vector<uint32_t> words(2 * kSamplesAtOnce);
  for (int64_t first = 0; first < n_samples; first += kSamplesAtOnce) {
    const auto n = static_cast<size_t>(
        std::min<int64_t>(static_cast<int64_t>(kSamplesAtOnce), n_samples - first));
    draw(std::span<uint32_t>(words).first(2 * n));
    for (size_t i = 0; i < n; ++i) {
      const uint64_t word = uint64_t{words[2 * i + 1]} << 32 | words[2 * i];
      if (all || word < threshold) drawn.push_back(first + static_cast<int64_t>(i));
    }
  }
  return drawn;
}

ClippedSum::ClippedSum(const RecordPrivacy& privacy, int64_t n_params)
    : privacy_(privacy),
      grid_((privacy.sensitivity - std::sqrt(static_cast<double>(n_params)) / 2.0) /
            privacy.clip_l2),
      sum_(static_cast<size_t>(n_params)),
      one_(static_cast<size_t>(n_params)) {}

void ClippedSum::Clear() { std::ranges::fill(sum_, 0); }

void ClippedSum::Add(std::span<const float> gradient) {
  double square = 0.0;
  for (const float value : gradient) square += static_cast<double>(value) * value;
  if (!std::isfinite(square)) return;
  const double norm = std::sqrt(square);
  double factor = norm > privacy_.clip_l2 ? privacy_.clip_l2 / norm * grid_ : grid_;
  while (true) {
    for (size_t i = 0; i < gradient.size(); ++i) {
      one_[i] = std::llrint(static_cast<double>(gradient[i]) * factor);
    }
    if (IsAtMost(one_, privacy_.sensitivity)) break;
    factor *= 1.0 - 0x1p-20;  // the norm above was a rounded one
  }
  for (size_t i = 0; i < sum_.size(); ++i) sum_[i] += one_[i];
}

absl::Status ClippedSum::Release(int64_t n, std::span<float> gradient) {
  if (const absl::Status added = privacy_.add_noise(sum_); !added.ok()) return added;
  const double factor = 1.0 / (grid_ * static_cast<double>(n));
  for (size_t i = 0; i < sum_.size(); ++i) {
    gradient[i] = static_cast<float>(static_cast<double>(sum_[i]) * factor);
  }
  return absl::OkStatus();
}

absl::Status CheckRecordPrivacy(const RecordPrivacy& privacy, int64_t n_params) {
  // Written so that NaN fails too.
  if (!(privacy.sample_rate > 0.0 && privacy.sample_rate <= 1.0)) {
    return absl::InvalidArgumentError(absl::StrCat("the sampling rate is ", privacy.sample_rate,
                                                   ", it must be above 0 and at most 1"));
  }
  if (!(privacy.clip_l2 > 0.0 && privacy.clip_l2 <= 1e6)) {
    return absl::InvalidArgumentError(absl::StrCat("the clip of a sample's gradient is ",
                                                   privacy.clip_l2,
                                                   ", it must be above 0 and at most 1e6"));
  }
  const double least = 4.0 * std::sqrt(static_cast<double>(n_params));
  if (!(privacy.sensitivity >= least && privacy.sensitivity <= kMostSensitivity)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the sensitivity is ", privacy.sensitivity, " units of the grid, ", least, " to ",
        kMostSensitivity, " are needed: below, rounding would take the place of the gradient"));
  }
  if (!privacy.draw || !privacy.add_noise) {
    return absl::InvalidArgumentError("training with differential privacy has no noise");
  }
  return absl::OkStatus();
}

}  // namespace hilum::models

#include "dicom/grey.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

#include "base/status_macros.h"
#include "dicom/frames.h"
#include "dicom/refusal.h"
#include "dicom/voi.h"

namespace hilum::dicom {
namespace {

constexpr double kWhite = 255;
constexpr double kLowPercentile = 0.005;
constexpr double kHighPercentile = 0.995;

// The value after the modality stage and the padding flag of each possible stored word.
struct WordTable {
  std::vector<double> value;     // [2^bits_allocated]
  std::vector<uint8_t> padding;  // [2^bits_allocated]
  std::vector<int64_t> count;    // [2^bits_allocated], pixels of the frame with that word
};

uint32_t WordAt(ByteView frame, size_t index, size_t width) {
  return width == 1 ? frame[index] : uint32_t{frame[2 * index]} | frame[2 * index + 1] << 8;
}

absl::Status CheckStages(const Header& header) {
  if (header.has_presentation_lut) {
    return Refuse(Refusal::kPresentationLut, "the image has a Presentation LUT Sequence");
  }
  if (header.bad_lut) return Refuse(Refusal::kVoi, "a lookup table has the wrong length or depth");
  if (header.modality_lut) return absl::OkStatus();
  if (header.bad_rescale || header.slope.value_or(1) == 0) {
    return Refuse(Refusal::kRescale,
                  "the rescale slope is zero, or slope or intercept is not a "
                  "number");
  }
  return absl::OkStatus();
}

WordTable MakeTable(ByteView frame, const PixelHeader& pixels, const Header& header) {
  const size_t n_words = size_t{1} << pixels.bits_allocated;
  WordTable table{.value = std::vector<double>(n_words),
                  .padding = std::vector<uint8_t>(n_words),
                  .count = std::vector<int64_t>(n_words)};
  const double slope = header.slope.value_or(1);
  const double intercept = header.intercept.value_or(0);
  for (size_t word = 0; word < n_words; ++word) {
    const int64_t stored = StoredValue(static_cast<uint32_t>(word), pixels);
    table.padding[word] = IsPadding(header, stored);
    table.value[word] = header.modality_lut
                            ? LookUp(*header.modality_lut, static_cast<double>(stored))
                            : static_cast<double>(stored) * slope + intercept;
  }
  const size_t width = static_cast<size_t>(pixels.value_bytes());
  for (size_t i = 0; i < frame.size() / width; ++i) ++table.count[WordAt(frame, i, width)];
  return table;
}

// The modality values that occur outside padding, ascending, with their numbers.
std::vector<std::pair<double, int64_t>> Histogram(const WordTable& table) {
  std::vector<std::pair<double, int64_t>> histogram;
  for (size_t word = 0; word < table.value.size(); ++word) {
    if (table.count[word] > 0 && !table.padding[word]) {
      histogram.emplace_back(table.value[word], table.count[word]);
    }
  }
  std::sort(histogram.begin(), histogram.end());
  return histogram;
}

// The smallest value that at least `share` of the pixels do not exceed (nearest rank).
double Percentile(const std::vector<std::pair<double, int64_t>>& histogram, double share) {
  int64_t total = 0;
  for (const auto& [value, count] : histogram) total += count;
  const int64_t rank =
      std::max<int64_t>(1, std::llround(std::ceil(share * static_cast<double>(total))));
  int64_t seen = 0;
  for (const auto& [value, count] : histogram) {
    seen += count;
    if (seen >= rank) return value;
  }
  return histogram.empty() ? 0 : histogram.back().first;
}

// x -> 0 … 255, not yet rounded.
using VoiStage = std::function<double(double)>;

VoiStage Ramp(double low, double high) {
  return [low, high](double x) {
    if (high <= low) return 0.0;
    return std::clamp((x - low) / (high - low), 0.0, 1.0) * kWhite;
  };
}

// All values that BitsStored can hold, after the modality stage.
VoiStage FullRange(const WordTable& table) {
  const auto [low, high] = std::minmax_element(table.value.begin(), table.value.end());
  return Ramp(*low, *high);
}

absl::StatusOr<std::pair<VoiBranch, VoiStage>> ChooseVoi(const WordTable& table,
                                                         const Header& header,
                                                         const GreyOptions& options) {
  if (header.voi_lut) {
    const double top = static_cast<double>((1 << header.voi_lut->bits) - 1);
    const Lut& lut = *header.voi_lut;
    return std::pair(VoiBranch::kLut, VoiStage([&lut, top](double x) {
                       return std::min(kWhite, LookUp(lut, x) / top * kWhite);
                     }));
  }
  if (header.window_centre && header.window_width) {
    HILUM_ASSIGN_OR_RETURN(
        const Window window,
        MakeWindow(*header.window_centre, *header.window_width, header.voi_function));
    return std::pair(VoiBranch::kWindow,
                     VoiStage([window](double x) { return ApplyWindow(window, x); }));
  }
  if (options.ct_window) {
    static constexpr Window kLung{.centre = -600, .width = 1500};
    return std::pair(VoiBranch::kWindow, VoiStage([](double x) { return ApplyWindow(kLung, x); }));
  }
  const auto histogram = Histogram(table);
  const bool as_is =
      histogram.empty() || (histogram.front().first >= 0 && histogram.back().first <= kWhite);
  if (as_is) return std::pair(VoiBranch::kAsIs, VoiStage([](double x) { return x; }));
  if (options.fallback == VoiFallback::kFullRange) {
    return std::pair(VoiBranch::kFullRange, FullRange(table));
  }
  return std::pair(VoiBranch::kPercentile, Ramp(Percentile(histogram, kLowPercentile),
                                                Percentile(histogram, kHighPercentile)));
}

}  // namespace

bool IsPadding(const Header& header, int64_t stored) {
  if (!header.padding_value) return false;
  const int64_t one = *header.padding_value;
  const int64_t other = header.padding_limit.value_or(one);
  return stored >= std::min(one, other) && stored <= std::max(one, other);
}

absl::StatusOr<GreyImage> ToGrey(ByteView frame, const PixelHeader& pixels, const Header& header,
                                 const GreyOptions& options) {
  if ((pixels.bits_allocated != 8 && pixels.bits_allocated != 16) || pixels.samples != 1 ||
      pixels.is_float) {
    return Refuse(Refusal::kBits, "grey pictures are made of one sample of 8 or 16 bits a pixel");
  }
  HILUM_RETURN_IF_ERROR(CheckStages(header));
  const WordTable table = MakeTable(frame, pixels, header);
  HILUM_ASSIGN_OR_RETURN(const auto voi, ChooseVoi(table, header, options));
  GreyImage image{.rows = pixels.rows, .columns = pixels.columns, .voi = voi.first};
  const bool monochrome1 = header.photometric == "MONOCHROME1";
  const std::string& shape = header.presentation_shape;
  image.shape_overrides = monochrome1 && shape == "IDENTITY";
  image.inverted = shape == "INVERSE" || (monochrome1 && !image.shape_overrides);
  std::vector<uint8_t> grey(table.value.size());
  for (size_t word = 0; word < grey.size(); ++word) {
    if (table.padding[word]) continue;
    const double y = voi.second(table.value[word]);
    grey[word] = QuantiseHalfUp(image.inverted ? kWhite - y : y);
  }
  const size_t n = static_cast<size_t>(pixels.rows * pixels.columns);
  const size_t width = static_cast<size_t>(pixels.value_bytes());
  image.grey.resize(n);
  image.padding.resize(n);
  for (size_t i = 0; i < n; ++i) {
    const uint32_t word = WordAt(frame, i, width);
    image.grey[i] = grey[word];
    image.padding[i] = table.padding[word];
    image.padded |= table.padding[word] != 0;
  }
  return image;
}

}  // namespace hilum::dicom

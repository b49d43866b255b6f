#include "dicom/inspect.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "base/status_macros.h"
#include "dicom/file_bytes.h"
#include "dicom/film_gate.h"
#include "dicom/frames.h"
#include "dicom/grey.h"
#include "dicom/header.h"
#include "dicom/refusal.h"

namespace hilum::dicom {
namespace {

struct Statistics {
  double min = std::numeric_limits<double>::infinity();
  double max = -std::numeric_limits<double>::infinity();
  double sum = 0;
  int64_t n = 0;
  void Add(double value) {
    min = std::min(min, value);
    max = std::max(max, value);
    sum += value;
    ++n;
  }
};

uint64_t WordAt(ByteView frame, size_t at, size_t width) {
  uint64_t word = 0;
  for (size_t i = 0; i < width; ++i) word |= uint64_t{frame[at + i]} << (8 * i);
  return word;
}

// Replaces each word by its stored value at the same width, and counts it.
void Normalise(const PixelHeader& pixels, Bytes& frame, Statistics& statistics) {
  const size_t width = static_cast<size_t>(pixels.value_bytes());
  for (size_t at = 0; at + width <= frame.size(); at += width) {
    const uint64_t word = WordAt(frame, at, width);
    if (pixels.is_float) {
      statistics.Add(width == 8 ? std::bit_cast<double>(word)
                                : std::bit_cast<float>(static_cast<uint32_t>(word)));
      continue;
    }
    const int64_t value = StoredValue(static_cast<uint32_t>(word), pixels);
    statistics.Add(static_cast<double>(value));
    for (size_t i = 0; i < width; ++i) {
      frame[at + i] = static_cast<uint8_t>(static_cast<uint64_t>(value) >> (8 * i));
    }
  }
}

absl::StatusOr<Image8> MakePicture(const Bytes& frame, const PixelHeader& pixels,
                                   const Header& header) {
  Image8 picture{.width = pixels.columns, .height = pixels.rows, .channels = pixels.samples};
  if (pixels.samples == 3) {
    if (pixels.bits_allocated != 8 || header.photometric != "RGB") {
      return Refuse(Refusal::kColour, "pictures are made of grey and of 8-bit RGB images");
    }
    picture.values = frame;
    return picture;
  }
  if (header.photometric != "MONOCHROME1" && header.photometric != "MONOCHROME2") {
    return Refuse(Refusal::kColour, "pictures are made of grey and of 8-bit RGB images");
  }
  HILUM_ASSIGN_OR_RETURN(GreyImage image, ToGrey(frame, pixels, header,
                                                 {.fallback = VoiFallback::kFullRange,
                                                  .ct_window = header.modality == "CT"}));
  picture.values = std::move(image.grey);
  return picture;
}

void DescribeHeader(const SafeFile& file, const Header& header, InspectReport& report) {
  report.modality = IsModality(header.modality) ? header.modality : "";
  const bool hu =
      header.rescale_type == "HU" || (header.modality == "CT" && header.rescale_type.empty());
  report.unit = hu ? "HU" : "grey";
  report.spacing_mm = header.pixel_spacing_mm ? header.pixel_spacing_mm : header.imager_spacing_mm;
  report.warnings = file.report().warnings;
  if (!file.report().has_pixels) return;
  const PixelHeader& pixels = file.report().pixels;
  report.rows = pixels.rows;
  report.columns = pixels.columns;
  report.frames = pixels.frames;
  report.bits_stored = pixels.bits_stored;
  report.is_signed = pixels.is_signed;
}

absl::Status DescribePixels(const SafeFile& file, const Header& header,
                            const InspectOptions& options, InspectReport& report) {
  if (!file.report().has_pixels) {
    return Refuse(Refusal::kDicom, "the file has no pixel data");
  }
  const PixelHeader& pixels = file.report().pixels;
  HILUM_ASSIGN_OR_RETURN(const FrameReader frames, FrameReader::Create(file));
  Statistics statistics;
  for (int64_t i = 0; i < pixels.frames; ++i) {
    HILUM_ASSIGN_OR_RETURN(Bytes frame, frames.Read(i));
    if (i == 0 && options.picture) {
      absl::StatusOr<Image8> picture = MakePicture(frame, pixels, header);
      report.picture_status = picture.status();
      if (picture.ok()) report.picture = std::move(picture).value();
    }
    Normalise(pixels, frame, statistics);
    if (options.stored) options.stored(frame);
  }
  report.min = statistics.min;
  report.max = statistics.max;
  report.mean = statistics.sum / static_cast<double>(statistics.n);
  return absl::OkStatus();
}

absl::Status Describe(ByteView bytes, const InspectOptions& options, InspectReport& report) {
  report.transfer_syntax = PeekTransferSyntax(bytes);
  HILUM_ASSIGN_OR_RETURN(const SafeFile file, OpenFile(bytes, options.limits));
  HILUM_ASSIGN_OR_RETURN(const Header header, ParseHeader(file));
  DescribeHeader(file, header, report);
  return DescribePixels(file, header, options, report);
}

}  // namespace

InspectReport InspectBytes(ByteView file, const InspectOptions& options) {
  InspectReport report;
  report.status = Describe(file, options, report);
  return report;
}

InspectReport Inspect(const std::filesystem::path& file, const InspectOptions& options) {
  const absl::StatusOr<Bytes> bytes = ReadFileBytes(file, options.limits);
  if (bytes.ok()) return InspectBytes(*bytes, options);
  InspectReport report;
  report.status = bytes.status();
  return report;
}

}  // namespace hilum::dicom

#include "dicom/gate_pixels.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "dicom/refusal.h"

namespace hilum::dicom {
namespace {

constexpr uint32_t kSamplesPerPixel = 0x00280002;
constexpr uint32_t kPhotometric = 0x00280004;
constexpr uint32_t kPlanar = 0x00280006;
constexpr uint32_t kNumberOfFrames = 0x00280008;
constexpr uint32_t kRows = 0x00280010;
constexpr uint32_t kColumns = 0x00280011;
constexpr uint32_t kBitsAllocated = 0x00280100;
constexpr uint32_t kBitsStored = 0x00280101;
constexpr uint32_t kHighBit = 0x00280102;
constexpr uint32_t kPixelRepresentation = 0x00280103;
constexpr uint32_t kExtendedOffsets = 0x7FE00001;
constexpr uint32_t kItem = 0xFFFEE000;
constexpr uint32_t kSequenceEnd = 0xFFFEE0DD;

// PS3.3 section C.7.6.3.1.2.
constexpr std::array<absl::string_view, 10> kPhotometricTerms = {
    "MONOCHROME1",  "MONOCHROME2",     "PALETTE COLOR",   "RGB",     "YBR_FULL",
    "YBR_FULL_422", "YBR_PARTIAL_422", "YBR_PARTIAL_420", "YBR_ICT", "YBR_RCT",
};

// Reads the kept values of one scan.
class Values {
 public:
  Values(const ScanResult& scan, bool big_endian) : scan_(scan), big_endian_(big_endian) {}

  // An unsigned short. nullopt: absent, or not two bytes.
  std::optional<int64_t> Short(uint32_t tag) const {
    const auto found = scan_.root.find(tag);
    if (found == scan_.root.end() || found->second.size() != 2) return std::nullopt;
    return Load16(AsBytes(found->second), 0, big_endian_);
  }

  // "" when absent; padding removed.
  std::string Text(uint32_t tag) const {
    const auto found = scan_.root.find(tag);
    if (found == scan_.root.end()) return "";
    std::string text = found->second;
    while (!text.empty() && text.back() == '\0') text.pop_back();
    absl::StripAsciiWhitespace(&text);
    return text;
  }

 private:
  const ScanResult& scan_;
  bool big_endian_;
};

absl::Status ReadDimensions(const Values& values, const GateLimits& limits, PixelHeader& pixels) {
  pixels.rows = values.Short(kRows).value_or(0);
  pixels.columns = values.Short(kColumns).value_or(0);
  const auto fits = [&](int64_t n) { return n >= 1 && n <= limits.rows_or_columns; };
  if (!fits(pixels.rows) || !fits(pixels.columns)) {
    return Refuse(Refusal::kDimensions,
                  absl::StrCat("the image has ", pixels.rows, " rows and ", pixels.columns,
                               " columns, each must be 1 to ", limits.rows_or_columns));
  }
  const std::string frames = values.Text(kNumberOfFrames);
  pixels.frames = 1;
  if (!frames.empty() && !absl::SimpleAtoi(frames, &pixels.frames)) pixels.frames = 0;
  if (pixels.frames < 1 || pixels.frames > limits.frames) {
    return Refuse(Refusal::kDimensions,
                  absl::StrCat("NumberOfFrames is not a number from 1 to ", limits.frames));
  }
  return absl::OkStatus();
}

absl::Status BitsError(absl::string_view what, int64_t value, absl::string_view rule) {
  return Refuse(Refusal::kBits, absl::StrCat(what, " is ", value, ", must be ", rule));
}

absl::Status ReadBits(const Values& values, PixelHeader& pixels, GateReport& report) {
  const int64_t allocated = values.Short(kBitsAllocated).value_or(0);
  pixels.bits_allocated = static_cast<int>(allocated);
  if (pixels.is_float) {
    pixels.bits_stored = pixels.bits_allocated;
    pixels.high_bit = pixels.bits_allocated - 1;
    return absl::OkStatus();
  }
  if (allocated != 1 && allocated != 8 && allocated != 16 && allocated != 32) {
    return BitsError("BitsAllocated", allocated, "1, 8, 16 or 32");
  }
  const int64_t stored = values.Short(kBitsStored).value_or(0);
  if (stored < 1 || stored > allocated) {
    return BitsError("BitsStored", stored, absl::StrCat("1 to BitsAllocated, ", allocated));
  }
  const std::optional<int64_t> high_bit = values.Short(kHighBit);
  if (!high_bit) report.warnings.push_back("HighBit is absent: BitsStored - 1 is taken");
  if (high_bit.value_or(stored - 1) != stored - 1) {
    return BitsError("HighBit", *high_bit, absl::StrCat("BitsStored - 1, ", stored - 1));
  }
  pixels.bits_stored = static_cast<int>(stored);
  pixels.high_bit = static_cast<int>(stored) - 1;
  const int64_t representation = values.Short(kPixelRepresentation).value_or(0);
  if (representation > 1) return BitsError("PixelRepresentation", representation, "0 or 1");
  pixels.is_signed = representation == 1;
  return absl::OkStatus();
}

absl::Status ReadSamples(const Values& values, const Syntax& syntax, PixelHeader& pixels) {
  const int64_t samples = values.Short(kSamplesPerPixel).value_or(1);
  if (samples != 1 && samples != 3) return BitsError("SamplesPerPixel", samples, "1 or 3");
  pixels.samples = static_cast<int>(samples);
  pixels.planar = samples == 3 && values.Short(kPlanar).value_or(0) == 1;
  const std::string photometric = values.Text(kPhotometric);
  if (std::count(kPhotometricTerms.begin(), kPhotometricTerms.end(), photometric) > 0) {
    pixels.photometric = photometric;
  }
  pixels.half_chroma =
      syntax.codec == Codec::kNative && samples == 3 && pixels.photometric == "YBR_FULL_422";
  if (pixels.half_chroma && (pixels.columns % 2 != 0 || pixels.bits_allocated != 8)) {
    return Refuse(Refusal::kBits, "YBR_FULL_422 needs 8 bits and an even number of columns");
  }
  return absl::OkStatus();
}

// Bytes of all frames as native pixel data, before the padding to an even length.
uint64_t NativeSize(const PixelHeader& pixels) {
  const uint64_t samples = pixels.half_chroma ? 2 : static_cast<uint64_t>(pixels.samples);
  const uint64_t values = static_cast<uint64_t>(pixels.rows) *
                          static_cast<uint64_t>(pixels.columns) * samples *
                          static_cast<uint64_t>(pixels.frames);
  const uint64_t bits = values * static_cast<uint64_t>(pixels.bits_allocated);
  return (bits + 7) / 8;
}

absl::Status CheckFragmentCount(int64_t n, const GateLimits& limits, const PixelHeader& pixels) {
  const int64_t most = limits.extra_fragments + 10 * pixels.frames;
  if (n <= most) return absl::OkStatus();
  return Refuse(Refusal::kFragments, absl::StrCat("the pixel data has more than ", most,
                                                  " fragments for ", pixels.frames, " frames"));
}

// Little-endian numbers of `width` bytes, 4 (basic offset table, PS3.5 annex A.4) or 8 (extended
// offset table, PS3.3 section C.7.6.3.1.8). A table that has not one entry a frame is ignored.
void TakeOffsets(ByteView table, uint64_t width, GateReport& report) {
  if (table.empty()) return;
  if (table.size() != width * static_cast<uint64_t>(report.pixels.frames)) {
    report.warnings.push_back("an offset table that has not one entry a frame is ignored");
    return;
  }
  report.offsets.clear();
  for (uint64_t at = 0; at < table.size(); at += width) {
    const uint64_t high = width == 8 ? Load32(table, at + 4, false) : 0;
    report.offsets.push_back(high << 32 | Load32(table, at, false));
  }
}

}  // namespace

absl::Status DescribePixels(const ScanResult& scan, const GateLimits& limits, GateReport& report) {
  const Values values(scan, report.syntax->big_endian);
  PixelHeader& pixels = report.pixels;
  pixels.is_float = scan.pixels.tag != kPixelData;
  // With implicit VR pixel data is OW (PS3.5 annex A.1).
  pixels.words = scan.pixels.Is("OW") || !report.explicit_vr;
  HILUM_RETURN_IF_ERROR(ReadDimensions(values, limits, pixels));
  HILUM_RETURN_IF_ERROR(ReadBits(values, pixels, report));
  const int float_bits = scan.pixels.tag == kDoublePixelData ? 64 : 32;
  if (pixels.is_float && pixels.bits_allocated != float_bits) {
    return BitsError("BitsAllocated", pixels.bits_allocated, absl::StrCat(float_bits));
  }
  HILUM_RETURN_IF_ERROR(ReadSamples(values, *report.syntax, pixels));
  const uint64_t size = NativeSize(pixels);
  if (size > limits.pixel_bytes) {
    return Refuse(Refusal::kPixelSize, absl::StrCat("the pixels take ", size,
                                                    " bytes, the limit is ", limits.pixel_bytes));
  }
  return absl::OkStatus();
}

absl::Status CheckNativeLength(const ScanResult& scan, const GateLimits& limits,
                               GateReport& report) {
  const uint64_t size = NativeSize(report.pixels);
  const uint64_t length = scan.pixels.length;
  if (length == kUndefinedLength) {
    return Refuse(Refusal::kLength, "native pixel data has an undefined length");
  }
  if (length < size) {
    return Refuse(Refusal::kTruncated, absl::StrCat("the pixel data has ", length,
                                                    " bytes, rows, columns, frames and "
                                                    "bits need ",
                                                    size));
  }
  const uint64_t even = size + size % 2;
  if (length > even + limits.surplus_bytes) {
    return Refuse(Refusal::kLength,
                  absl::StrCat("the pixel data has ", length - even, " bytes more than needed, ",
                               limits.surplus_bytes, " are tolerated"));
  }
  if (length > even) {
    report.warnings.push_back(
        absl::StrCat("the pixel data has ", length - even, " surplus bytes, ignored"));
  }
  // The padding byte belongs to it: in a big-endian word it comes before the last value.
  report.native = {.offset = scan.pixels.value_at, .size_bytes = std::min(length, even)};
  return absl::OkStatus();
}

absl::Status LocateNative(const ScanResult& scan, ByteView data, const GateLimits& limits,
                          GateReport& report) {
  HILUM_RETURN_IF_ERROR(CheckNativeLength(scan, limits, report));
  const uint64_t there = data.size() - scan.pixels.value_at;
  if (scan.pixels.length > there) {
    return Refuse(Refusal::kTruncated, absl::StrCat("the pixel data announces ", scan.pixels.length,
                                                    " bytes, the file holds ", there));
  }
  return absl::OkStatus();
}

absl::Status LocateFragments(const ScanResult& scan, ByteView data, const GateLimits& limits,
                             GateReport& report) {
  if (scan.pixels.length != kUndefinedLength || report.pixels.is_float) {
    return Refuse(Refusal::kLength,
                  "the syntax is compressed, but the pixel data is not made of "
                  "fragments");
  }
  uint64_t at = scan.pixels.value_at;
  for (int64_t n = 0;; ++n) {
    // Item 0 is the basic offset table.
    HILUM_RETURN_IF_ERROR(CheckFragmentCount(n - 1, limits, report.pixels));
    HILUM_ASSIGN_OR_RETURN(const ElementHead head, ReadHead(data, at, data.size(), {}));
    if (head.tag == kSequenceEnd) break;
    if (head.tag != kItem) {
      return Refuse(Refusal::kLength, absl::StrCat("fragment ", n,
                                                   " of the pixel data does not "
                                                   "begin with an item"));
    }
    if (head.length > data.size() - head.value_at) {
      return Refuse(Refusal::kTruncated,
                    absl::StrCat("fragment ", n, " of the pixel data announces ", head.length,
                                 " bytes, the file holds ", data.size() - head.value_at));
    }
    if (n == 0) {
      TakeOffsets(data.subspan(head.value_at, head.length), 4, report);
    } else {
      report.fragments.push_back({.offset = head.value_at, .size_bytes = head.length});
    }
    at = head.value_at + head.length;
  }
  if (static_cast<int64_t>(report.fragments.size()) < report.pixels.frames) {
    return Refuse(Refusal::kFragments,
                  absl::StrCat("the pixel data has ", report.fragments.size(), " fragments for ",
                               report.pixels.frames, " frames"));
  }
  const auto extended = scan.root.find(kExtendedOffsets);
  if (extended != scan.root.end()) TakeOffsets(AsBytes(extended->second), 8, report);
  return absl::OkStatus();
}

}  // namespace hilum::dicom

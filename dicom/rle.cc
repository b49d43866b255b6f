#include <array>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "dicom/decoders.h"
#include "dicom/gate_scan.h"
#include "dicom/refusal.h"

namespace hilum::dicom {
namespace {

constexpr uint64_t kHeaderBytes = 64;
constexpr uint32_t kMaxSegments = 15;

// One byte plane of the output: byte 0, stride, 2 * stride, …
struct Plane {
  uint8_t* first = nullptr;
  uint64_t stride = 1;
  uint64_t n = 0;
};

// PackBits: 0..127 copy n + 1 bytes, 129..255 repeat one byte 257 - n times, 128 nothing.
// Stops when the plane is full; what follows is padding.
absl::Status UnpackSegment(ByteView segment, const Plane& plane) {
  uint64_t at = 0;
  uint64_t written = 0;
  while (written < plane.n) {
    if (at >= segment.size()) break;
    const uint8_t code = segment[at++];
    if (code == 128) continue;
    const bool repeat = code > 128;
    const uint64_t count = repeat ? 257u - code : code + 1u;
    const uint64_t needed = repeat ? 1 : count;
    if (needed > segment.size() - at) break;
    if (count > plane.n - written) {
      return Refuse(Refusal::kCodestream, absl::StrCat("an RLE segment holds more than the ",
                                                       plane.n, " bytes of its plane"));
    }
    uint8_t* out = plane.first + written * plane.stride;
    for (uint64_t i = 0; i < count; ++i, out += plane.stride) {
      *out = segment[at + (repeat ? 0 : i)];
    }
    at += needed;
    written += count;
  }
  if (written == plane.n) return absl::OkStatus();
  return Refuse(Refusal::kCodestream,
                absl::StrCat("an RLE segment ends after ", written, " of ", plane.n, " bytes"));
}

// The bounds of the segments, from the header of 16 little-endian numbers.
absl::StatusOr<std::array<Extent, kMaxSegments>> ReadSegments(ByteView stream, uint32_t expected) {
  if (stream.size() < kHeaderBytes) {
    return Refuse(Refusal::kCodestream, "an RLE frame is shorter than its header of 64 bytes");
  }
  const uint32_t n = Load32(stream, 0, false);
  if (n != expected) {
    return Refuse(Refusal::kCodestream, absl::StrCat("an RLE frame has ", n,
                                                     " segments, samples "
                                                     "and bits need ",
                                                     expected));
  }
  std::array<Extent, kMaxSegments> segments;
  uint64_t end = stream.size();
  for (uint32_t i = n; i-- > 0;) {
    const uint64_t offset = Load32(stream, 4 + 4 * i, false);
    if (offset < kHeaderBytes || offset > end) {
      return Refuse(Refusal::kCodestream, absl::StrCat("RLE segment ", i, " begins at byte ",
                                                       offset, ", outside 64 to ", end));
    }
    segments[i] = {.offset = offset, .size_bytes = end - offset};
    end = offset;
  }
  return segments;
}

}  // namespace

absl::StatusOr<Bytes> DecodeRle(ByteView stream, const PixelHeader& pixels) {
  const uint64_t width = static_cast<uint64_t>(pixels.value_bytes());
  const uint64_t samples = static_cast<uint64_t>(pixels.samples);
  if (pixels.bits_allocated == 1) {
    return Refuse(Refusal::kCodestream, "RLE of 1-bit pixels is not defined");
  }
  HILUM_ASSIGN_OR_RETURN(const auto segments,
                         ReadSegments(stream, static_cast<uint32_t>(width * samples)));
  Bytes out(static_cast<size_t>(pixels.frame_bytes()));
  for (uint64_t i = 0; i < width * samples; ++i) {
    const uint64_t sample = i / width;
    const uint64_t byte = width - 1 - i % width;  // most significant first
    const Plane plane{.first = out.data() + sample * width + byte,
                      .stride = width * samples,
                      .n = static_cast<uint64_t>(pixels.rows * pixels.columns)};
    HILUM_RETURN_IF_ERROR(
        UnpackSegment(stream.subspan(segments[i].offset, segments[i].size_bytes), plane));
  }
  return out;
}

}  // namespace hilum::dicom

#include "dicom/codestream.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "dicom/gate_scan.h"
#include "dicom/refusal.h"

namespace hilum::dicom {
namespace {

constexpr uint8_t kSof0 = 0xC0;
constexpr uint8_t kSof1 = 0xC1;
constexpr uint8_t kSof3 = 0xC3;
constexpr uint8_t kSof55 = 0xF7;
constexpr uint8_t kSos = 0xDA;
constexpr uint16_t kStartOfImage = 0xFFD8;
constexpr uint16_t kStartOfCodestream = 0xFF4F;
constexpr uint16_t kSiz = 0xFF51;
constexpr uint16_t kStartOfTilePart = 0xFF90;
constexpr uint16_t kEndOfCodestream = 0xFFD9;

absl::Status CutOff() {
  return Refuse(Refusal::kCodestream, "a frame's compressed stream ends inside its header");
}

// SOF markers are C0 to CF without DHT (C4), JPG (C8) and DAC (CC).
bool IsFrameHeader(uint8_t marker) {
  return marker == kSof55 ||
         (marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC);
}

absl::StatusOr<CodestreamHeader> ReadFrameHeader(ByteView stream, uint64_t at, uint8_t marker) {
  if (at + 8 > stream.size()) return CutOff();
  CodestreamHeader header;
  switch (marker) {
    case kSof0:
    case kSof1:
      header.kind = CodestreamKind::kJpegDct;
      break;
    case kSof3:
      header.kind = CodestreamKind::kJpegLossless;
      break;
    case kSof55:
      header.kind = CodestreamKind::kJpegLs;
      break;
    default:
      return Refuse(Refusal::kCodestream,
                    absl::StrCat("a frame uses JPEG process SOF", marker - kSof0,
                                 "; sequential (0, 1) and lossless (3) are read"));
  }
  header.precision = stream[at + 2];
  header.height = Load16(stream, at + 3, true);
  header.width = Load16(stream, at + 5, true);
  header.components = stream[at + 7];
  return header;
}

// Walks marker segments up to the frame header.
absl::StatusOr<CodestreamHeader> ReadJpeg(ByteView stream) {
  uint64_t at = 2;
  while (at + 4 <= stream.size()) {
    if (stream[at] != 0xFF) break;
    const uint8_t marker = stream[at + 1];
    if (marker == 0xFF) {  // fill byte
      ++at;
      continue;
    }
    if (IsFrameHeader(marker)) return ReadFrameHeader(stream, at + 2, marker);
    if (marker == kSos) break;
    const uint64_t length = Load16(stream, at + 2, true);
    if (length < 2) break;
    at += 2 + length;
  }
  return Refuse(Refusal::kCodestream, "a frame's compressed stream has no JPEG frame header");
}

absl::StatusOr<CodestreamHeader> ReadSiz(ByteView stream) {
  constexpr uint64_t kFixedBytes = 42;  // SOC, SIZ, Lsiz and all fields before the components
  if (stream.size() < kFixedBytes || Load16(stream, 2, true) != kSiz) return CutOff();
  CodestreamHeader header{.kind = CodestreamKind::kJpeg2000};
  header.width = int64_t{Load32(stream, 8, true)} - Load32(stream, 16, true);
  header.height = int64_t{Load32(stream, 12, true)} - Load32(stream, 20, true);
  header.components = Load16(stream, 40, true);
  if (stream.size() < kFixedBytes + 3 * static_cast<uint64_t>(header.components)) return CutOff();
  for (int i = 0; i < header.components; ++i) {
    const uint64_t at = kFixedBytes + 3 * static_cast<uint64_t>(i);
    if (stream[at] != stream[kFixedBytes] || stream[at + 1] != 1 || stream[at + 2] != 1) {
      return Refuse(Refusal::kCodestream,
                    "a JPEG 2000 frame has components of different depth or subsampled ones");
    }
  }
  header.precision = header.components == 0 ? 0 : (stream[kFixedBytes] & 0x7F) + 1;
  return header;
}

// Tiles along one axis: from the tiles' origin to the image's end in steps of a tile.
uint64_t TilesOf(ByteView stream, uint64_t extent_at) {
  const uint64_t end = Load32(stream, extent_at, true);
  const uint64_t size = Load32(stream, extent_at + 16, true);
  const uint64_t origin = Load32(stream, extent_at + 24, true);
  return size == 0 || end <= origin ? 0 : (end - origin + size - 1) / size;
}

// Where the first tile-part begins, behind the marker segments of the main header.
absl::StatusOr<uint64_t> FirstTilePart(ByteView stream) {
  uint64_t at = 2;
  while (at + 4 <= stream.size()) {
    if (Load16(stream, at, true) == kStartOfTilePart) return at;
    const uint64_t length = Load16(stream, at + 2, true);
    if (length < 2) break;
    at += 2 + length;
  }
  return CutOff();
}

bool KindFits(CodestreamKind kind, const Syntax& syntax) {
  switch (syntax.codec) {
    case Codec::kJpeg:
      return kind == (syntax.lossy ? CodestreamKind::kJpegDct : CodestreamKind::kJpegLossless);
    case Codec::kJpegLs:
      return kind == CodestreamKind::kJpegLs;
    case Codec::kJpeg2000:
      return kind == CodestreamKind::kJpeg2000;
    default:
      return false;
  }
}

}  // namespace

absl::StatusOr<CodestreamHeader> ReadCodestreamHeader(ByteView stream) {
  if (stream.size() < 4) return CutOff();
  const uint16_t start = Load16(stream, 0, true);
  if (start == kStartOfImage) return ReadJpeg(stream);
  if (start == kStartOfCodestream) return ReadSiz(stream);
  return Refuse(Refusal::kCodestream,
                "a frame's compressed stream begins neither as JPEG nor as JPEG 2000");
}

absl::Status CheckTiles(ByteView stream) {
  constexpr uint64_t kXsizAt = 8, kYsizAt = 12;
  constexpr uint64_t kMostTiles = 65535;  // Isot has 16 bits
  constexpr uint64_t kSotBytes = 12;
  const uint64_t across = TilesOf(stream, kXsizAt), down = TilesOf(stream, kYsizAt);
  if (across == 0 || down == 0 || across > kMostTiles || down > kMostTiles / across) {
    return Refuse(Refusal::kCodestream, absl::StrCat("a JPEG 2000 frame has ", across, " x ", down,
                                                     " tiles, the limit is ", kMostTiles));
  }
  std::vector<bool> seen(across * down);
  HILUM_ASSIGN_OR_RETURN(uint64_t at, FirstTilePart(stream));
  while (at + kSotBytes <= stream.size() && Load16(stream, at, true) == kStartOfTilePart) {
    const uint16_t tile = Load16(stream, at + 4, true);
    const uint64_t length = Load32(stream, at + 6, true);  // 0: up to the end
    if (tile >= seen.size() || (length != 0 && length < kSotBytes) || length > stream.size() - at) {
      return Refuse(Refusal::kCodestream,
                    "a tile-part of a JPEG 2000 frame is cut off or of no "
                    "tile of the frame");
    }
    seen[tile] = true;
    at = length == 0 ? stream.size() : at + length;
  }
  if (at < stream.size() &&
      (at + 2 > stream.size() || Load16(stream, at, true) != kEndOfCodestream)) {
    return Refuse(Refusal::kCodestream, "a JPEG 2000 frame does not end behind its tiles");
  }
  for (size_t tile = 0; tile < seen.size(); ++tile) {
    if (seen[tile]) continue;
    return Refuse(Refusal::kCodestream, absl::StrCat("tile ", tile, " of the ", seen.size(),
                                                     " of a JPEG 2000 frame is missing"));
  }
  return absl::OkStatus();
}

ByteView Jp2Codestream(ByteView stream) {
  constexpr uint32_t kSignatureBox = 0x6A502020;   // "jP  "
  constexpr uint32_t kCodestreamBox = 0x6A703263;  // "jp2c"
  if (stream.size() < 12 || Load32(stream, 0, true) != 12 ||
      Load32(stream, 4, true) != kSignatureBox) {
    return stream;
  }
  uint64_t at = 0;
  while (stream.size() - at >= 8) {
    const uint64_t length = Load32(stream, at, true);  // 0: up to the end; 1: 64 bits follow
    if (Load32(stream, at + 4, true) == kCodestreamBox) {
      const ByteView rest = stream.subspan(at + 8);
      return length < 8 || length - 8 > rest.size() ? rest : rest.first(length - 8);
    }
    if (length < 8 || length > stream.size() - at) break;
    at += length;
  }
  return stream;
}

absl::Status CheckCodestream(const CodestreamHeader& header, const PixelHeader& pixels,
                             const Syntax& syntax) {
  if (!KindFits(header.kind, syntax)) {
    return Refuse(Refusal::kCodestream,
                  absl::StrCat("a frame is compressed in another way than transfer syntax ",
                               syntax.uid, " says"));
  }
  if (header.width != pixels.columns || header.height != pixels.rows ||
      header.components != pixels.samples) {
    return Refuse(Refusal::kCodestream,
                  absl::StrCat("a frame's compressed stream is ", header.width, " x ",
                               header.height, " x ", header.components, ", the data set says ",
                               pixels.columns, " x ", pixels.rows, " x ", pixels.samples));
  }
  if (header.precision < 1 || header.precision > pixels.bits_allocated) {
    return Refuse(Refusal::kCodestream,
                  absl::StrCat("a frame's compressed stream has ", header.precision,
                               " bits a sample, BitsAllocated is ", pixels.bits_allocated));
  }
  return absl::OkStatus();
}

}  // namespace hilum::dicom

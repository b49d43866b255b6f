#include "dicom/png.h"

#include <zlib.h>

#include <array>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace hilum::dicom {
namespace {

constexpr int64_t kMaxSide = 16'384;
constexpr int kLevel = 6;

void AppendChunk(Bytes& out, absl::string_view type, ByteView data) {
  AppendU32(out, static_cast<uint32_t>(data.size()));
  const size_t checked_from = out.size();
  AppendText(out, type);
  AppendBytes(out, data);
  const uLong crc = crc32_z(0, out.data() + checked_from, out.size() - checked_from);
  AppendU32(out, static_cast<uint32_t>(crc));
}

// Each line begins with its filter; 1 (Sub) stores differences to the pixel before.
Bytes FilteredLines(const Image8& image) {
  const size_t line = static_cast<size_t>(image.width) * static_cast<size_t>(image.channels);
  const size_t step = static_cast<size_t>(image.channels);
  Bytes out;
  out.reserve((line + 1) * static_cast<size_t>(image.height));
  for (int64_t row = 0; row < image.height; ++row) {
    const uint8_t* const values = image.values.data() + static_cast<size_t>(row) * line;
    out.push_back(1);
    for (size_t i = 0; i < line; ++i) {
      out.push_back(static_cast<uint8_t>(values[i] - (i < step ? 0 : values[i - step])));
    }
  }
  return out;
}

}  // namespace

absl::StatusOr<Bytes> EncodePng(const Image8& image) {
  const auto fits = [](int64_t side) { return side >= 1 && side <= kMaxSide; };
  if (!fits(image.width) || !fits(image.height) || (image.channels != 1 && image.channels != 3) ||
      static_cast<int64_t>(image.values.size()) != image.width * image.height * image.channels) {
    return absl::InvalidArgumentError(
        absl::StrCat("an image of ", image.width, " x ", image.height, " x ", image.channels,
                     " with ", image.values.size(), " values cannot be a PNG file"));
  }
  const Bytes lines = FilteredLines(image);
  uLongf size = compressBound(static_cast<uLong>(lines.size()));
  Bytes compressed(size);
  if (compress2(compressed.data(), &size, lines.data(), static_cast<uLong>(lines.size()), kLevel) !=
      Z_OK) {
    return absl::ResourceExhaustedError("zlib cannot compress an image: not enough memory");
  }
  Bytes header;
  AppendU32(header, static_cast<uint32_t>(image.width));
  AppendU32(header, static_cast<uint32_t>(image.height));
  AppendU8(header, 8);                              // bits a sample
  AppendU8(header, image.channels == 3 ? 2 : 0);    // truecolour or greyscale
  for (int i = 0; i < 3; ++i) AppendU8(header, 0);  // deflate, filters, no lace
  Bytes out = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  AppendChunk(out, "IHDR", header);
  AppendChunk(out, "IDAT", ByteView(compressed).first(size));
  AppendChunk(out, "IEND", {});
  return out;
}

absl::Status WritePng(const std::filesystem::path& path, const Image8& image) {
  HILUM_ASSIGN_OR_RETURN(const Bytes bytes, EncodePng(image));
  return WriteFileDurably(path, bytes);
}

}  // namespace hilum::dicom

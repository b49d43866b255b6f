#include "tests/dicom/png_reader.h"

#include <zlib.h>

#include <cstdlib>

#include "base/check.h"
#include "dicom/gate_scan.h"

namespace hilum::dicom {
namespace {

int Paeth(int left, int up, int corner) {
  const int guess = left + up - corner;
  const int from_left = std::abs(guess - left);
  const int from_up = std::abs(guess - up);
  const int from_corner = std::abs(guess - corner);
  if (from_left <= from_up && from_left <= from_corner) return left;
  return from_up <= from_corner ? up : corner;
}

int Predict(int filter, int left, int up, int corner) {
  switch (filter) {
    case 0:
      return 0;
    case 1:
      return left;
    case 2:
      return up;
    case 3:
      return (left + up) / 2;
    default:
      return Paeth(left, up, corner);
  }
}

void Unfilter(ByteView lines, Image8& image) {
  const size_t step = static_cast<size_t>(image.channels);
  const size_t line = static_cast<size_t>(image.width) * step;
  image.values.resize(line * static_cast<size_t>(image.height));
  for (size_t row = 0; row < static_cast<size_t>(image.height); ++row) {
    uint8_t* const out = image.values.data() + row * line;
    for (size_t i = 0; i < line; ++i) {
      const int left = i < step ? 0 : out[i - step];
      const int up = row == 0 ? 0 : *(out + i - line);
      const int corner = row == 0 || i < step ? 0 : *(out + i - line - step);
      const uint8_t value = lines[row * (line + 1) + 1 + i];
      out[i] = static_cast<uint8_t>(value + Predict(lines[row * (line + 1)], left, up, corner));
    }
  }
}

}  // namespace

Image8 DecodePng(ByteView file) {
  HILUM_CHECK(file.size() > 8 && AsText(file.subspan(1, 3)) == "PNG");
  Image8 image;
  Bytes compressed;
  for (size_t at = 8; at + 12 <= file.size();) {
    const size_t length = Load32(file, at, true);
    const absl::string_view type = AsText(file.subspan(at + 4, 4));
    const ByteView data = file.subspan(at + 8, length);
    HILUM_CHECK(crc32_z(0, file.data() + at + 4, length + 4) ==
                Load32(file, at + 8 + length, true));
    if (type == "IHDR") {
      image.width = Load32(data, 0, true);
      image.height = Load32(data, 4, true);
      HILUM_CHECK(data[8] == 8 && (data[9] == 0 || data[9] == 2) && data[12] == 0);
      image.channels = data[9] == 2 ? 3 : 1;
    } else if (type == "IDAT") {
      AppendBytes(compressed, data);
    }
    at += 12 + length;
  }
  const uint64_t line = static_cast<uint64_t>(image.width) * image.channels + 1;
  Bytes lines(line * static_cast<uint64_t>(image.height));
  uLongf size = static_cast<uLongf>(lines.size());
  HILUM_CHECK(uncompress(lines.data(), &size, compressed.data(),
                         static_cast<uLong>(compressed.size())) == Z_OK);
  HILUM_CHECK(size == lines.size());
  Unfilter(lines, image);
  return image;
}

}  // namespace hilum::dicom

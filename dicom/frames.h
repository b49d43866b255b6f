// Frames of pixel data: where each lies, and its decoded values.
#ifndef HILUM_DICOM_FRAMES_H_
#define HILUM_DICOM_FRAMES_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "dicom/gate.h"

namespace hilum::dicom {

// Decodes the frames of one file. It refers to `file`, which must outlive it. Thread-safe: frames
// may be decoded at the same time.
class FrameReader {
 public:
  // FRAGMENTS: it cannot be told which fragments belong to which frame.
  static absl::StatusOr<FrameReader> Create(const SafeFile& file);

  // The stored words of frame `index` in 0 .. frames - 1: [rows, columns, samples], C order,
  // samples interleaved, little endian, native width (1-bit values take a byte each), no colour
  // conversion. Bits above BitsStored are as the file has them.
  // CODESTREAM: the stream differs from the data set or does not decode.
  absl::StatusOr<Bytes> Read(int64_t index) const;

 private:
  explicit FrameReader(const SafeFile& file) : file_(&file) {}
  absl::Status MapFragments();
  Bytes Gather(int64_t index) const;

  const SafeFile* file_;
  std::vector<size_t> first_fragment_;  // [frames + 1]: frame i has [first[i], first[i + 1])
};

// The signed or unsigned number in a stored word: `raw` shifted to BitsStored, masked, and sign
// extended when PixelRepresentation is 1. Bits above BitsStored may hold overlays or rubbish.
inline int64_t StoredValue(uint32_t raw, const PixelHeader& pixels) {
  const int shift = pixels.high_bit + 1 - pixels.bits_stored;
  const uint64_t mask = (uint64_t{1} << pixels.bits_stored) - 1;
  const uint64_t value = (uint64_t{raw} >> shift) & mask;
  const uint64_t sign = uint64_t{1} << (pixels.bits_stored - 1);
  if (!pixels.is_signed || (value & sign) == 0) return static_cast<int64_t>(value);
  return static_cast<int64_t>(value) - static_cast<int64_t>(mask) - 1;
}

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_FRAMES_H_

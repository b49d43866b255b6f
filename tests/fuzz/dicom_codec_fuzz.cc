// The RLE decoder and the readers of codestream headers on any bytes. The first four bytes choose
// rows, columns, bytes a value and samples.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "dicom/codestream.h"
#include "dicom/decoders.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  namespace dicom = hilum::dicom;
  if (size < 4) return 0;
  constexpr int kBits[] = {8, 16, 32};
  dicom::PixelHeader pixels;
  pixels.rows = bytes[0] % 64 + 1;
  pixels.columns = bytes[1] % 64 + 1;
  pixels.bits_allocated = kBits[bytes[2] % 3];
  pixels.bits_stored = pixels.bits_allocated;
  pixels.high_bit = pixels.bits_allocated - 1;
  pixels.samples = bytes[3] % 2 == 0 ? 1 : 3;
  const hilum::ByteView stream(bytes + 4, size - 4);
  const absl::StatusOr<hilum::Bytes> words = dicom::DecodeRle(stream, pixels);
  HILUM_CHECK(!words.ok() || words->size() == static_cast<size_t>(pixels.frame_bytes()));
  const hilum::ByteView inner = dicom::Jp2Codestream(stream);
  HILUM_CHECK(inner.size() <= stream.size());
  const absl::StatusOr<dicom::CodestreamHeader> header = dicom::ReadCodestreamHeader(inner);
  if (header.ok()) (void)dicom::CheckCodestream(*header, pixels, dicom::AllSyntaxes()[5]);
  return 0;
}

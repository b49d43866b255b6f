#include <charls/charls.h>

#include <memory>

#include "dicom/decoders.h"
#include "dicom/native.h"
#include "dicom/refusal.h"

namespace hilum::dicom {
namespace {

struct Destroy {
  void operator()(charls_jpegls_decoder* decoder) const { charls_jpegls_decoder_destroy(decoder); }
};

absl::Status Corrupt() {
  return Refuse(Refusal::kCodestream, "a frame's JPEG-LS stream is corrupt or cut off");
}

}  // namespace

absl::StatusOr<Bytes> DecodeJpegLs(ByteView stream, const CodestreamHeader& header,
                                   const PixelHeader& pixels) {
  if (pixels.bits_allocated != 8 && pixels.bits_allocated != 16) {
    return Refuse(Refusal::kBits, "JPEG-LS is read with BitsAllocated 8 or 16");
  }
  const std::unique_ptr<charls_jpegls_decoder, Destroy> decoder(charls_jpegls_decoder_create());
  if (decoder == nullptr) return absl::ResourceExhaustedError("CharLS cannot start: no memory");
  // CharLS reads zeros for seconds where its input ends inside a code, unless a marker ends it
  // (its pull request 434): so every stream gets an end marker of our own.
  Bytes closed(stream.begin(), stream.end());
  closed.push_back(0xFF);
  closed.push_back(0xD9);
  if (charls_jpegls_decoder_set_source_buffer(decoder.get(), closed.data(), closed.size()) !=
          charls::jpegls_errc::success ||
      charls_jpegls_decoder_read_header(decoder.get()) != charls::jpegls_errc::success) {
    return Corrupt();
  }
  charls::interleave_mode interleave = charls::interleave_mode::none;
  size_t size = 0;
  if (charls_jpegls_decoder_get_interleave_mode(decoder.get(), &interleave) !=
          charls::jpegls_errc::success ||
      charls_jpegls_decoder_get_destination_size(decoder.get(), 0, &size) !=
          charls::jpegls_errc::success) {
    return Corrupt();
  }
  const size_t width = header.precision <= 8 ? 1 : 2;
  const size_t n = static_cast<size_t>(pixels.frame_values());
  if (size != n * width) return Corrupt();  // CharLS has read another header than ours
  Bytes out(size);
  if (charls_jpegls_decoder_decode_to_buffer(decoder.get(), out.data(), out.size(), 0) !=
      charls::jpegls_errc::success) {
    return Corrupt();
  }
  if (width == 1 && pixels.bits_allocated == 16) {
    Bytes wide(n * 2, 0);
    for (size_t i = 0; i < n; ++i) wide[2 * i] = out[i];
    out = std::move(wide);
  }
  const bool planes = pixels.samples > 1 && interleave == charls::interleave_mode::none;
  return planes ? Interleave(out, pixels) : out;
}

}  // namespace hilum::dicom

#include "dicom/dcmtk_status.h"
//
#include <cstring>
#include <limits>

#include "base/status_macros.h"
#include "dcmtk/dcmjpeg/djcparam.h"
#include "dcmtk/dcmjpeg/djdijg12.h"
#include "dcmtk/dcmjpeg/djdijg16.h"
#include "dcmtk/dcmjpeg/djdijg8.h"
#include "dicom/decoders.h"

namespace hilum::dicom {
namespace {

// Counts IJG's warnings: where data is corrupt or missing it warns, invents grey and goes on.
template <class Ijg>
class Strict : public Ijg {
 public:
  explicit Strict(const DJCodecParameter& parameters) : Ijg(parameters, OFFalse) {}
  void emitMessage(int level) const override {
    if (level < 0) ++n_warnings;
  }
  mutable int n_warnings = 0;
};

// Decodes into `out`, [rows, columns, samples] of 1 or 2 bytes each.
template <class Ijg>
absl::Status DecodeWith(Bytes& stream, const PixelHeader& pixels, Bytes& out) {
  const DJCodecParameter parameters(ECC_lossyYCbCr, EDC_never, EUC_never, EPC_colorByPixel);
  Strict<Ijg> decoder(parameters);
  const absl::Status corrupt = Refuse(
      Refusal::kCodestream, "a frame's JPEG stream is corrupt, cut off, or of another process");
  if (decoder.init().bad()) return corrupt;
  const OFCondition result =
      decoder.decode(stream.data(), static_cast<Uint32>(stream.size()), out.data(),
                     static_cast<Uint32>(out.size()), pixels.is_signed ? OFTrue : OFFalse);
  // EJ_Suspension, a good condition nowhere else, asks for more data: there is none.
  return result.good() && decoder.n_warnings == 0 ? absl::OkStatus() : corrupt;
}

Bytes Widen(const Bytes& bytes, size_t width) {
  Bytes wide(bytes.size() * width, 0);
  for (size_t i = 0; i < bytes.size(); ++i) wide[i * width] = bytes[i];
  return wide;
}

}  // namespace

absl::StatusOr<Bytes> DecodeJpeg(ByteView stream, const CodestreamHeader& header,
                                 const PixelHeader& pixels) {
  if (pixels.bits_allocated != 8 && pixels.bits_allocated != 16) {
    return Refuse(Refusal::kBits, "JPEG is read with BitsAllocated 8 or 16");
  }
  if (stream.size() > std::numeric_limits<Uint32>::max() - 2) {
    return Refuse(Refusal::kCodestream, "a frame's JPEG stream is longer than 4 GiB");
  }
  return CatchDcmtk([&]() -> absl::StatusOr<Bytes> {
    // With an end marker of our own a complete image without one decodes, and an incomplete one
    // ends in a warning.
    Bytes closed(stream.begin(), stream.end());
    closed.push_back(0xFF);
    closed.push_back(0xD9);
    const size_t n = static_cast<size_t>(pixels.frame_values());
    Bytes out(n * (header.precision <= 8 ? 1 : 2));
    if (header.precision <= 8) {
      HILUM_RETURN_IF_ERROR(DecodeWith<DJDecompressIJG8Bit>(closed, pixels, out));
      return pixels.bits_allocated == 8 ? out : Widen(out, 2);
    }
    if (header.precision <= 12) {
      HILUM_RETURN_IF_ERROR(DecodeWith<DJDecompressIJG12Bit>(closed, pixels, out));
    } else {
      HILUM_RETURN_IF_ERROR(DecodeWith<DJDecompressIJG16Bit>(closed, pixels, out));
    }
    return out;
  });
}

}  // namespace hilum::dicom

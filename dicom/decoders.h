// One function a codec: a frame's compressed stream to stored words.
//
// All of them take a stream whose header has been compared with the data set, write exactly
// pixels.frame_bytes() bytes in the form of FrameReader::Read, and allocate nothing by a number
// from the stream. CODESTREAM: the stream is corrupt, cut off, or too long. Thread-safe.
#ifndef HILUM_DICOM_DECODERS_H_
#define HILUM_DICOM_DECODERS_H_

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "dicom/codestream.h"
#include "dicom/gate.h"

namespace hilum::dicom {

// RLE Lossless, PS3.5 annex G: PackBits per byte plane, most significant plane first. Our own:
// dcmdata's decoder is slow, and the packaged one reads out of bounds.
absl::StatusOr<Bytes> DecodeRle(ByteView stream, const PixelHeader& pixels);

// JPEG baseline, extended and lossless by dcmjpeg (IJG with 8, 12 or 16 bits a sample). A stream
// that IJG would only warn about (corrupt or missing data) is refused.
absl::StatusOr<Bytes> DecodeJpeg(ByteView stream, const CodestreamHeader& header,
                                 const PixelHeader& pixels);

// JPEG-LS by CharLS.
absl::StatusOr<Bytes> DecodeJpegLs(ByteView stream, const CodestreamHeader& header,
                                   const PixelHeader& pixels);

// JPEG 2000 and high-throughput JPEG 2000 by OpenJPEG in its strict mode, no colour transform
// undone beyond the codestream's own.
absl::StatusOr<Bytes> DecodeJpeg2000(ByteView stream, const CodestreamHeader& header,
                                     const PixelHeader& pixels);

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_DECODERS_H_

// Headers of compressed images: what a codestream says about itself before it is decoded.
#ifndef HILUM_DICOM_CODESTREAM_H_
#define HILUM_DICOM_CODESTREAM_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "dicom/gate.h"

namespace hilum::dicom {

enum class CodestreamKind {
  kJpegDct,       // SOF0, SOF1: baseline and extended sequential
  kJpegLossless,  // SOF3
  kJpegLs,        // SOF55
  kJpeg2000,      // SIZ
};

struct CodestreamHeader {
  CodestreamKind kind = CodestreamKind::kJpegDct;
  int64_t width = 0;
  int64_t height = 0;
  int components = 0;
  int precision = 0;  // bits a sample
};

// Reads the frame header of a JPEG or JPEG-LS stream (ITU-T T.81 B.2.2, T.87 C.2.2) or the SIZ
// segment of a JPEG 2000 codestream (T.800 A.5.1). Looks at segment headers only.
// CODESTREAM: neither, cut off, another process (progressive, arithmetic, hierarchical), or a
// JPEG 2000 image whose components differ or are subsampled.
absl::StatusOr<CodestreamHeader> ReadCodestreamHeader(ByteView stream);

// Walks the tile-parts of a JPEG 2000 codestream (T.800 A.4.2) that ReadCodestreamHeader took.
// CODESTREAM: a tile of the grid in SIZ is absent, a tile-part is cut off or is of no tile of the
// grid. A decoder leaves an absent tile black without a word.
absl::Status CheckTiles(ByteView stream);

// The codestream inside a JP2 file (T.800 annex I), which some writers store in a fragment against
// PS3.5 annex A.4.4; any other stream as it is. The result points into `stream`.
ByteView Jp2Codestream(ByteView stream);

// CODESTREAM: width, height, components or kind differ from what the data set and its transfer
// syntax say, or a sample has more bits than BitsAllocated.
absl::Status CheckCodestream(const CodestreamHeader& header, const PixelHeader& pixels,
                             const Syntax& syntax);

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_CODESTREAM_H_

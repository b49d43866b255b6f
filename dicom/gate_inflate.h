// Bounded inflation of a deflated data set (PS3.5 annex A.5, RFC 1951).
#ifndef HILUM_DICOM_GATE_INFLATE_H_
#define HILUM_DICOM_GATE_INFLATE_H_

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "dicom/gate.h"

namespace hilum::dicom {

// Inflates only what the scanner asks for: up to the pixel data element, whose announced size is
// checked there against rows, columns and frames, then exactly that size. What follows the pixel
// data is never inflated. Refusals: INFLATE (a bad stream, over inflated_bytes, or more than
// inflate_ratio times the bytes read after the first MiB), and all codes of the scan and of the
// pixel description.
absl::StatusOr<Bytes> InflateDataSet(ByteView deflated, const Syntax& syntax,
                                     const GateLimits& limits);

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_GATE_INFLATE_H_

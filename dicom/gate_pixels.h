// The part of the gate that knows pixels: their description, their size, where they lie.
#ifndef HILUM_DICOM_GATE_PIXELS_H_
#define HILUM_DICOM_GATE_PIXELS_H_

#include "absl/status/status.h"
#include "base/bytes.h"
#include "dicom/gate.h"
#include "dicom/gate_scan.h"

namespace hilum::dicom {

// Fills report.pixels from the values that the scan kept; report.syntax must be set.
// DIMENSIONS, BITS, PIXEL_SIZE.
absl::Status DescribePixels(const ScanResult& scan, const GateLimits& limits, GateReport& report);

// Compares the announced length of native pixel data with the native size, and sets
// report.native. TRUNCATED: shorter. LENGTH: longer by more than surplus_bytes, or undefined.
absl::Status CheckNativeLength(const ScanResult& scan, const GateLimits& limits,
                               GateReport& report);

// CheckNativeLength, and that the bytes are in `data`. Also TRUNCATED.
absl::Status LocateNative(const ScanResult& scan, ByteView data, const GateLimits& limits,
                          GateReport& report);

// Finds the fragments and the offset table of encapsulated pixel data (PS3.5 annex A.4).
// FRAGMENTS: fewer than frames or too many. LENGTH, TRUNCATED.
absl::Status LocateFragments(const ScanResult& scan, ByteView data, const GateLimits& limits,
                             GateReport& report);

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_GATE_PIXELS_H_

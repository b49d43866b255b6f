// The safety gate: an iterative, bounded scan of a file's bytes before any DICOM library runs.
//
// No recursion, no allocation by an announced size, no DCMTK. Every file passes through it,
// `hilum dicom inspect` included. Encodings: DICOM PS3.5 sections 7 and A, PS3.10 section 7.
#ifndef HILUM_DICOM_GATE_H_
#define HILUM_DICOM_GATE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "dicom/syntax.h"

namespace hilum::dicom {

// Real files stay far below each of these; tests/dicom/gate_test.cc holds one file beyond each.
struct GateLimits {
  uint64_t file_bytes = uint64_t{2} << 30;
  int nesting = 32;  // sequences in sequences; real files: 5 to 10
  int64_t elements = 200'000;
  uint64_t value_bytes = uint64_t{64} << 20;  // one value outside pixel data
  int64_t rows_or_columns = 16'384;
  int64_t frames = 10'000;
  uint64_t pixel_bytes = uint64_t{1} << 30;  // native size of all frames
  uint64_t surplus_bytes = 4 << 10;          // after the native size, ignored
  int64_t extra_fragments = 4'096;           // fragments <= this + 10 * frames
  uint64_t inflated_bytes = uint64_t{2} << 30;
  uint64_t inflate_ratio = 100;  // after the first MiB of output
};

// What the pixel description (PS3.3 C.7.6.3) says, checked against the limits.
struct PixelHeader {
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t frames = 1;
  int samples = 1;         // 1 or 3
  int bits_allocated = 0;  // 1, 8, 16, 32, or 64 for Double Float Pixel Data
  int bits_stored = 0;     // 1 .. bits_allocated
  int high_bit = 0;        // bits_stored - 1
  bool is_signed = false;
  bool is_float = false;     // Float or Double Float Pixel Data
  bool planar = false;       // samples plane by plane
  bool words = false;        // native pixels are 16-bit words (OW): big endian swaps bytes
  bool half_chroma = false;  // native YBR_FULL_422: two samples a pixel are stored
  std::string photometric;   // a term of PS3.3 C.7.6.3.1.2, or "" when it is another text

  // Values of one decoded frame, and its bytes at native width (1-bit values take a byte each).
  int64_t frame_values() const { return rows * columns * samples; }
  int64_t value_bytes() const { return bits_allocated == 1 ? 1 : bits_allocated / 8; }
  int64_t frame_bytes() const { return frame_values() * value_bytes(); }
};

// A range of bytes of the data set.
struct Extent {
  uint64_t offset = 0;
  uint64_t size_bytes = 0;
};

// What the scan found. Offsets count in `data_set` of SafeFile, never in the original file.
struct GateReport {
  const Syntax* syntax = nullptr;  // an entry of the table in syntax.h; lives for ever
  bool explicit_vr = true;         // how the data set is written, see OpenFile
  bool has_pixels = false;
  PixelHeader pixels;                 // valid when has_pixels
  uint64_t header_bytes = 0;          // the data set up to the pixel data element, or all of it
  Extent native;                      // native pixel data, its size padded to even
  std::vector<Extent> fragments;      // encapsulated pixel data without the offset table
  std::vector<uint64_t> offsets;      // basic or extended offset table, in bytes; empty: none
  std::vector<std::string> warnings;  // surplus bytes, absent HighBit, …
  int64_t n_elements = 0;
  int deepest_nesting = 0;
};

// A file that passed the gate. It refers to `file`, which must outlive it, except for a deflated
// data set, which it owns. Only OpenFile makes one.
class SafeFile {
 public:
  ByteView data_set() const { return inflated_.empty() ? stored_ : ByteView(inflated_); }
  const GateReport& report() const { return report_; }

 private:
  friend absl::StatusOr<SafeFile> OpenFile(ByteView, const GateLimits&);
  SafeFile() = default;
  ByteView stored_;
  Bytes inflated_;
  GateReport report_;
};

// Scans `file`, a whole DICOM file (PS3.10). Refusals, each with its code: NO_PREAMBLE,
// FILE_SIZE, TRANSFER_SYNTAX, INFLATE, NESTING, ELEMENTS, VALUE_SIZE, LENGTH, DIMENSIONS, BITS,
// PIXEL_SIZE, TRUNCATED, FRAGMENTS, DICOM (a VR that does not exist, an attribute twice). Takes
// time linear in the bytes it must look at (values are skipped) and, for a deflated file only,
// memory up to `inflated_bytes`. Thread-safe.
//
// Some writers announce explicit VR and write implicit VR: where the first element has no VR that
// exists, the whole data set is read as implicit VR, with a warning.
absl::StatusOr<SafeFile> OpenFile(ByteView file, const GateLimits& limits = {});

// OpenFile for callers that want the verdict only.
absl::StatusOr<GateReport> CheckFile(ByteView file, const GateLimits& limits = {});

// NO_PREAMBLE: the first bytes of a file, at least 132 where it has them, are not those of a DICOM
// file. A file that is none is then not read to its end.
absl::Status CheckPreamble(ByteView head);
inline constexpr uint64_t kFileHeadBytes = 132;

// The transfer syntax UID of the file meta information, also of a file that OpenFile refuses.
// "": there is none, or it is not of the form 1.2.840.10008.<digits and dots>.
std::string PeekTransferSyntax(ByteView file);

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_GATE_H_

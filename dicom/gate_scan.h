// The scanner of the safety gate: walks the elements of a data set with an explicit stack.
#ifndef HILUM_DICOM_GATE_SCAN_H_
#define HILUM_DICOM_GATE_SCAN_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "dicom/gate.h"

namespace hilum::dicom {

inline constexpr uint32_t kUndefinedLength = 0xFFFFFFFF;
inline constexpr uint32_t kPixelData = 0x7FE00010;
inline constexpr uint32_t kFloatPixelData = 0x7FE00008;
inline constexpr uint32_t kDoublePixelData = 0x7FE00009;

// How elements are written (PS3.5 section 7.1).
struct Encoding {
  bool explicit_vr = true;
  bool big_endian = false;
};

uint16_t Load16(ByteView bytes, uint64_t at, bool big_endian);
uint32_t Load32(ByteView bytes, uint64_t at, bool big_endian);

struct ElementHead {
  uint32_t tag = 0;       // group << 16 | element
  char vr[2] = {0, 0};    // zeros with implicit VR and for items
  uint32_t length = 0;    // kUndefinedLength: up to a delimiter
  uint64_t value_at = 0;  // offset of the value
  bool Is(const char* name) const { return vr[0] == name[0] && vr[1] == name[1]; }
};

enum class ScanEnd {
  kEndOfData,  // no pixel data
  kPixels,     // stopped at a pixel data element of the root
  kNeedMore,   // `data` ended inside an element, and more of it is to come
};

struct ScanResult {
  ScanEnd end = ScanEnd::kEndOfData;
  uint64_t header_bytes = 0;             // up to the pixel data element, or all
  ElementHead pixels;                    // with kPixels
  std::map<uint32_t, std::string> root;  // values of the pixel description, as stored
  int64_t n_elements = 0;
  int deepest_nesting = 0;
};

// Reads one element's head at `at`, which must lie below `end` <= data.size(). LENGTH: the head
// does not fit. DICOM: a VR that the standard does not know.
absl::StatusOr<ElementHead> ReadHead(ByteView data, uint64_t at, uint64_t end,
                                     const Encoding& encoding);

// Whether two bytes are a value representation of PS3.5 table 6.2-1.
bool IsVr(const char* vr);

// Walks `data` up to the pixel data of the root or to its end. `complete`: there is no more.
// Refusals: NESTING, ELEMENTS, VALUE_SIZE, LENGTH, DICOM.
absl::StatusOr<ScanResult> Scan(ByteView data, bool complete, const Encoding& encoding,
                                const GateLimits& limits);

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_GATE_SCAN_H_

// Steps 5 to 10: stored words to 8-bit grey as MONOCHROME2, padding black.
#ifndef HILUM_DICOM_GREY_H_
#define HILUM_DICOM_GREY_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "dicom/gate.h"
#include "dicom/header.h"
#include "dicom/profile.h"
#include "dicom/volume.h"

namespace hilum::dicom {

// A film in grey. Only the size, the bytes and the choices that the header forced.
struct GreyImage {
  int64_t rows = 0;
  int64_t columns = 0;
  std::vector<uint8_t> grey{};     // [rows, columns]
  std::vector<uint8_t> padding{};  // [rows, columns], 1 = padding
  VoiBranch voi = VoiBranch::kAsIs;
  bool inverted = false;
  bool shape_overrides = false;
  bool padded = false;
};

// Whether a stored value is padding: a range, either way round, both ends included (PS3.3 section
// C.7.5.1.1.2).
bool IsPadding(const Header& header, int64_t stored);

struct GreyOptions {
  VoiFallback fallback = VoiFallback::kPercentile;
  bool ct_window = false;  // without a window: centre -600, width 1500 (CT pictures for people)
};

// `frame` is [rows, columns] stored words of 8 or 16 bits, one sample (FrameReader::Read).
//
// Everything here is a function of the stored word, so it is worked out once for each of the 2^8
// or 2^16 words, in double, and applied by table. The VOI stage takes the first that fits: VOI LUT
// 0, first window, as is (all values that are not padding lie in 0 … 255), the fallback. Then
// y -> 255 - y at most once, padding to 0, rounding half up.
//
// RESCALE: slope zero, or slope or intercept not a number. VOI: window or LUT does not conform.
// PRESENTATION_LUT: the file has a Presentation LUT Sequence. BITS: not 8 or 16 bits.
absl::StatusOr<GreyImage> ToGrey(ByteView frame, const PixelHeader& pixels, const Header& header,
                                 const GreyOptions& options);

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_GREY_H_

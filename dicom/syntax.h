// The transfer syntaxes that we read (PS3.5 annex A), and the decoder of each.
#ifndef HILUM_DICOM_SYNTAX_H_
#define HILUM_DICOM_SYNTAX_H_

#include <span>

#include "absl/strings/string_view.h"

namespace hilum::dicom {

enum class Codec { kNative, kRle, kJpeg, kJpegLs, kJpeg2000 };

struct Syntax {
  absl::string_view uid;
  absl::string_view name;  // short: "jpeg-lossless-sv1"; names the rows of the benches
  Codec codec = Codec::kNative;
  bool explicit_vr = true;
  bool big_endian = false;
  bool deflated = false;
  bool lossy = false;
};

// All of them, in the order of docs/dicom.md.
std::span<const Syntax> AllSyntaxes();

// nullptr: not read (spectral selection, full progression, MPEG, JPEG XL, …).
const Syntax* FindSyntax(absl::string_view uid);

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_SYNTAX_H_

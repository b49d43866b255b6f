// A synthetic chest-like film in each transfer syntax, compressed by DCMTK and CharLS.
#ifndef HILUM_BENCH_DICOM_ENCODE_H_
#define HILUM_BENCH_DICOM_ENCODE_H_

#include "base/bytes.h"
#include "dicom/syntax.h"

namespace hilum::bench {

inline constexpr int kRows = 2500;
inline constexpr int kColumns = 2048;

// A whole DICOM file: rows x columns, 12 bits stored (8 for baseline JPEG, which has no more),
// smooth shapes with noise of a few grey levels. Empty: DCMTK cannot write that syntax.
Bytes EncodeFilm(const dicom::Syntax& syntax);

}  // namespace hilum::bench

#endif  // HILUM_BENCH_DICOM_ENCODE_H_

// Reads 8-bit grey and RGB PNG files, all five filters, no interlace: enough for expected images.
#ifndef HILUM_TESTS_DICOM_PNG_READER_H_
#define HILUM_TESTS_DICOM_PNG_READER_H_

#include "base/bytes.h"
#include "dicom/png.h"

namespace hilum::dicom {

// CHECKs that the file is of that kind and that each chunk's CRC is right.
Image8 DecodePng(ByteView file);

}  // namespace hilum::dicom

#endif  // HILUM_TESTS_DICOM_PNG_READER_H_

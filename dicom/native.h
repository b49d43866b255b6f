// Native pixel data: big endian, packed bits, planes and half chroma made uniform.
#ifndef HILUM_DICOM_NATIVE_H_
#define HILUM_DICOM_NATIVE_H_

#include "base/bytes.h"
#include "dicom/gate.h"

namespace hilum::dicom {

// Frame `index` of `native`, which holds all frames exactly (the gate has checked that), in the
// form of FrameReader::Read. PS3.5 section 8.1 and annex D.
Bytes ReadNativeFrame(ByteView native, const PixelHeader& pixels, bool big_endian, int64_t index);

// Turns [samples, rows, columns] into [rows, columns, samples].
Bytes Interleave(ByteView planes, const PixelHeader& pixels);

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_NATIVE_H_

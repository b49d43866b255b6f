// The safety gate on any bytes, and DCMTK's parser on what passes it.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "dicom/frames.h"
#include "dicom/gate.h"
#include "dicom/header.h"

namespace {

using hilum::ByteView;
namespace dicom = hilum::dicom;

// Small enough that one input takes little time, large enough for every check.
constexpr dicom::GateLimits kLimits = {
    .value_bytes = 1 << 20, .pixel_bytes = 1 << 20, .inflated_bytes = 4 << 20};

bool Inside(const dicom::Extent& extent, ByteView data) {
  return extent.offset <= data.size() && extent.size_bytes <= data.size() - extent.offset;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  const absl::StatusOr<dicom::SafeFile> file = dicom::OpenFile(ByteView(bytes, size), kLimits);
  if (!file.ok()) return 0;
  const dicom::GateReport& report = file->report();
  HILUM_CHECK(report.header_bytes <= file->data_set().size());
  HILUM_CHECK(report.deepest_nesting <= kLimits.nesting);
  HILUM_CHECK(Inside(report.native, file->data_set()));
  for (const dicom::Extent& fragment : report.fragments) {
    HILUM_CHECK(Inside(fragment, file->data_set()));
  }
  (void)dicom::ParseHeader(*file);
  if (!report.has_pixels) return 0;
  HILUM_CHECK(report.pixels.bits_stored <= report.pixels.bits_allocated);
  const absl::StatusOr<dicom::FrameReader> frames = dicom::FrameReader::Create(*file);
  if (!frames.ok() || report.syntax->codec != dicom::Codec::kNative) return 0;
  const absl::StatusOr<hilum::Bytes> last = frames->Read(report.pixels.frames - 1);
  HILUM_CHECK(last.ok());
  HILUM_CHECK(last->size() == static_cast<size_t>(report.pixels.frame_bytes()));
  return 0;
}

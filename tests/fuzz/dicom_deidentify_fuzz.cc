// De-identification of any bytes: what it writes passes the gate again and holds no private tag.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "dicom/deidentify.h"
#include "dicom/gate.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  namespace dicom = hilum::dicom;
  const dicom::SiteKeys keys = {
      .pseudonym = [](absl::string_view, absl::string_view) { return "p"; },
      .uid = [](absl::string_view) { return "2.25.1"; },
      .days = [](absl::string_view) { return 7; }};
  dicom::ReadOptions options{.reviewed_for_text = true};
  options.limits = {.value_bytes = 1 << 20, .pixel_bytes = 1 << 20, .inflated_bytes = 4 << 20};
  const absl::StatusOr<dicom::DeidentifiedFile> file =
      dicom::Deidentify(hilum::ByteView(bytes, size), keys, options);
  if (!file.ok()) return 0;
  HILUM_CHECK(dicom::OpenFile(file->bytes).ok());
  const absl::StatusOr<dicom::DeidentifiedFile> again =
      dicom::Deidentify(file->bytes, keys, options);
  HILUM_CHECK(again.ok());
  HILUM_CHECK(again->report.n_private == 0);
  return 0;
}

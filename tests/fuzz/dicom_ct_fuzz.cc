// CT headers, classic and enhanced, and the geometry that they lead to.
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/check.h"
#include "dicom/ct.h"
#include "dicom/refusal.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  namespace dicom = hilum::dicom;
  dicom::ReadOptions options{.reviewed_for_text = true};
  options.limits = {.value_bytes = 1 << 20, .pixel_bytes = 1 << 18, .inflated_bytes = 1 << 20};
  absl::StatusOr<dicom::CtFile> file = dicom::ReadCtFile(hilum::ByteView(bytes, size), options);
  if (!file.ok()) return 0;
  std::vector<dicom::CtFile> files;
  files.push_back(*std::move(file));
  const dicom::Pseudonym nobody = [](absl::string_view, absl::string_view) { return "p"; };
  const dicom::CtSet set =
      dicom::AssembleCt(std::move(files), nobody, {.allow_gaps = true, .thickness_limit_mm = 1e9});
  for (const absl::StatusOr<dicom::CtVolume>& volume : set.volumes) {
    if (!volume.ok()) {
      HILUM_CHECK(!dicom::CodeOf(volume.status()).empty());
      continue;
    }
    const auto& shape = volume->shape();
    HILUM_CHECK(shape[0] >= 2);
    HILUM_CHECK(volume->values().size() == static_cast<size_t>(shape[0] * shape[1] * shape[2]));
    HILUM_CHECK(volume->geometry().spacing_mm > 0);
  }
  return 0;
}

// DICOM JSON from a server.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "dicom/dicom_json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto sets = hilum::dicom::ParseDicomJson(text);
  if (sets.ok()) {
    for (const auto& set : *sets) {
      for (const auto& [tag, values] : set) HILUM_CHECK(!values.empty());
      (void)hilum::dicom::FirstOf(set, "0020000E");
    }
  }
  (void)hilum::dicom::ParseStoreAnswer(text);
  return 0;
}

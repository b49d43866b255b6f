// labels.csv is written by people and spreadsheets.
#include <cstdint>

#include "client/labels.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto labels = hilum::client::Labels::Parse(text);
  if (labels.ok()) labels->Find("films/a.dcm", true);
  return 0;
}

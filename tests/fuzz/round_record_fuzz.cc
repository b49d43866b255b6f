// A round record from an export folder. What is accepted encodes to the same bytes.
#include "aggregator/record.h"
#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hilum;
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto record = aggregator::ParseRoundRecord(text);
  if (!record.ok()) return 0;
  const auto again = aggregator::EncodeRoundRecord(*record);
  HILUM_CHECK(again.ok() && *again == text);
  return 0;
}

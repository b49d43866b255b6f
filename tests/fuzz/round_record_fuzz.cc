// A round record from an export folder. What is accepted encodes to the same bytes.
#include "base/check.h"
#include "ledger_anchor/round_record.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hilum;
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const auto record = ledger_anchor::ParseRoundRecord(text);
  if (!record.ok()) return 0;
  const auto again = ledger_anchor::EncodeRoundRecord(*record);
  HILUM_CHECK(again.ok() && *again == text);
  return 0;
}

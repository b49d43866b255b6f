// Entries from members and from other people's logs: what parses is written back byte for byte, and
// a state that took the genesis refuses or takes it without harm.
#include <cstdint>

#include "absl/strings/string_view.h"
#include "base/check.h"
#include "ledger_anchor/admit.h"
#include "ledger_anchor/tiles.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hilum;
  using namespace hilum::ledger_anchor;
  const absl::string_view text = AsText(ByteView(data, size));
  const absl::StatusOr<Entry> entry = ParseEntry(text);
  if (!entry.ok()) return 0;
  HILUM_CHECK(text.size() <= kEntryLimitBytes);
  const absl::StatusOr<std::string> again = EncodeEntry(*entry);
  HILUM_CHECK(again.ok() && *again == text);
  Admission state{LedgerPins{}};
  const absl::StatusOr<Entry> admitted = state.Admit(text, Trust::kReplay);
  HILUM_CHECK(state.size() == (admitted.ok() ? 1u : 0u));
  return 0;
}

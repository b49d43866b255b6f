// Entries as JSON objects, without signatures' meaning. For entry.cc only.
#ifndef HILUM_LEDGER_ANCHOR_ENTRY_JSON_H_
#define HILUM_LEDGER_ANCHOR_ENTRY_JSON_H_

#include "absl/status/statusor.h"
#include "ledger_anchor/entry.h"
#include "nlohmann/json.hpp"

namespace hilum::ledger_anchor {

// The whole object, `sig` and `member_sig` included; callers remove what a message leaves out.
nlohmann::json EntryToJson(const Entry& entry);

// InvalidArgument: an unknown type or field, a missing field, a wrong JSON type.
absl::StatusOr<Entry> EntryFromJson(const nlohmann::json& object);

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_ENTRY_JSON_H_

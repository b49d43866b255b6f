// Lists of hashes in the JSON files of consent. For consent_*.cc only.
#ifndef HILUM_LEDGER_ANCHOR_CONSENT_JSON_H_
#define HILUM_LEDGER_ANCHOR_CONSENT_JSON_H_

#include "absl/strings/string_view.h"
#include "ledger_anchor/merkle.h"
#include "nlohmann/json.hpp"
#include "proto/json_fields.h"

namespace hilum::ledger_anchor {

inline nlohmann::json HashesToJson(HashSpan hashes) {
  nlohmann::json list = nlohmann::json::array();
  for (const Digest& hash : hashes) list.push_back(ToHex(hash));
  return list;
}

// A path: at most 63 hashes, as in a tlog-proof.
inline HashList ReadHashes(proto::JsonFields& fields, absl::string_view key) {
  HashList hashes;
  for (const std::string& text : fields.Texts(key, 63)) {
    const absl::StatusOr<Digest> hash = DigestFromHex(text);
    if (!hash.ok()) {
      fields.Fail(key, "holds something that is not a hash");
      return {};
    }
    hashes.push_back(*hash);
  }
  return hashes;
}

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_CONSENT_JSON_H_

// What every verb of hilum-ledger starts with: the flags, and a log that was verified.
#ifndef HILUM_CLI_LEDGER_SOURCE_H_
#define HILUM_CLI_LEDGER_SOURCE_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ledger_anchor/fetch.h"
#include "ledger_anchor/reader.h"

namespace hilum::cli {

struct LedgerFlags {
  std::string from;       // --from: a folder or a URL
  std::string vkey;       // --vkey: the log's verifier key; "": trust on first use
  std::string policy;     // --policy: a tlog-policy file that must be met; "": none
  std::string entry_key;  // --entry-key: the aggregator's, base64; "": what the genesis says
  std::string study;      // --study: needed only where the log holds several
  bool json = false;
};

struct LedgerSource {
  ledger_anchor::LedgerPlace place;
  ledger_anchor::LogView view;
  std::vector<std::string> cosigners;  // members whose witnesses cosigned the checkpoint
};

// Locates, reads and verifies the log. InvalidArgument, NotFound: the flags. DataLoss: the log does
// not verify. PermissionDenied: the policy of --policy is not met. Unavailable: the URL cannot be
// reached.
absl::StatusOr<LedgerSource> OpenLedger(
    const LedgerFlags& flags,
    ledger_anchor::VerifyDepth depth = ledger_anchor::VerifyDepth::kEverything);

// "pinned" or "trust on first use: …": every answer says whom it believes.
std::string TrustOf(const ledger_anchor::LogView& view);

// The genesis entry of a verified log.
const ledger_anchor::Genesis& GenesisOf(const ledger_anchor::LogView& view);

// The entry as it stands, with its `index` and `leaf` in front.
nlohmann::ordered_json EntryJson(const ledger_anchor::ViewEntry& entry);

// origin, size, root, log_vkey, entry_key, trust and cosigned_by: the head of every JSON answer.
nlohmann::ordered_json LedgerJson(const LedgerSource& source);

}  // namespace hilum::cli

#endif  // HILUM_CLI_LEDGER_SOURCE_H_

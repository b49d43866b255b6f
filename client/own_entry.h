// Entries that a site logs because its people, or its own checks, ask for it: evaluations and
// incidents (ledger.md, section 3.6).
#ifndef HILUM_CLIENT_OWN_ENTRY_H_
#define HILUM_CLIENT_OWN_ENTRY_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "client/consent_book.h"
#include "client/site_folder.h"
#include "client/state.h"
#include "crypto/sign.h"
#include "ledger_anchor/entry.h"

namespace hilum::client {

struct OwnEntry {
  std::string study;  // empty: it concerns the whole federation
  ledger_anchor::EntryBody body;
};

struct EntrySigner {
  const std::string& site;
  const std::string& origin;  // of the ledger
  const crypto::SigningKey& key;
  int64_t now_s = 0;
};

// Signs and logs; returns the index that the verified proof gives. The signed bytes are on disk
// before they are sent and what says the same again sends the same bytes, so it stands in the
// ledger once. Bytes that never came there and are refused now, because a day has passed or the key
// was rotated, are signed again. InvalidArgument: a field breaks its rule. Others: as `log`.
absl::StatusOr<uint64_t> LogOwnEntry(State& state, const OwnEntry& own, const EntrySigner& signer,
                                     const LogEntry& log);

// The same over the network, with the key and the pinned ledger of a folder; the agent may run
// beside it. Errors: as SubmitProven (submit_entry.h).
absl::StatusOr<uint64_t> SendOwnEntry(const SiteFolder& folder, const SiteOptions& options,
                                      State& state, const OwnEntry& own, int64_t now_s);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_OWN_ENTRY_H_

// Follows a log from outside and believes none of it: every new checkpoint must be signed, meet the
// policy and extend what was seen before (docs/ledger.md, section 10).
#ifndef HILUM_LEDGER_ANCHOR_MONITOR_H_
#define HILUM_LEDGER_ANCHOR_MONITOR_H_

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ledger_anchor/fetch.h"
#include "ledger_anchor/gate.h"
#include "ledger_anchor/policy.h"
#include "ledger_anchor/reader.h"

namespace hilum::ledger_anchor {

// What a person has pinned. A policy pins the log's key too, and must name the same as `vkey`.
struct MonitorOptions {
  std::string vkey;              // the log's verifier key; "": of the policy, the folder or, once,
                                 // the genesis entry
  std::optional<Policy> policy;  // absent: signature and consistency only
  std::filesystem::path folder;  // what is remembered, and evidence; "": nothing is
  uint64_t max_age_s = 3600;     // of the quorum's cosignatures
};

struct MonitorNews {
  uint64_t old_size = 0;               // of the checkpoint seen before; 0: none
  std::vector<std::string> witnesses;  // of the policy, whose cosignatures hold
  bool first_use = false;              // nothing pinned the log's key
};

// Not thread-safe.
class Monitor {
 public:
  // The folder holds `log.vkey`, the key that was believed first, and `checkpoint`, the note that
  // was accepted last. InvalidArgument: the policy does not name one log, or pins contradict.
  // DataLoss: what the folder remembers is damaged. Unavailable: the file system.
  static absl::StatusOr<Monitor> Open(Fetch fetch, const MonitorOptions& options);

  // Looks once. Absent: the checkpoint is the one seen before, or has other cosignatures only.
  // A new one is in the folder, durable, when this returns.
  // DataLoss: something does not verify. When the log's own signature stands under two checkpoints
  // that contradict each other, or under a smaller one than before, both notes are kept in the
  // folder (`fork-*.txt`), and the payload kForkPayload holds them. PermissionDenied: the policy is
  // not met; what was seen before stays. Unavailable: the other side.
  absl::StatusOr<std::optional<MonitorNews>> Look(uint64_t now_s);

  // The log as it was verified last; of no entries before the first Look that succeeds.
  const LogView& view() const { return view_; }

 private:
  Monitor(Fetch fetch, MonitorOptions options)
      : fetch_(std::move(fetch)), options_(std::move(options)) {}
  absl::Status Pin(const VerifierKey& key);
  absl::Status Verify(const std::string& note);
  absl::Status VerifyAll(const std::string& note);
  absl::Status Remember(const std::string& note);
  absl::Status CheckAgainstLast(const std::string& note) const;
  absl::Status Contradiction(absl::string_view why, const std::string& note) const;

  Fetch fetch_;
  MonitorOptions options_;
  std::optional<VerifierKey> key_;
  std::optional<AcceptedCheckpoint> last_;
  bool first_use_ = false;
  LogView view_;
};

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_MONITOR_H_

// What a member checks before it believes an entry (ledger.md, section 6, steps 1 to 7). No I/O:
// the client folder brings bytes, clock and the last accepted state, and stores the new one.
#ifndef HILUM_LEDGER_ANCHOR_GATE_H_
#define HILUM_LEDGER_ANCHOR_GATE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ledger_anchor/chain.h"
#include "ledger_anchor/entry.h"
#include "ledger_anchor/merkle.h"
#include "ledger_anchor/policy.h"

namespace hilum::ledger_anchor {

// What the member pinned when it joined; a server never changes any of it.
struct GatePins {
  Policy policy;
  crypto::PublicKey entry_key;  // the aggregator's
  uint64_t faults = 0;          // witnesses that may be dishonest: 2q - n must exceed it
  uint64_t max_cosignature_age_s = 3600;
};

// The checkpoint that the member accepted last.
struct AcceptedCheckpoint {
  uint64_t size = 0;
  Digest root{};
  std::string note;
};

// What the proof must be about.
struct GateExpectation {
  std::string type;  // "round-open", "round-close", "model-release", …
  std::string study;
  std::optional<uint64_t> round;
  std::optional<crypto::PublicKey> signer{};  // absent: the aggregator
};

struct GateInput {
  absl::string_view proof;                 // the .tlog-proof text
  HashSpan consistency;                    // from the last accepted checkpoint; empty if none
  std::optional<AcceptedCheckpoint> last;  // absent: nothing accepted yet
  uint64_t now_s = 0;
  GateExpectation expected;
};

// An entry that passed. Only CheckProof makes one.
class ProvenEntry {
 public:
  const Entry& entry() const { return entry_; }
  const EntryPlace& place() const { return place_; }
  // What to store, durably, before the entry is acted upon.
  const AcceptedCheckpoint& accepted() const { return accepted_; }
  const std::vector<std::string>& witnesses() const { return witnesses_; }
  bool quorum_none() const { return quorum_none_; }

 private:
  friend absl::StatusOr<ProvenEntry> CheckProof(const GatePins& pins, const GateInput& input);
  ProvenEntry() = default;
  Entry entry_;
  EntryPlace place_;
  AcceptedCheckpoint accepted_;
  std::vector<std::string> witnesses_;
  bool quorum_none_ = false;
};

// In the order of ledger.md: limits and form, origin and log signature, cosignatures and quorum,
// freshness, inclusion, no rollback, the entry itself.
// DataLoss (exit 3): a proof, signature, hash or expectation fails; when the new checkpoint and the
// last accepted one contradict each other, the payload kForkPayload holds both notes.
// PermissionDenied (exit 4): quorum, age or faults.
absl::StatusOr<ProvenEntry> CheckProof(const GatePins& pins, const GateInput& input);

// Payload of the DataLoss status of a fork or rollback: the last accepted note, an empty line, the
// new note. Evidence that anyone can check.
inline constexpr absl::string_view kForkPayload = "hilum/fork-evidence";

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_GATE_H_

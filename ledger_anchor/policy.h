// Whom a site believes: the tlog-policy file and its evaluation (C2SP tlog-policy; ledger.md 2.8).
#ifndef HILUM_LEDGER_ANCHOR_POLICY_H_
#define HILUM_LEDGER_ANCHOR_POLICY_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ledger_anchor/checkpoint.h"
#include "ledger_anchor/note.h"

namespace hilum::ledger_anchor {

inline constexpr size_t kPolicyLimitBytes = 64 << 10;

struct PolicyLog {
  VerifierKey key;
  std::string url;
};

// A witness (a leaf: no members) or a group, which is satisfied when `threshold` members are.
struct PolicyMember {
  std::string name;
  std::optional<VerifierKey> key;  // of a witness
  std::string url;
  uint64_t threshold = 0;       // of a group
  std::vector<size_t> members;  // of a group: indices into Policy::members, all smaller
};

struct Policy {
  std::vector<PolicyLog> logs;
  std::vector<PolicyMember> members;
  std::optional<size_t> quorum;  // index into `members`; absent: `quorum none`
};

// InvalidArgument: any rule of ledger.md 2.8 broken; the sentence names the line.
absl::StatusOr<Policy> ParsePolicy(absl::string_view text);

// The policy of a federation without witnesses: this log and `quorum none`.
std::string MakePolicyWithoutWitnesses(const VerifierKey& log);

// The smallest quorum of `n` witnesses of which two always share an honest one although `faults`
// are dishonest: floor((n + faults) / 2) + 1 (ledger.md 5.1). Above n: there is none.
uint64_t SmallestQuorum(uint64_t n, uint64_t faults);
// A flat policy: `quorum` of the witnesses must have cosigned. Each is named after its site, the
// last part of its key's name. InvalidArgument: no witness, quorum 0 or above their number.
absl::StatusOr<std::string> MakePolicy(const VerifierKey& log,
                                       const std::vector<VerifierKey>& witnesses, uint64_t quorum);

struct QuorumOptions {
  uint64_t now_s = 0;
  uint64_t max_age_s = 3600;   // a cosignature older than this does not count
  uint64_t max_ahead_s = 300;  // nor one from further in the future
};

struct PolicyResult {
  OpenedCheckpoint opened;
  std::vector<std::string> witnesses;  // names whose cosignatures verified and are fresh
  bool quorum_none = false;            // no witness was asked for: every report says so
};

// Opens the checkpoint under the policy: origin and log signature, each cosignature of a known
// witness, quorum and freshness.
// DataLoss: malformed, unknown origin, the log's or a known witness's signature fails or comes
// twice. PermissionDenied: the quorum does not hold, or holds only with stale cosignatures.
absl::StatusOr<PolicyResult> CheckPolicy(const Policy& policy, absl::string_view note,
                                         const QuorumOptions& options);

// q of n witnesses. Of a policy with a quorum. PermissionDenied: it nests groups, which nobody here
// vouches for.
struct FlatQuorum {
  uint64_t n = 1, q = 1;
};
absl::StatusOr<FlatQuorum> FlatQuorumOf(const Policy& policy);
// How many of its witnesses may be dishonest, so that two quorums still share an honest one:
// 2q - n - 1 (ledger.md 5.1), which may be more than was asked of SmallestQuorum. 0 where two
// quorums need not share any.
uint64_t FaultsCovered(const FlatQuorum& flat);

// Whether two quorums always share an honest witness: 2q - n > faults (ledger.md 5.1).
// OK for `quorum none`. PermissionDenied: it fails, or the quorum nests groups, which nobody here
// vouches for.
absl::Status CheckFaults(const Policy& policy, uint64_t faults);

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_POLICY_H_

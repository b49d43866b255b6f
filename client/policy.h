// `hilum site policy`: whose cosignatures this site asks for, by its operator's word. A policy
// never changes because a server says so (docs/ledger.md).
#ifndef HILUM_CLIENT_POLICY_H_
#define HILUM_CLIENT_POLICY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/site_folder.h"

namespace hilum::client {

inline constexpr size_t kPolicyFileLimitBytes = 64 << 10;

struct PolicyWitness {
  std::string name;         // of its key
  std::string member;       // whose witness it is by its name; empty: no member's
  uint64_t join_index = 0;  // of the member's `join` entry, which names the key; 0: not looked up
};

struct PolicyReport {
  std::vector<PolicyWitness> witnesses;
  uint64_t quorum = 0;       // how many must cosign; 0: `quorum none`
  uint64_t faults = 0;       // how many may be dishonest
  uint64_t may_be_away = 0;  // how many may be missing
};

// What a flat policy asks for, from its text alone. PermissionDenied: its quorum nests groups.
absl::StatusOr<PolicyReport> DescribePolicy(absl::string_view policy);

// Checks `policy` and pins it in place of the one before. The server is asked for the proof of each
// member's `join`, which must verify under the policy pinned so far.
// FailedPrecondition: the agent runs. InvalidArgument: not a policy of the pinned log.
// PermissionDenied: the quorum does not cover the dishonest witnesses of site.toml, or `quorum
// none` would take the place of a quorum. DataLoss: a proof does not verify, or names another key.
absl::StatusOr<PolicyReport> PinPolicy(const SiteFolder& folder, const SiteOptions& options,
                                       absl::string_view policy, int64_t now_s);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_POLICY_H_

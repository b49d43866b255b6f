// Who belongs to the federation: invitations, joining, certificates, leaving.
#ifndef HILUM_AGGREGATOR_MEMBERSHIP_H_
#define HILUM_AGGREGATOR_MEMBERSHIP_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "aggregator/federation.h"
#include "base/bytes.h"
#include "base/ids.h"
#include "crypto/sign.h"

namespace hilum::aggregator {

struct Invitation {
  std::string token;        // base64url of the join token (proto/join_token.h)
  Digest ca_fingerprint{};  // SHA-256 of the CA certificate, DER: read it to the hospital by phone
  int64_t expires_s = 0;
};

inline constexpr int64_t kMinInvitationS = 60;
inline constexpr int64_t kMaxInvitationS = 90 * 86'400;

// Makes a one-time invitation. Only the hash of its secret is kept. Needs no lock on the log.
// InvalidArgument: the site's name, or ttl_s outside 1 minute to 90 days. AlreadyExists: a member
// has the name.
absl::StatusOr<Invitation> Invite(const FederationIdentity& identity, State& state,
                                  const SiteId& site, int64_t now_s, int64_t ttl_s);

// What a new site sends (Join of proto/hilum/v1/join.proto).
struct JoinFields {
  std::string member;
  Bytes secret;
  std::string certificate_request;
  Bytes entry_key;
  Bytes member_signature;
  int64_t joined_at_s = 0;
  std::string witness_vkey;   // empty: the site has no witness
  std::string age_recipient;  // empty: no sealed copies of models are for it
};
struct JoinAnswer {
  std::string certificate;  // PEM
  std::string genesis_proof;
  std::string join_proof;
};

// Spends the invitation, issues the certificate, logs the `join` entry. A repeated call with the
// same keys and time, as after a lost answer, gets the same answer again.
// PermissionDenied: the invitation is unknown, used, expired or another's. InvalidArgument: a field
// has a wrong length, the clock of the site differs by more than a day. DataLoss: the request or
// the member's signature does not verify. ResourceExhausted: the disk is full.
absl::StatusOr<JoinAnswer> Join(Federation& federation, const JoinFields& fields, int64_t now_s);

// A caller whose certificate is the one that the CA issued to an active member.
struct Caller {
  std::string name;
  std::string role;  // site, lead
};
// PermissionDenied: not issued here, expired, replaced, or the member was removed.
absl::StatusOr<Caller> Authenticate(Federation& federation, absl::string_view certificate_pem,
                                    int64_t now_s);

// Logs joins that are stored but, after a crash or on a full disk, not logged. Idempotent.
absl::Status FinishJoins(Federation& federation);

// Logs the leaves that `hilum server remove` asked for and refuses their certificates from now on.
// Returns the sites that have left. Idempotent.
absl::StatusOr<std::vector<SiteId>> FinishRemovals(Federation& federation, int64_t now_s);

// A tlog-policy that names the witnesses of all members, with the smallest quorum that covers
// `faults` dishonest ones.
struct WitnessPolicy {
  std::string text;
  uint64_t n_witnesses = 0;
  uint64_t quorum = 0;
  uint64_t faults = 0;  // that the quorum covers: those asked for, or one more
};
// FailedPrecondition: the members have too few witnesses. DataLoss: a stored join is damaged.
absl::StatusOr<WitnessPolicy> MakeWitnessPolicy(const FederationIdentity& identity, State& state,
                                                uint64_t faults);

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_MEMBERSHIP_H_

// What an invitation says: given to a hospital by hand, so the pins in it do not depend on what a
// server answers.
#ifndef HILUM_PROTO_JOIN_TOKEN_H_
#define HILUM_PROTO_JOIN_TOKEN_H_

#include <array>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace hilum::proto {

inline constexpr uint64_t kJoinTokenLimitBytes = 16 << 10;

// The subject alternative name of every federation's server certificate. Clients ask for this name
// whatever address they dial: only the federation's own CA is trusted, and it certifies one server.
inline constexpr char kServerName[] = "aggregator.hilum.internal";

struct JoinToken {
  std::string member;                // CheckName; the name to join as
  std::string role;                  // "site"
  std::array<uint8_t, 32> secret{};  // works once
  std::string ca;                    // the CA certificate, DER, base64 (crypto/base64.h)
  int64_t expires_s = 0;             // seconds since 1970 UTC
  std::string aggregator;            // member name of the server: `by` of the join entry
  std::string entry_key;             // the server's entry key, base64
  std::string origin;                // of the ledger
  std::string log_vkey;
  friend bool operator==(const JoinToken&, const JoinToken&) = default;
};

// Canonical JSON {aggregator, ca, entry_key, expires, log_vkey, origin, role, secret (hex), site,
// v (1)}. What people copy is crypto::Base64UrlEncode of these bytes.
// InvalidArgument: a name or text that breaks the rules of canonical JSON.
//
// Both sides build the same `join` entry from it (ledger.md 3.3) before the request is sent: by =
// aggregator, key = KeyDigest(entry_key), t = JoinRequest.joined_at_s, no study, and the body
// {member, role, entry_key of the member, witness_vkey if it has one, member_sig}, without cert.
absl::StatusOr<std::string> EncodeJoinToken(const JoinToken& token);

// InvalidArgument: longer than 16 KiB, not canonical, an unknown or missing field, a role that is
// not "site".
absl::StatusOr<JoinToken> ParseJoinToken(absl::string_view json);

}  // namespace hilum::proto

#endif  // HILUM_PROTO_JOIN_TOKEN_H_

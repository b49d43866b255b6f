// What the flights fix one after the other, the same for every site, the server and an auditor.
#ifndef HILUM_PRIVACY_SECAGG_FACTS_H_
#define HILUM_PRIVACY_SECAGG_FACTS_H_

#include <map>
#include <optional>

#include "privacy/secagg/context.h"
#include "privacy/secagg/graph.h"
#include "privacy/secagg/r0_messages.h"
#include "privacy/transcript.h"

namespace hilum::privacy::secagg {

// After R0.1: keys, B. After R0.2: the graph over U1, H(U1). After R1.2: U2, H(U2).
struct Facts {
  ContextPtr context;
  std::map<uint16_t, KeyAdvertisement> keys;
  Digest list_hash{};
  std::optional<Graph> graph;
  Digest u1_hash{};
  Indices u2;
  Digest u2_hash{};

  Indices NeighboursInU2(uint16_t member) const;
};

// Each takes the next fact, or fails with DataLoss and one sentence: whoever trusts a list has
// verified every signature in it under the pinned roster.
//
// `list` is signed by the server and each advertisement by its member; all public keys differ; at
// least max(Q, u_min) members.
absl::StatusOr<Facts> AcceptKeyList(ContextPtr context, const KeyList& list);
// The same members; each reveal is signed on this B and opens its commitment; the graph holds the
// bounds.
absl::Status AcceptU1(const U1& u1, Facts& facts);
// Signed by the server; within U1; at least max(Q, u_min) members.
absl::Status AcceptU2(const Indices& members, const crypto::Signature& server_signature,
                      Facts& facts);
// T for these facts: digests, every member's signature on its root, U3 within U2, max(Q, u_min)
// members, enough of every run of the ring (graph.h), D of the configuration. The server's
// signature is the caller's to check: an auditor has the ledger instead.
absl::Status CheckTranscript(const Facts& facts, const Transcript& transcript);

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_FACTS_H_

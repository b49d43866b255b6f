// Flight R0: fresh keys under commitments, then the graph's seed (docs/secure_aggregation.md,
// section 5). These are the messages' bodies, byte for byte; context.h frames them.
//
// Each Decode: InvalidArgument for what is too short, too long, out of order or above its limit.
#ifndef HILUM_PRIVACY_SECAGG_R0_MESSAGES_H_
#define HILUM_PRIVACY_SECAGG_R0_MESSAGES_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "crypto/key_agreement.h"
#include "crypto/sign.h"
#include "privacy/secagg/context.h"
#include "privacy/secagg/graph.h"

namespace hilum::privacy::secagg {

// R0.1 up.
struct KeyAdvertisement {
  crypto::AgreementKey mask_key;     // s_i^PK
  crypto::AgreementKey channel_key;  // c_i^PK
  Digest graph_commit{};
  Digest b_commit{};
  crypto::Signature signature;  // Sign(r0-key, AdvertisementFields)
  friend bool operator==(const KeyAdvertisement&, const KeyAdvertisement&) = default;
};
Bytes AdvertisementFields(const KeyAdvertisement& advertisement);  // 128 bytes
Bytes Encode(const KeyAdvertisement& advertisement);               // 192 bytes
absl::StatusOr<KeyAdvertisement> DecodeKeyAdvertisement(ByteView body);

// R0.1 down.
struct KeyListEntry {
  uint16_t index = 0;
  KeyAdvertisement advertisement;
  friend bool operator==(const KeyListEntry&, const KeyListEntry&) = default;
};
struct KeyList {
  std::vector<KeyListEntry> entries;
  crypto::Signature server_signature;  // Sign(r0-list, B)
  friend bool operator==(const KeyList&, const KeyList&) = default;
};
Digest HashKeyList(const std::vector<KeyListEntry>& entries);  // B = Hash(r0-list, list)
Bytes Encode(const KeyList& list);
absl::StatusOr<KeyList> DecodeKeyList(ByteView body);

// R0.2 up.
struct GraphReveal {
  Digest list_hash{};  // B
  std::array<uint8_t, 32> r{};
  crypto::Signature signature;  // Sign(r0-reveal, RevealFields)
  friend bool operator==(const GraphReveal&, const GraphReveal&) = default;
};
Bytes RevealFields(const Digest& list_hash, const std::array<uint8_t, 32>& r);  // 64 bytes
Bytes Encode(const GraphReveal& reveal);                                        // 128 bytes
absl::StatusOr<GraphReveal> DecodeGraphReveal(ByteView body);

// R0.2 down.
struct U1Entry {
  uint16_t index = 0;
  std::array<uint8_t, 32> r{};
  crypto::Signature signature;
  friend bool operator==(const U1Entry&, const U1Entry&) = default;
};
struct U1 {
  std::vector<U1Entry> entries;
  GraphParameters graph;
  crypto::Signature server_signature;  // Sign(u1, H(U1))
  friend bool operator==(const U1&, const U1&) = default;
};
// Hash(graph, B || list (i, r_i) || ledger_head).
Digest GraphSeed(const Digest& list_hash, const std::vector<U1Entry>& entries,
                 const Digest& ledger_head);
Digest HashU1(const Digest& graph_seed, const GraphParameters& graph);  // H(U1)
Bytes Encode(const U1& u1);
absl::StatusOr<U1> DecodeU1(ByteView body);

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_R0_MESSAGES_H_

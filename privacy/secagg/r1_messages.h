// Flight R1: shares of both secrets under commitments, acknowledgements with complaints, and the
// set U2 (docs/secure_aggregation.md, section 5).
//
// Each Decode: InvalidArgument for what is too short, too long, out of order or above its limit.
#ifndef HILUM_PRIVACY_SECAGG_R1_MESSAGES_H_
#define HILUM_PRIVACY_SECAGG_R1_MESSAGES_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "crypto/group.h"
#include "crypto/secret.h"
#include "crypto/sign.h"
#include "privacy/secagg/context.h"
#include "privacy/secagg/graph.h"

namespace hilum::privacy::secagg {

inline constexpr size_t kSharePlainBytes = 68;  // i u16, j u16, a_ij 32, b_ij 32
using ShareCiphertext = std::array<uint8_t, kSharePlainBytes + 16>;

// The Feldman points of one member: [t] of a_i and [t] of b_i; both empty with share_proof 0. Each
// list is u32 count, then 32 bytes a point by degree.
struct ShareCommitments {
  std::vector<crypto::Point> a, b;
  friend bool operator==(const ShareCommitments&, const ShareCommitments&) = default;
};
// How many points a list has: 0 or t. Follows from the configuration and H(U1), never from a peer.
size_t PointsPerList(const Context& context, const Graph& graph);

struct SealedShare {
  uint16_t index = 0;  // of the receiver
  ShareCiphertext ciphertext{};
  friend bool operator==(const SealedShare&, const SealedShare&) = default;
};
struct ShareDigest {
  uint16_t index = 0;  // of the receiver
  Digest digest{};     // SHA-256 of the ciphertext
  friend bool operator==(const ShareDigest&, const ShareDigest&) = default;
};

// R1.1 up.
struct ShareBundle {
  ShareCommitments commitments;
  std::vector<SealedShare> shares;
  crypto::Signature signature;  // Sign(r1-share, BundleFields)
  friend bool operator==(const ShareBundle&, const ShareBundle&) = default;
};
std::vector<ShareDigest> DigestsOf(const std::vector<SealedShare>& shares);
// points || list (j, SHA-256(ciphertext)).
Bytes BundleFields(const ShareCommitments& commitments, const std::vector<ShareDigest>& digests);
Bytes Encode(const ShareBundle& bundle);
absl::StatusOr<ShareBundle> DecodeShareBundle(ByteView body, size_t points_per_list);

// R1.1 down, for one receiver: what each of its neighbours sent to it.
struct DeliveredShare {
  uint16_t index = 0;  // of the sender
  ShareCommitments commitments;
  std::vector<ShareDigest> digests;  // of all the sender's ciphertexts
  ShareCiphertext ciphertext{};      // for this receiver
  crypto::Signature signature;
  friend bool operator==(const DeliveredShare&, const DeliveredShare&) = default;
};
struct ShareDelivery {
  std::vector<DeliveredShare> shares;
  friend bool operator==(const ShareDelivery&, const ShareDelivery&) = default;
};
Bytes Encode(const ShareDelivery& delivery);
absl::StatusOr<ShareDelivery> DecodeShareDelivery(ByteView body, size_t points_per_list);

// R1.2 up.
enum class ComplaintKind : uint8_t {
  kDoesNotOpen = 1,  // cannot be decided: both are left out
  kBadShare = 2,     // the revealed key opens the signed ciphertext, and what it holds is false
};
struct Complaint {
  uint16_t index = 0;  // of the accused
  ComplaintKind kind = ComplaintKind::kDoesNotOpen;
  std::array<uint8_t, 32> channel_key{};  // K_(i->j) for kBadShare, else zero
  friend bool operator==(const Complaint&, const Complaint&) = default;
};
struct ShareAck {
  Indices accepted;
  std::vector<Complaint> complaints;
  crypto::Signature signature;  // Sign(r1-ack, AckFields)
  friend bool operator==(const ShareAck&, const ShareAck&) = default;
};
Bytes AckFields(const ShareAck& ack);
Bytes Encode(const ShareAck& ack);
// InvalidArgument also for an unknown kind, or a key beside kDoesNotOpen.
absl::StatusOr<ShareAck> DecodeShareAck(ByteView body);

// R1.2 down.
struct U2 {
  Indices members;
  crypto::Signature server_signature;  // Sign(u2, H(U2))
  friend bool operator==(const U2&, const U2&) = default;
};
Digest HashU2(const Digest& u1_hash, const Indices& members);  // H(U2) = Hash(u2, H(U1) || list)
Bytes Encode(const U2& u2);
absl::StatusOr<U2> DecodeU2(ByteView body);

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_R1_MESSAGES_H_

#include "privacy/secagg/r1_messages.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "crypto/labels.h"

namespace hilum::privacy::secagg {
namespace {

constexpr ListName kBundle{.what = "the share bundle"};
constexpr ListName kDigests{.what = "a sender's digest list"};
constexpr ListName kDelivery{.what = "the share delivery"};
constexpr ListName kAccepted{.what = "the share acknowledgement"};
constexpr ListName kComplaints{.what = "the list of complaints"};
constexpr ListName kU2{.what = "the list U2"};

void AppendPoints(Bytes& out, const std::vector<crypto::Point>& points) {
  AppendU32(out, static_cast<uint32_t>(points.size()));
  for (const crypto::Point& point : points) AppendBytes(out, point.bytes);
}

void AppendCommitments(Bytes& out, const ShareCommitments& commitments) {
  AppendPoints(out, commitments.a);
  AppendPoints(out, commitments.b);
}

absl::Status ReadPoints(Reader& in, size_t n_points, std::vector<crypto::Point>& points) {
  const uint32_t count = in.U32();
  if (count != n_points && !in.ended_early()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a list of ", count, " commitments was sent, the round has ", n_points));
  }
  for (size_t k = 0; k < n_points && !in.ended_early(); ++k) {
    points.push_back({.bytes = in.Array<32>()});
  }
  return absl::OkStatus();
}

absl::Status ReadCommitments(Reader& in, size_t n_points, ShareCommitments& commitments) {
  HILUM_RETURN_IF_ERROR(ReadPoints(in, n_points, commitments.a));
  return ReadPoints(in, n_points, commitments.b);
}

void AppendDigests(Bytes& out, const std::vector<ShareDigest>& digests) {
  AppendU32(out, static_cast<uint32_t>(digests.size()));
  for (const ShareDigest& digest : digests) {
    AppendU16(out, digest.index);
    AppendBytes(out, digest.digest);
  }
}

ShareDigest ReadDigest(Reader& in) {
  ShareDigest digest{.index = in.U16(), .digest = {}};
  digest.digest = in.Array<32>();
  return digest;
}

SealedShare ReadSealedShare(Reader& in) {
  SealedShare share{.index = in.U16(), .ciphertext = {}};
  share.ciphertext = in.Array<kSharePlainBytes + 16>();
  return share;
}

}  // namespace

size_t PointsPerList(const Context& context, const Graph& graph) {
  return context.config().share_proof == ShareProof::kFeldman ? graph.threshold() : 0;
}

std::vector<ShareDigest> DigestsOf(const std::vector<SealedShare>& shares) {
  std::vector<ShareDigest> digests;
  for (const SealedShare& share : shares) {
    digests.push_back({.index = share.index, .digest = crypto::Sha256(ByteView(share.ciphertext))});
  }
  return digests;
}

Bytes BundleFields(const ShareCommitments& commitments, const std::vector<ShareDigest>& digests) {
  Bytes out;
  AppendCommitments(out, commitments);
  AppendDigests(out, digests);
  return out;
}

Bytes Encode(const ShareBundle& bundle) {
  Bytes out;
  AppendCommitments(out, bundle.commitments);
  AppendU32(out, static_cast<uint32_t>(bundle.shares.size()));
  for (const SealedShare& share : bundle.shares) {
    AppendU16(out, share.index);
    AppendBytes(out, share.ciphertext);
  }
  AppendBytes(out, bundle.signature.bytes);
  return out;
}

absl::StatusOr<ShareBundle> DecodeShareBundle(ByteView body, size_t points_per_list) {
  Reader in(body);
  ShareBundle bundle;
  HILUM_RETURN_IF_ERROR(ReadCommitments(in, points_per_list, bundle.commitments));
  HILUM_RETURN_IF_ERROR(ReadList(in, kBundle, bundle.shares, ReadSealedShare));
  bundle.signature.bytes = in.Array<64>();
  HILUM_RETURN_IF_ERROR(in.Finish(kBundle.what));
  return bundle;
}

Bytes Encode(const ShareDelivery& delivery) {
  Bytes out;
  AppendU32(out, static_cast<uint32_t>(delivery.shares.size()));
  for (const DeliveredShare& share : delivery.shares) {
    AppendU16(out, share.index);
    AppendCommitments(out, share.commitments);
    AppendDigests(out, share.digests);
    AppendBytes(out, share.ciphertext);
    AppendBytes(out, share.signature.bytes);
  }
  return out;
}

absl::StatusOr<ShareDelivery> DecodeShareDelivery(ByteView body, size_t points_per_list) {
  Reader in(body);
  ShareDelivery delivery;
  absl::Status inner;
  HILUM_RETURN_IF_ERROR(ReadList(in, kDelivery, delivery.shares, [&](Reader& reader) {
    DeliveredShare share;
    share.index = reader.U16();
    inner.Update(ReadCommitments(reader, points_per_list, share.commitments));
    inner.Update(ReadList(reader, kDigests, share.digests, ReadDigest));
    if (!inner.ok()) (void)reader.View(reader.n_left() + 1);  // nothing more is read
    share.ciphertext = reader.Array<kSharePlainBytes + 16>();
    share.signature.bytes = reader.Array<64>();
    return share;
  }));
  HILUM_RETURN_IF_ERROR(inner);
  HILUM_RETURN_IF_ERROR(in.Finish(kDelivery.what));
  return delivery;
}

Bytes AckFields(const ShareAck& ack) {
  Bytes out;
  AppendIndices(out, ack.accepted);
  AppendU32(out, static_cast<uint32_t>(ack.complaints.size()));
  for (const Complaint& complaint : ack.complaints) {
    AppendU16(out, complaint.index);
    AppendU8(out, static_cast<uint8_t>(complaint.kind));
    AppendBytes(out, complaint.channel_key);
  }
  return out;
}

Bytes Encode(const ShareAck& ack) {
  Bytes out = AckFields(ack);
  AppendBytes(out, ack.signature.bytes);
  return out;
}

absl::StatusOr<ShareAck> DecodeShareAck(ByteView body) {
  Reader in(body);
  ShareAck ack;
  HILUM_RETURN_IF_ERROR(ReadIndices(in, kAccepted, ack.accepted));
  HILUM_RETURN_IF_ERROR(ReadList(in, kComplaints, ack.complaints, [](Reader& reader) {
    Complaint complaint;
    complaint.index = reader.U16();
    complaint.kind = static_cast<ComplaintKind>(reader.U8());
    complaint.channel_key = reader.Array<32>();
    return complaint;
  }));
  ack.signature.bytes = in.Array<64>();
  HILUM_RETURN_IF_ERROR(in.Finish(kAccepted.what));
  for (const Complaint& complaint : ack.complaints) {
    if (complaint.kind == ComplaintKind::kBadShare) continue;
    if (complaint.kind != ComplaintKind::kDoesNotOpen) {
      return absl::InvalidArgumentError(absl::StrCat(
          "a complaint is of kind ", static_cast<int>(complaint.kind), ", there are 1 and 2"));
    }
    if (complaint.channel_key != std::array<uint8_t, 32>{}) {
      return absl::InvalidArgumentError("a complaint of kind 1 reveals a key");
    }
  }
  return ack;
}

Digest HashU2(const Digest& u1_hash, const Indices& members) {
  Bytes message(u1_hash.begin(), u1_hash.end());
  AppendIndices(message, members);
  return crypto::LabelledHash(crypto::kLabelU2, message);
}

Bytes Encode(const U2& u2) {
  Bytes out;
  AppendIndices(out, u2.members);
  AppendBytes(out, u2.server_signature.bytes);
  return out;
}

absl::StatusOr<U2> DecodeU2(ByteView body) {
  Reader in(body);
  U2 u2;
  HILUM_RETURN_IF_ERROR(ReadIndices(in, kU2, u2.members));
  u2.server_signature.bytes = in.Array<64>();
  HILUM_RETURN_IF_ERROR(in.Finish(kU2.what));
  return u2;
}

}  // namespace hilum::privacy::secagg

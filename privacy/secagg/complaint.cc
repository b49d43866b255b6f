#include "privacy/secagg/complaint.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/labels.h"
#include "privacy/reader.h"
#include "privacy/secagg/sealed_share.h"

namespace hilum::privacy::secagg {
namespace {

constexpr char kWhat[] = "the list of upheld complaints";

template <class... Parts>
absl::Status Invalid(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

void AppendSized(Bytes& out, ByteView bytes) {
  AppendU32(out, static_cast<uint32_t>(bytes.size()));
  AppendBytes(out, bytes);
}

// Whoever replays takes every fault for a contradiction.
absl::Status False(const UpheldComplaint& complaint, absl::string_view why) {
  return absl::DataLossError(absl::StrCat("the complaint of member ", complaint.accuser,
                                          " about member ", complaint.accused, ": ", why));
}

absl::Status CheckSignatures(const Facts& facts, const UpheldComplaint& complaint) {
  const Context& context = *facts.context;
  const ShareBundle& bundle = complaint.bundle;
  HILUM_RETURN_IF_ERROR(context.Verify(crypto::kLabelR1Share, complaint.accused,
                                       BundleFields(bundle.commitments, DigestsOf(bundle.shares)),
                                       bundle.signature, "a share bundle"));
  return context.Verify(crypto::kLabelR1Ack, complaint.accuser, AckFields(complaint.ack),
                        complaint.ack.signature, "a share acknowledgement");
}

// The complaint about the accused in the accuser's acknowledgement, or null.
const Complaint* FindComplaint(const UpheldComplaint& upheld) {
  const auto& all = upheld.ack.complaints;
  const auto found = std::find_if(all.begin(), all.end(), [&upheld](const Complaint& one) {
    return one.index == upheld.accused && one.kind == ComplaintKind::kBadShare;
  });
  return found == all.end() ? nullptr : &*found;
}

}  // namespace

const SealedShare* FindShare(const ShareBundle& bundle, uint16_t receiver) {
  const auto found =
      std::find_if(bundle.shares.begin(), bundle.shares.end(),
                   [receiver](const SealedShare& share) { return share.index == receiver; });
  return found == bundle.shares.end() ? nullptr : &*found;
}

absl::Status JudgeBadShare(const Facts& facts, uint16_t accuser, const Complaint& complaint,
                           const ShareBundle& bundle) {
  const SealedShare* share = FindShare(bundle, accuser);
  if (share == nullptr) {
    return Invalid("member ", complaint.index, " has no share for member ", accuser);
  }
  const SecretKey key = SecretKey::CopyOf(complaint.channel_key);
  const auto opened = OpenShare(facts, {.sender = complaint.index, .receiver = accuser}, key,
                                share->ciphertext, bundle.commitments);
  if (absl::IsInvalidArgument(opened.status())) return absl::OkStatus();  // upheld
  return Invalid(
      "the complaint of member ", accuser, " about member ", complaint.index,
      opened.ok() ? " is false: the share is good" : " shows a key that does not open the share");
}

Bytes EncodeComplaints(const std::vector<UpheldComplaint>& complaints) {
  Bytes out;
  for (const UpheldComplaint& complaint : complaints) {
    AppendU16(out, complaint.accused);
    AppendU16(out, complaint.accuser);
    AppendSized(out, Encode(complaint.bundle));
    AppendSized(out, Encode(complaint.ack));
  }
  return out;
}

absl::StatusOr<std::vector<UpheldComplaint>> DecodeComplaints(ByteView bytes,
                                                              size_t points_per_list) {
  Reader in(bytes);
  std::vector<UpheldComplaint> complaints;
  while (in.n_left() > 0) {
    UpheldComplaint complaint;
    complaint.accused = in.U16();
    complaint.accuser = in.U16();
    const ByteView bundle = in.View(in.U32());
    const ByteView ack = in.View(in.U32());
    if (in.ended_early()) return Invalid(kWhat, " ends too early");
    if (!complaints.empty() && complaint.accused <= complaints.back().accused) {
      return Invalid(kWhat, " is not in ascending order");
    }
    HILUM_ASSIGN_OR_RETURN(complaint.bundle, DecodeShareBundle(bundle, points_per_list));
    HILUM_ASSIGN_OR_RETURN(complaint.ack, DecodeShareAck(ack));
    complaints.push_back(std::move(complaint));
  }
  HILUM_RETURN_IF_ERROR(in.Finish(kWhat));
  return complaints;
}

absl::Status CheckUpheld(const Facts& facts, const UpheldComplaint& complaint) {
  const Indices& members = facts.graph->members();
  if (!Holds(members, complaint.accused) || !Holds(members, complaint.accuser)) {
    return False(complaint, "one of them is not of U1");
  }
  Indices holders = facts.graph->HoldersOf(complaint.accused);
  std::erase(holders, complaint.accused);
  Indices receivers;
  for (const SealedShare& share : complaint.bundle.shares) receivers.push_back(share.index);
  if (receivers != holders) return False(complaint, "the bundle is not for the accused's holders");
  const absl::Status signatures = CheckSignatures(facts, complaint);
  if (!signatures.ok()) return False(complaint, signatures.message());
  const Complaint* found = FindComplaint(complaint);
  if (found == nullptr) return False(complaint, "the acknowledgement does not hold it");
  const absl::Status judged = JudgeBadShare(facts, complaint.accuser, *found, complaint.bundle);
  if (!judged.ok()) return False(complaint, judged.message());
  if (Holds(facts.u2, complaint.accused)) {
    return False(complaint, "it is true, and U2 has the accused all the same");
  }
  return absl::OkStatus();
}

}  // namespace hilum::privacy::secagg

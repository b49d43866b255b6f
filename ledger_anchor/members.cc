#include "ledger_anchor/members.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "ledger_anchor/note.h"

namespace hilum::ledger_anchor {
namespace {

absl::Status Refused(absl::string_view why) { return absl::DataLossError(why); }

// Who speaks in an entry that a member signs for itself; null: another type.
const std::string* SpeakerOf(const EntryBody& body) {
  if (const auto* batch = std::get_if<ConsentBatch>(&body)) return &batch->site;
  if (const auto* manifest = std::get_if<TrainManifest>(&body)) return &manifest->site;
  if (const auto* evaluation = std::get_if<Evaluation>(&body)) return &evaluation->site;
  if (const auto* rotate = std::get_if<KeyRotate>(&body)) return &rotate->member;
  return nullptr;
}

// Members sign their own consents, manifests, evaluations and keys, not even the aggregator for
// them; an incident may come from any member, a leave from who leaves, the rest from the aggregator
// alone.
bool MaySign(const Entry& entry, absl::string_view aggregator) {
  if (const std::string* speaker = SpeakerOf(entry.body)) return entry.by == *speaker;
  if (entry.by == aggregator) return true;
  if (std::holds_alternative<Incident>(entry.body)) return true;
  const Leave* leave = std::get_if<Leave>(&entry.body);
  return leave != nullptr && leave->member == entry.by;
}

Digest VkeyDigest(absl::string_view vkey) {
  const absl::StatusOr<VerifierKey> key = ParseVerifierKey(vkey);
  return key.ok() ? crypto::Sha256(ByteView(key->key)) : Digest{};
}

// Why `named` is not the key that signs for `member` now.
absl::Status WrongKey(absl::string_view name, const Member& member, const Digest& named) {
  for (const PastKey& past : member.past_keys) {
    if (named != crypto::KeyDigest(past.key)) continue;
    return Refused(absl::StrCat("the entry names the key ", ToHex(named), " of ", name,
                                ", which was rotated out before entry ", past.until_index));
  }
  if (member.next_key && named == crypto::KeyDigest(member.next_key->key)) {
    return Refused(absl::StrCat("the entry names the key ", ToHex(named), " of ", name,
                                ", which does not count yet: a round has to complete, ",
                                kRotationDelayS / 3600, " hours after the key-rotate at entry ",
                                member.next_key->index));
  }
  return Refused(
      absl::StrCat("the entry names the key ", ToHex(named), ", which is not ", name, "'s"));
}

}  // namespace

const crypto::PublicKey& Member::KeyAt(uint64_t index) const {
  for (const PastKey& past : past_keys) {
    if (index < past.until_index) return past.key;
  }
  return entry_key;
}

const Member* Members::Find(absl::string_view name) const {
  const auto member = members_.find(std::string(name));
  return member == members_.end() ? nullptr : &member->second;
}

bool Members::IsActive(absl::string_view name, absl::string_view study) const {
  const Member* member = Find(name);
  return member != nullptr && !member->left_index &&
         member->left_studies.count(std::string(study)) == 0;
}

absl::StatusOr<crypto::PublicKey> Members::SignerKey(const Entry& entry) const {
  if (!IsActive(entry.by, entry.study)) {
    return Refused(absl::StrCat("\"", entry.by, "\" is no member",
                                entry.study.empty() ? "" : " of ", entry.study,
                                " at this index, or has left"));
  }
  const Member& member = *Find(entry.by);
  if (entry.key != crypto::KeyDigest(member.entry_key)) {
    return WrongKey(entry.by, member, entry.key);
  }
  return member.entry_key;
}

absl::Status Members::Check(const Entry& entry) const {
  HILUM_RETURN_IF_ERROR(SignerKey(entry));
  if (!MaySign(entry, aggregator_)) {
    return Refused(absl::StrCat("\"", entry.by, "\" may not sign a ", EntryType(entry), " entry"));
  }
  if (const auto* join = std::get_if<Join>(&entry.body)) return CheckJoin(*join);
  if (const auto* leave = std::get_if<Leave>(&entry.body)) return CheckLeave(entry, *leave);
  if (const auto* rotate = std::get_if<KeyRotate>(&entry.body)) return CheckRotate(*rotate);
  if (const auto* open = std::get_if<RoundOpen>(&entry.body)) return CheckCohort(entry, *open);
  if (SpeakerOf(entry.body) == nullptr || Find(entry.by)->role == "site") return absl::OkStatus();
  return Refused(absl::StrCat("\"", entry.by, "\" is of role ", Find(entry.by)->role,
                              "; only a site logs a ", EntryType(entry)));
}

absl::Status Members::CheckCohort(const Entry& entry, const RoundOpen& open) const {
  for (const std::string& name : open.cohort.items) {
    if (!IsActive(name, entry.study) || Find(name)->role != "site") {
      return Refused(absl::StrCat("\"", name, "\" of the cohort is no site of ", entry.study,
                                  " at this index"));
    }
  }
  return absl::OkStatus();
}

absl::Status Members::CheckRotate(const KeyRotate& rotate) const {
  if (rotate.member == aggregator_) {
    return Refused("the aggregator's entry key is pinned by every member and is not rotated");
  }
  const Member& member = *Find(rotate.member);
  if (rotate.old != crypto::KeyDigest(member.entry_key)) {
    return Refused(absl::StrCat("the key-rotate replaces the key ", ToHex(rotate.old), ", ",
                                rotate.member, "'s is ",
                                ToHex(crypto::KeyDigest(member.entry_key))));
  }
  if (member.next_key) {
    return Refused(absl::StrCat(rotate.member, " rotates its key already, by entry ",
                                member.next_key->index, ", which does not count yet"));
  }
  if (keys_.count(crypto::KeyDigest(rotate.new_key)) == 0) return absl::OkStatus();
  return Refused(absl::StrCat("the new key of ", rotate.member, " is or was in use"));
}

absl::Status Members::CheckJoin(const Join& join) const {
  if (Find(join.member) != nullptr) {
    return Refused(absl::StrCat("the name \"", join.member, "\" is taken; who lost a key joins ",
                                "under a new name"));
  }
  if (keys_.count(crypto::KeyDigest(join.entry_key)) > 0) {
    return Refused(absl::StrCat("the entry key of ", join.member, " is in use already"));
  }
  if (!join.witness_vkey) return absl::OkStatus();
  const Digest witness = VkeyDigest(*join.witness_vkey);
  if (keys_.count(witness) > 0 || witness == crypto::KeyDigest(join.entry_key)) {
    return Refused(absl::StrCat("the witness key of ", join.member, " is in use already"));
  }
  return absl::OkStatus();
}

absl::Status Members::CheckLeave(const Entry& entry, const Leave& leave) const {
  if (leave.member == aggregator_) return Refused("the aggregator cannot leave its own log");
  if (IsActive(leave.member, entry.study)) return absl::OkStatus();
  return Refused(absl::StrCat("\"", leave.member, "\" leaves, but is no member at this index"));
}

// A rotation waits for the aggregator's first entry behind it, then for a completed round that is
// kRotationDelayS later: both by the aggregator's clock, so that nobody's stolen key can hurry it.
void Members::MoveRotations(uint64_t index, const Entry& entry) {
  if (entry.by != aggregator_) return;
  const auto* close = std::get_if<RoundClose>(&entry.body);
  for (auto& [name, member] : members_) {
    if (!member.next_key) continue;
    NextKey& next = *member.next_key;
    if (!next.since_s) next.since_s = entry.t;
    if (close == nullptr || close->status != "ok") continue;
    if (entry.t < *next.since_s || entry.t - *next.since_s < kRotationDelayS) continue;
    member.past_keys.push_back({member.entry_key, index + 1, next.index});
    member.entry_key = next.key;
    member.next_key.reset();
  }
}

void Members::Apply(uint64_t index, const Entry& entry) {
  MoveRotations(index, entry);
  if (const auto* genesis = std::get_if<Genesis>(&entry.body)) {
    aggregator_ = entry.by;
    Member member;
    member.role = "aggregator";
    member.entry_key = genesis->entry_key;
    members_.emplace(entry.by, member);
    keys_.insert(crypto::KeyDigest(genesis->entry_key));
    keys_.insert(VkeyDigest(genesis->log_vkey));
  } else if (const auto* join = std::get_if<Join>(&entry.body)) {
    Member member;
    member.role = join->role;
    member.entry_key = join->entry_key;
    member.witness_vkey = join->witness_vkey;
    member.age_recipient = join->age_recipient;
    member.cert = join->cert;
    member.joined_index = index;
    members_.emplace(join->member, member);
    keys_.insert(crypto::KeyDigest(join->entry_key));
    if (join->witness_vkey) keys_.insert(VkeyDigest(*join->witness_vkey));
  } else if (const auto* rotate = std::get_if<KeyRotate>(&entry.body)) {
    members_.find(rotate->member)->second.next_key = NextKey{rotate->new_key, index, std::nullopt};
    keys_.insert(crypto::KeyDigest(rotate->new_key));
  } else if (const auto* leave = std::get_if<Leave>(&entry.body)) {
    Member& member = members_.find(leave->member)->second;
    if (entry.study.empty()) {
      member.left_index = index;
    } else {
      member.left_studies[entry.study] = index;
    }
  }
}

}  // namespace hilum::ledger_anchor

#include "ledger_anchor/members.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "ledger_anchor/note.h"

namespace hilum::ledger_anchor {
namespace {

absl::Status Refused(absl::string_view why) { return absl::DataLossError(why); }

// Members and incidents may be signed by any member, a leave by who leaves, the rest by the
// aggregator alone.
bool MaySign(const Entry& entry, absl::string_view aggregator) {
  if (entry.by == aggregator) return true;
  if (std::holds_alternative<Incident>(entry.body)) return true;
  const Leave* leave = std::get_if<Leave>(&entry.body);
  return leave != nullptr && leave->member == entry.by;
}

Digest VkeyDigest(absl::string_view vkey) {
  const absl::StatusOr<VerifierKey> key = ParseVerifierKey(vkey);
  return key.ok() ? crypto::Sha256(ByteView(key->key)) : Digest{};
}

}  // namespace

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
    return Refused(absl::StrCat("the entry names the key ", ToHex(entry.key), ", which is not ",
                                entry.by, "'s"));
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
  const auto* open = std::get_if<RoundOpen>(&entry.body);
  if (open == nullptr) return absl::OkStatus();
  for (const std::string& name : open->cohort.items) {
    if (!IsActive(name, entry.study) || Find(name)->role != "site") {
      return Refused(absl::StrCat("\"", name, "\" of the cohort is no site of ", entry.study,
                                  " at this index"));
    }
  }
  return absl::OkStatus();
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

void Members::Apply(uint64_t index, const Entry& entry) {
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

#include "aggregator/membership.h"

#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "crypto/base64.h"
#include "crypto/certificate.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "ledger_anchor/entry.h"
#include "ledger_anchor/note.h"
#include "ledger_anchor/policy.h"
#include "ledger_anchor/witness_folder.h"
#include "proto/join_token.h"

namespace hilum::aggregator {
namespace {

constexpr int64_t kClockDifferenceS = 86'400;

absl::Status CheckTtl(int64_t ttl_s) {
  if (ttl_s >= kMinInvitationS && ttl_s <= kMaxInvitationS) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("an invitation for ", ttl_s, " s; the range is 1 minute to 90 days"));
}

// The invitation that these fields may spend.
absl::Status CheckInvite(State& state, const JoinFields& fields, int64_t now_s) {
  const absl::StatusOr<InviteRow> invite = state.FindInvite(crypto::Sha256(fields.secret));
  if (absl::IsNotFound(invite.status())) {
    return absl::PermissionDeniedError(
        "the invitation is unknown or was used: ask the operator for a new one");
  }
  HILUM_RETURN_IF_ERROR(invite.status());
  if (invite->member != fields.member || invite->role != "site") {
    return absl::PermissionDeniedError(
        absl::StrCat("the invitation is for ", invite->member, ", not for ", fields.member));
  }
  if (now_s > invite->expires_s) {
    return absl::PermissionDeniedError(absl::StrCat("the invitation of ", fields.member,
                                                    " expired at ", FormatUtc(invite->expires_s),
                                                    ": ask the operator for a new one"));
  }
  return absl::OkStatus();
}

// A site's witness bears the site's name: nobody else can be taken for it.
absl::Status CheckWitness(const Federation& federation, const JoinFields& fields) {
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::VerifierKey witness,
                         ledger_anchor::ParseVerifierKey(fields.witness_vkey));
  const std::string expected =
      ledger_anchor::SiteWitnessName(federation.identity.origin, fields.member);
  if (witness.name == expected && witness.type == ledger_anchor::KeyType::kCosignature) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("the witness of ", fields.member, " is named ",
                                                 witness.name, ", it must be ", expected));
}

// The `join` entry as both sides know it (proto/join_token.h), with the member's signature checked.
absl::StatusOr<std::string> MakeJoinEntry(const Federation& federation, const JoinFields& fields) {
  ledger_anchor::Join join{.member = fields.member,
                           .role = "site",
                           .entry_key = {},
                           .witness_vkey = std::nullopt,
                           .age_recipient = std::nullopt,
                           .cert = std::nullopt,
                           .member_sig = {}};
  HILUM_ASSIGN_OR_RETURN(join.entry_key, crypto::PublicKeyFromBytes(fields.entry_key));
  if (!fields.witness_vkey.empty()) {
    HILUM_RETURN_IF_ERROR(CheckWitness(federation, fields));
    join.witness_vkey = fields.witness_vkey;
  }
  if (!fields.age_recipient.empty()) join.age_recipient = fields.age_recipient;
  HILUM_ASSIGN_OR_RETURN(join.member_sig, crypto::SignatureFromBytes(fields.member_signature));
  ledger_anchor::Entry entry;
  entry.by = std::string(kAggregatorName);
  entry.key = crypto::KeyDigest(federation.entry_key.public_key());
  entry.t = static_cast<uint64_t>(fields.joined_at_s);
  entry.body = join;
  HILUM_RETURN_IF_ERROR(ledger_anchor::VerifyJoinSignature(entry, federation.identity.origin));
  return ledger_anchor::SignEntry(std::move(entry), federation.identity.origin,
                                  federation.entry_key);
}

absl::StatusOr<MemberRow> MakeMember(const Federation& federation, const JoinFields& fields,
                                     std::string join_entry, int64_t now_s) {
  MemberRow member{.name = fields.member,
                   .role = "site",
                   .fingerprint = {},
                   .joined_s = now_s,
                   .join_entry = std::move(join_entry),
                   .certificate = "",
                   .removed = false};
  HILUM_ASSIGN_OR_RETURN(
      member.certificate,
      crypto::IssueCertificate(federation.ca,
                               {.request_pem = fields.certificate_request,
                                .subject = {.common_name = member.name, .role = member.role},
                                .now = now_s,
                                .hosts = {}}));
  HILUM_ASSIGN_OR_RETURN(const crypto::CertificateInfo info,
                         crypto::ReadCertificate(member.certificate));
  member.fingerprint = info.fingerprint;
  return member;
}

// Logs the stored join and makes the answer.
absl::StatusOr<JoinAnswer> Announce(Federation& federation, const MemberRow& member) {
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::LogReceipt receipt,
                         federation.Append(member.join_entry));
  JoinAnswer answer{.certificate = member.certificate, .genesis_proof = "", .join_proof = ""};
  HILUM_ASSIGN_OR_RETURN(answer.genesis_proof, federation.Prove(0));
  HILUM_ASSIGN_OR_RETURN(answer.join_proof, federation.Prove(receipt.index));
  return answer;
}

absl::Status LogLeave(Federation& federation, const SiteId& site, int64_t now_s) {
  if (!federation.log->State().members().IsActive(site.name, "")) return absl::OkStatus();
  ledger_anchor::Entry entry;
  entry.by = std::string(kAggregatorName);
  entry.t = static_cast<uint64_t>(now_s);
  entry.body = ledger_anchor::Leave{.member = site.name, .reason = "removed", .round = 0};
  HILUM_ASSIGN_OR_RETURN(
      const std::string text,
      ledger_anchor::SignEntry(std::move(entry), federation.identity.origin, federation.entry_key));
  return federation.Append(text).status();
}

}  // namespace

absl::StatusOr<Invitation> Invite(const FederationIdentity& identity, State& state,
                                  const SiteId& site, int64_t now_s, int64_t ttl_s) {
  HILUM_RETURN_IF_ERROR(CheckName("site", site.name));
  HILUM_RETURN_IF_ERROR(CheckTtl(ttl_s));
  if (site.name == kAggregatorName || state.FindMember(site.name).ok()) {
    return absl::AlreadyExistsError(
        absl::StrCat("the name ", site.name, " is taken; who lost a key joins under a new name"));
  }
  HILUM_ASSIGN_OR_RETURN(const Bytes ca_der, crypto::CertificateToDer(identity.ca_pem));
  const proto::JoinToken token{.member = site.name,
                               .role = "site",
                               .secret = crypto::RandomArray<32>(),
                               .ca = crypto::Base64Encode(ca_der),
                               .expires_s = now_s + ttl_s,
                               .aggregator = std::string(kAggregatorName),
                               .entry_key = crypto::ToBase64(identity.entry_key),
                               .origin = identity.origin,
                               .log_vkey = identity.log_vkey};
  HILUM_ASSIGN_OR_RETURN(const std::string json, proto::EncodeJoinToken(token));
  HILUM_RETURN_IF_ERROR(state.PutInvite({.secret_hash = crypto::Sha256(token.secret),
                                         .member = token.member,
                                         .role = token.role,
                                         .expires_s = token.expires_s}));
  return Invitation{.token = crypto::Base64UrlEncode(AsBytes(json)),
                    .ca_fingerprint = crypto::Sha256(ca_der),
                    .expires_s = token.expires_s};
}

absl::StatusOr<JoinAnswer> Join(Federation& federation, const JoinFields& fields, int64_t now_s) {
  HILUM_RETURN_IF_ERROR(CheckName("site", fields.member));
  if (fields.joined_at_s < now_s - kClockDifferenceS ||
      fields.joined_at_s > now_s + kClockDifferenceS) {
    return absl::InvalidArgumentError(
        absl::StrCat("the clock of ", fields.member, " says ", FormatUtc(fields.joined_at_s),
                     ", the server's ", FormatUtc(now_s), "; they may differ by one day"));
  }
  HILUM_ASSIGN_OR_RETURN(std::string entry, MakeJoinEntry(federation, fields));
  // After a lost answer: the same keys, the same time, so the same entry.
  const absl::StatusOr<MemberRow> known = federation.state->FindMember(fields.member);
  if (known.ok() && known->join_entry == entry && !known->removed) {
    return Announce(federation, *known);
  }
  HILUM_RETURN_IF_ERROR(CheckInvite(*federation.state, fields, now_s));
  // Whether the log will take it: asked before the invitation is spent.
  ledger_anchor::Admission admission = federation.log->State();
  HILUM_RETURN_IF_ERROR(admission.Admit(entry));
  HILUM_ASSIGN_OR_RETURN(const MemberRow member,
                         MakeMember(federation, fields, std::move(entry), now_s));
  const absl::Status used = federation.state->UseInvite(crypto::Sha256(fields.secret), member);
  if (absl::IsNotFound(used)) return absl::PermissionDeniedError(used.message());
  HILUM_RETURN_IF_ERROR(used);
  Log(LogLevel::kInfo, "site joined", {{"site", member.name}});
  return Announce(federation, member);
}

absl::StatusOr<Caller> Authenticate(Federation& federation, absl::string_view certificate_pem,
                                    int64_t now_s) {
  HILUM_ASSIGN_OR_RETURN(const crypto::CertificateInfo info,
                         crypto::ReadCertificate(certificate_pem));
  HILUM_RETURN_IF_ERROR(
      crypto::VerifyIssuedBy(certificate_pem, federation.ca.certificate_pem, now_s));
  const absl::StatusOr<MemberRow> member = federation.state->FindMember(info.common_name);
  if (absl::IsNotFound(member.status()) ||
      (member.ok() &&
       (member->fingerprint != info.fingerprint || member->role != info.role || member->removed))) {
    return absl::PermissionDeniedError(
        absl::StrCat("the certificate of ", info.common_name, " (", info.role,
                     ") is not the one of a member of this federation"));
  }
  HILUM_RETURN_IF_ERROR(member.status());
  return Caller{.name = member->name, .role = member->role};
}

absl::Status FinishJoins(Federation& federation) {
  HILUM_ASSIGN_OR_RETURN(const std::vector<MemberRow> members, federation.state->Members());
  const ledger_anchor::Admission logged = federation.log->State();
  for (const MemberRow& member : members) {
    if (member.join_entry.empty() || logged.members().Find(member.name) != nullptr) continue;
    HILUM_RETURN_IF_ERROR(federation.Append(member.join_entry));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<SiteId>> FinishRemovals(Federation& federation, int64_t now_s) {
  HILUM_ASSIGN_OR_RETURN(const std::vector<SiteId> leaving, federation.state->RequestedRemovals());
  for (const SiteId& site : leaving) {
    HILUM_RETURN_IF_ERROR(LogLeave(federation, site, now_s));
    HILUM_RETURN_IF_ERROR(federation.state->FinishRemoval(site));
    Log(LogLevel::kInfo, "site removed", {{"site", site.name}});
  }
  return leaving;
}

namespace {

// The witnesses of the members that have one, by member name.
absl::StatusOr<std::vector<ledger_anchor::VerifierKey>> WitnessesOf(State& state) {
  HILUM_ASSIGN_OR_RETURN(const std::vector<MemberRow> members, state.Members());
  std::vector<ledger_anchor::VerifierKey> witnesses;
  for (const MemberRow& member : members) {
    if (member.removed || member.join_entry.empty()) continue;
    HILUM_ASSIGN_OR_RETURN(const ledger_anchor::Entry entry,
                           ledger_anchor::ParseEntry(member.join_entry));
    const auto* join = std::get_if<ledger_anchor::Join>(&entry.body);
    if (join == nullptr || !join->witness_vkey.has_value()) continue;
    HILUM_ASSIGN_OR_RETURN(ledger_anchor::VerifierKey witness,
                           ledger_anchor::ParseVerifierKey(*join->witness_vkey));
    witnesses.push_back(std::move(witness));
  }
  return witnesses;
}

}  // namespace

absl::StatusOr<WitnessPolicy> MakeWitnessPolicy(const FederationIdentity& identity, State& state,
                                                uint64_t faults) {
  HILUM_ASSIGN_OR_RETURN(const std::vector<ledger_anchor::VerifierKey> witnesses,
                         WitnessesOf(state));
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::VerifierKey log,
                         ledger_anchor::ParseVerifierKey(identity.log_vkey));
  WitnessPolicy policy;
  policy.n_witnesses = witnesses.size();
  policy.quorum = ledger_anchor::SmallestQuorum(policy.n_witnesses, faults);
  if (policy.quorum > policy.n_witnesses) {
    return absl::FailedPreconditionError(
        absl::StrCat(policy.n_witnesses, " members have a witness; a quorum that covers ", faults,
                     " dishonest ones needs at least ", faults + 1,
                     ": let more sites join, or give a smaller --faults"));
  }
  HILUM_ASSIGN_OR_RETURN(policy.text, ledger_anchor::MakePolicy(log, witnesses, policy.quorum));
  policy.faults = ledger_anchor::FaultsCovered({.n = policy.n_witnesses, .q = policy.quorum});
  policy.text = absl::StrCat("# ", policy.quorum, " of ", policy.n_witnesses,
                             " witnesses must cosign; ", policy.faults, " may be dishonest, ",
                             policy.n_witnesses - policy.quorum, " may be away\n", policy.text);
  return policy;
}

}  // namespace hilum::aggregator

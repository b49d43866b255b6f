#include "ledger_anchor/entry.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "base/ids.h"
#include "base/status_macros.h"
#include "crypto/age_keys.h"
#include "crypto/hash.h"
#include "ledger_anchor/entry_json.h"
#include "ledger_anchor/note.h"
#include "ledger_anchor/tiles.h"
#include "proto/canonical_json.h"

namespace hilum::ledger_anchor {
namespace {

using Json = nlohmann::json;

absl::Status Bad(absl::string_view field, absl::string_view value, absl::string_view rule) {
  return absl::InvalidArgumentError(
      absl::StrCat("the entry's ", field, " \"", value.substr(0, 64), "\" is not ", rule));
}

// Codes, versions, licences and what an incident is about. No free text: it would invite the data
// of patients.
absl::Status CheckCode(absl::string_view field, absl::string_view value,
                       absl::string_view also = "") {
  bool good = !value.empty() && value.size() <= 128;
  for (const char c : value) {
    good = good && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
                    also.find(c) != absl::string_view::npos);
  }
  if (good) return absl::OkStatus();
  return Bad(field, value, absl::StrCat("1 to 128 of a-z, 0-9, -, _", also));
}

constexpr absl::string_view kUpper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ.+:";

absl::Status CheckOneOf(absl::string_view field, absl::string_view value,
                        absl::Span<const absl::string_view> codes) {
  if (std::find(codes.begin(), codes.end(), value) != codes.end()) return absl::OkStatus();
  return Bad(field, value, absl::StrCat("one of ", absl::StrJoin(codes, ", ")));
}

template <class T>
absl::Status CheckList(absl::string_view field, const List<T>& list) {
  if (list.annex ? list.items.empty() && list.n > kListLimit
                 : list.items.size() == list.n && list.n <= kListLimit) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("the entry's list ", field, " says n = ", list.n,
                                                 " and holds ", list.items.size(), " items",
                                                 list.annex ? " and an annex" : ""));
}

absl::Status CheckNames(absl::string_view field, const NameList& names) {
  HILUM_RETURN_IF_ERROR(CheckList(field, names));
  std::set<std::string> seen;
  for (const std::string& name : names.items) {
    HILUM_RETURN_IF_ERROR(CheckName(field, name));
    if (!seen.insert(name).second) return Bad(field, name, "named once");
  }
  return absl::OkStatus();
}

absl::Status CheckRound(uint64_t round) {
  if (round >= 1) return absl::OkStatus();
  return absl::InvalidArgumentError("the entry's round is 0, rounds count from 1");
}

absl::Status CheckNoStudy(const Entry& entry) {
  if (entry.study.empty()) return absl::OkStatus();
  return Bad("study", entry.study, "left out, though the entry concerns the whole federation");
}

absl::Status CheckStudy(const Entry& entry) {
  if (!entry.study.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("a ", EntryType(entry), " entry names no study"));
}

absl::Status CheckBody(const Entry& entry, const Genesis& body) {
  HILUM_RETURN_IF_ERROR(CheckNoStudy(entry));
  HILUM_RETURN_IF_ERROR(CheckKeyName(body.federation));
  HILUM_RETURN_IF_ERROR(CheckKeyName(body.origin));
  HILUM_ASSIGN_OR_RETURN(const VerifierKey log, ParseVerifierKey(body.log_vkey));
  if (log.name != body.origin || log.type != KeyType::kEd25519) {
    return Bad("log_vkey", body.log_vkey, "an Ed25519 note key whose name is the origin");
  }
  HILUM_RETURN_IF_ERROR(crypto::CheckPublicKey(body.entry_key));
  return CheckNames("participants", body.participants);
}

absl::Status CheckBody(const Entry& entry, const Join& body) {
  HILUM_RETURN_IF_ERROR(CheckNoStudy(entry));
  HILUM_RETURN_IF_ERROR(CheckName("the member", body.member));
  HILUM_RETURN_IF_ERROR(CheckOneOf("role", body.role, {"site", "witness", "auditor"}));
  HILUM_RETURN_IF_ERROR(crypto::CheckPublicKey(body.entry_key));
  if (body.age_recipient) {
    HILUM_RETURN_IF_ERROR(crypto::ParseAgeRecipient(*body.age_recipient).status());
  }
  if (!body.witness_vkey) return absl::OkStatus();
  HILUM_ASSIGN_OR_RETURN(const VerifierKey witness, ParseVerifierKey(*body.witness_vkey));
  if (witness.type == KeyType::kCosignature) return absl::OkStatus();
  return Bad("witness_vkey", *body.witness_vkey, "of the type 0x04");
}

absl::Status CheckBody(const Entry&, const Leave& body) {
  HILUM_RETURN_IF_ERROR(CheckName("the member", body.member));
  return CheckCode("reason", body.reason);
}

// The pin names the active set of each site of the cohort, and of nobody else.
absl::Status CheckPin(const ConsentPin& pin, const NameList& cohort) {
  HILUM_RETURN_IF_ERROR(CheckList("consent.sites", pin.sites));
  if (pin.size == 0) {
    return absl::InvalidArgumentError("the entry's consent.size is 0: no log is that short");
  }
  std::set<std::string> pinned;
  for (const PinnedRoot& one : pin.sites.items) {
    HILUM_RETURN_IF_ERROR(CheckName("consent.sites", one.site));
    if (!pinned.insert(one.site).second) return Bad("consent.sites", one.site, "named once");
  }
  // An annex would pin what no reader of the log compares with the sites' batches.
  if (pin.sites.annex || cohort.annex) {
    return absl::InvalidArgumentError(absl::StrCat("the entry pins active sets of a cohort of ",
                                                   cohort.n, ", the limit is ", kListLimit));
  }
  const std::set<std::string> names(cohort.items.begin(), cohort.items.end());
  if (pin.sites.n == cohort.n && pinned == names) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the entry pins the active sets of ", pin.sites.n,
                                                 " sites, which are not the ", cohort.n,
                                                 " of its cohort"));
}

absl::Status CheckBody(const Entry& entry, const RoundOpen& body) {
  HILUM_RETURN_IF_ERROR(CheckStudy(entry));
  HILUM_RETURN_IF_ERROR(CheckRound(body.round));
  if (body.cohort.n == 0) return absl::InvalidArgumentError("the entry's cohort is empty");
  HILUM_RETURN_IF_ERROR(CheckNames("cohort", body.cohort));
  return body.consent ? CheckPin(*body.consent, body.cohort) : absl::OkStatus();
}

absl::Status CheckDp(const RoundClose::Dp& dp) {
  HILUM_RETURN_IF_ERROR(CheckCode("dp.unit", dp.unit));
  HILUM_RETURN_IF_ERROR(CheckCode("dp.mechanism", dp.mechanism));
  HILUM_RETURN_IF_ERROR(CheckCode("dp.accountant", dp.accountant));
  HILUM_RETURN_IF_ERROR(proto::CheckDecimal(dp.epsilon));
  return proto::CheckDecimal(dp.delta);
}

absl::Status CheckOutcome(const RoundClose& body) {
  HILUM_RETURN_IF_ERROR(CheckOneOf("status", body.status, {"ok", "aborted"}));
  if (body.status == "aborted" && body.model != body.base_model) {
    return absl::InvalidArgumentError("an aborted round-close names a model other than its base");
  }
  if (body.status == "aborted" && body.object) {
    return absl::InvalidArgumentError("an aborted round-close names a sealed copy of a model");
  }
  if (body.status == "ok" && (!body.secagg || body.cohort.n == 0)) {
    return absl::InvalidArgumentError(
        "a round-close with status ok has no secagg field or an empty cohort");
  }
  if (body.updates.n != body.cohort.n) {
    return absl::InvalidArgumentError(absl::StrCat("the entry counts ", body.updates.n,
                                                   " updates of a cohort of ", body.cohort.n));
  }
  return absl::OkStatus();
}

absl::Status CheckMetrics(const List<Metric>& metrics) {
  HILUM_RETURN_IF_ERROR(CheckList("metrics", metrics));
  for (const Metric& metric : metrics.items) {
    HILUM_RETURN_IF_ERROR(CheckCode("metric", metric.name));
    HILUM_RETURN_IF_ERROR(proto::CheckDecimal(metric.value));
  }
  return absl::OkStatus();
}

absl::Status CheckBody(const Entry& entry, const RoundClose& body) {
  HILUM_RETURN_IF_ERROR(CheckStudy(entry));
  HILUM_RETURN_IF_ERROR(CheckRound(body.round));
  HILUM_RETURN_IF_ERROR(CheckNames("cohort", body.cohort));
  HILUM_RETURN_IF_ERROR(CheckNames("dropped", body.dropped));
  HILUM_RETURN_IF_ERROR(CheckOutcome(body));
  HILUM_RETURN_IF_ERROR(CheckCode("rule.name", body.rule.name));
  if (body.dp) HILUM_RETURN_IF_ERROR(CheckDp(*body.dp));
  return CheckMetrics(body.metrics);
}

absl::Status CheckBody(const Entry& entry, const ModelRelease& body) {
  HILUM_RETURN_IF_ERROR(CheckStudy(entry));
  HILUM_RETURN_IF_ERROR(CheckName("the released model", body.name));
  HILUM_RETURN_IF_ERROR(CheckCode("version", body.version, kUpper));
  HILUM_RETURN_IF_ERROR(CheckCode("licence", body.licence, kUpper));
  return CheckList("objects", body.objects);
}

absl::Status CheckBody(const Entry&, const Incident& body) {
  HILUM_RETURN_IF_ERROR(CheckOneOf("kind", body.kind, kIncidentKinds));
  return CheckCode("about", body.about, kUpper);
}

absl::Status CheckPadded(absl::string_view field, uint64_t n) {
  if (IsPaddedCount(n)) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the entry's ", field, " ", n,
                                                 " is not a power of two from ", kPaddedFloor,
                                                 " to ", kPaddedLimit));
}

absl::Status CheckBody(const Entry& entry, const KeyRotate& body) {
  HILUM_RETURN_IF_ERROR(CheckNoStudy(entry));
  HILUM_RETURN_IF_ERROR(CheckName("the member", body.member));
  HILUM_RETURN_IF_ERROR(CheckOneOf("use", body.use, {"entry"}));
  return crypto::CheckPublicKey(body.new_key);
}

absl::Status CheckBody(const Entry& entry, const ConsentBatch& body) {
  HILUM_RETURN_IF_ERROR(CheckStudy(entry));
  HILUM_RETURN_IF_ERROR(CheckName("the site", body.site));
  return CheckPadded("count", body.count);
}

absl::Status CheckBody(const Entry& entry, const TrainManifest& body) {
  HILUM_RETURN_IF_ERROR(CheckStudy(entry));
  HILUM_RETURN_IF_ERROR(CheckRound(body.round));
  HILUM_RETURN_IF_ERROR(CheckName("the site", body.site));
  return CheckPadded("manifest_count", body.manifest_count);
}

absl::Status CheckBody(const Entry& entry, const Evaluation& body) {
  HILUM_RETURN_IF_ERROR(CheckStudy(entry));
  HILUM_RETURN_IF_ERROR(CheckRound(body.round));
  HILUM_RETURN_IF_ERROR(CheckName("the site", body.site));
  HILUM_RETURN_IF_ERROR(proto::CheckDecimal(body.operating_point));
  if (body.metrics.n == 0) return absl::InvalidArgumentError("the entry's metrics are empty");
  return CheckMetrics(body.metrics);
}

absl::Status CheckEntry(const Entry& entry) {
  HILUM_RETURN_IF_ERROR(CheckName("the signing member", entry.by));
  if (!entry.study.empty()) HILUM_RETURN_IF_ERROR(CheckName("the study", entry.study));
  return std::visit([&entry](const auto& body) { return CheckBody(entry, body); }, entry.body);
}

// prefix || origin || LF || the entry without the named fields.
absl::StatusOr<std::string> SignedMessage(const Entry& entry, absl::string_view prefix,
                                          absl::string_view origin,
                                          std::initializer_list<const char*> left_out) {
  Json object = EntryToJson(entry);
  for (const char* field : left_out) object.erase(field);
  HILUM_ASSIGN_OR_RETURN(const std::string text, proto::Canonicalize(object));
  return absl::StrCat(prefix, "\n", origin, "\n", text);
}

absl::StatusOr<std::string> EntryMessage(const Entry& entry, absl::string_view origin) {
  return SignedMessage(entry, "hilum-entry/v1", origin, {"sig"});
}

absl::StatusOr<std::string> JoinMessage(const Entry& entry, absl::string_view origin) {
  return SignedMessage(entry, "hilum-join/v1", origin, {"sig", "member_sig"});
}

absl::StatusOr<std::string> RotateMessage(const Entry& entry, absl::string_view origin) {
  return SignedMessage(entry, "hilum-rotate/v1", origin, {"sig", "new_sig"});
}

absl::Status AsDataLoss(const absl::Status& status) {
  return absl::DataLossError(status.message());
}

constexpr absl::string_view kTypes[] = {
    "genesis",  "join",       "leave",         "round-open",     "round-close", "model-release",
    "incident", "key-rotate", "consent-batch", "train-manifest", "evaluation"};
static_assert(std::variant_size_v<EntryBody> == std::size(kTypes));

}  // namespace

absl::string_view EntryType(const Entry& entry) { return kTypes[entry.body.index()]; }

std::span<const absl::string_view> EntryTypes() { return kTypes; }

absl::StatusOr<NameList> MakeNameList(const std::vector<std::string>& names, std::string* annex) {
  annex->clear();
  NameList list;
  list.n = names.size();
  for (const std::string& name : names) HILUM_RETURN_IF_ERROR(CheckName("the member", name));
  if (names.size() <= kListLimit) {
    list.items = names;
    return list;
  }
  HILUM_ASSIGN_OR_RETURN(*annex, proto::Canonicalize(Json(names)));
  list.annex = crypto::Sha256(*annex);
  return list;
}

absl::StatusOr<std::vector<std::string>> NamesOf(const NameList& list, absl::string_view annex) {
  if (!list.annex.has_value()) return list.items;
  const auto malformed = [](absl::string_view why) {
    return absl::DataLossError(absl::StrCat("the annex of a list ", why));
  };
  if (crypto::Sha256(annex) != *list.annex) return malformed("hashes otherwise");
  if (annex.size() > kAnnexLimitBytes) return malformed("is longer than 1 MiB");
  const Json json = Json::parse(annex.begin(), annex.end(), nullptr, false);
  if (!json.is_array()) return malformed("is not a JSON list");
  std::vector<std::string> names;
  for (const Json& item : json) {
    if (!item.is_string() || !CheckName("the member", item.get<std::string>()).ok()) {
      return malformed("holds something that is not a name");
    }
    names.push_back(item.get<std::string>());
  }
  if (names.size() == list.n) return names;
  return malformed(absl::StrCat("has ", names.size(), " names, the list says ", list.n));
}

absl::StatusOr<std::string> EncodeEntry(const Entry& entry) {
  HILUM_RETURN_IF_ERROR(CheckEntry(entry));
  HILUM_ASSIGN_OR_RETURN(std::string text, proto::Canonicalize(EntryToJson(entry)));
  if (text.size() <= kEntryLimitBytes) return text;
  return absl::InvalidArgumentError(
      absl::StrCat("the entry has ", text.size(), " bytes, the limit is ", kEntryLimitBytes));
}

absl::StatusOr<Entry> ParseEntry(absl::string_view text) {
  const absl::StatusOr<Json> object = proto::ParseCanonical(text, kEntryLimitBytes);
  if (!object.ok()) return AsDataLoss(object.status());
  absl::StatusOr<Entry> entry = EntryFromJson(*object);
  if (!entry.ok()) return AsDataLoss(entry.status());
  if (const absl::Status status = CheckEntry(*entry); !status.ok()) return AsDataLoss(status);
  return entry;
}

absl::StatusOr<std::string> SignEntry(Entry entry, absl::string_view origin,
                                      const crypto::SigningKey& key) {
  entry.key = crypto::KeyDigest(key.public_key());
  HILUM_ASSIGN_OR_RETURN(const std::string message, EntryMessage(entry, origin));
  entry.sig = key.Sign(message);
  return EncodeEntry(entry);
}

absl::Status VerifyEntrySignature(const Entry& entry, absl::string_view origin,
                                  const crypto::PublicKey& key) {
  if (entry.key != crypto::KeyDigest(key)) {
    return absl::DataLossError(absl::StrCat("the entry names the key ", ToHex(entry.key),
                                            ", the key of ", entry.by, " is ",
                                            ToHex(crypto::KeyDigest(key))));
  }
  const absl::StatusOr<std::string> message = EntryMessage(entry, origin);
  if (message.ok() && crypto::Verify(key, *message, entry.sig).ok()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("the signature of ", entry.by, " on its ",
                                          EntryType(entry), " entry fails for the origin ",
                                          origin));
}

absl::StatusOr<crypto::Signature> SignJoin(const Entry& entry, absl::string_view origin,
                                           const crypto::SigningKey& member_key) {
  HILUM_ASSIGN_OR_RETURN(const std::string message, JoinMessage(entry, origin));
  return member_key.Sign(message);
}

absl::Status VerifyJoinSignature(const Entry& entry, absl::string_view origin) {
  const Join* join = std::get_if<Join>(&entry.body);
  if (join == nullptr) return absl::DataLossError("the entry is not a join");
  const absl::StatusOr<std::string> message = JoinMessage(entry, origin);
  if (message.ok() && crypto::Verify(join->entry_key, *message, join->member_sig).ok()) {
    return absl::OkStatus();
  }
  return absl::DataLossError(
      absl::StrCat("the join of ", join->member, " is not signed by the key that joins"));
}

absl::StatusOr<crypto::Signature> SignRotate(const Entry& entry, absl::string_view origin,
                                             const crypto::SigningKey& next_key) {
  HILUM_ASSIGN_OR_RETURN(const std::string message, RotateMessage(entry, origin));
  return next_key.Sign(message);
}

absl::Status VerifyRotateSignature(const Entry& entry, absl::string_view origin) {
  const KeyRotate* rotate = std::get_if<KeyRotate>(&entry.body);
  if (rotate == nullptr) return absl::DataLossError("the entry is not a key-rotate");
  const absl::StatusOr<std::string> message = RotateMessage(entry, origin);
  if (message.ok() && crypto::Verify(rotate->new_key, *message, rotate->new_sig).ok()) {
    return absl::OkStatus();
  }
  return absl::DataLossError(
      absl::StrCat("the key-rotate of ", rotate->member, " is not signed by its new key"));
}

std::array<uint8_t, 16> FederationId(absl::string_view origin, absl::string_view log_vkey) {
  const Digest digest = crypto::Sha256(absl::StrCat(origin, "\n", log_vkey));
  std::array<uint8_t, 16> id;
  std::copy_n(digest.begin(), id.size(), id.begin());
  return id;
}

}  // namespace hilum::ledger_anchor

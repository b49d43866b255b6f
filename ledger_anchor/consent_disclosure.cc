// The disclosure as a file: consent_audit.h.
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "ledger_anchor/consent_audit.h"
#include "ledger_anchor/consent_json.h"
#include "proto/canonical_json.h"

namespace hilum::ledger_anchor {
namespace {

using Json = nlohmann::json;
using proto::JsonFields;

constexpr char kType[] = "hilum-consent-disclosure";
constexpr size_t kSeedLimit = 128;

absl::Status Malformed(absl::string_view why) {
  return absl::DataLossError(absl::StrCat("the consent disclosure is malformed: ", why));
}

// ---- writing

Json ActiveToJson(const ActiveLeaf& leaf) {
  return {{"pid", leaf.pid}, {"index", leaf.index}, {"path", HashesToJson(leaf.path)}};
}

Json OpenedToJson(const OpenedLeaf& opened) {
  Json out = {{"index", opened.index},
              {"nonce", ToHex(opened.leaf.nonce)},
              {"path", HashesToJson(opened.path)}};
  if (opened.leaf.is_dummy()) return out;
  out["pid"] = opened.leaf.pid;
  out["content"] = ToHex(opened.leaf.content);
  return out;
}

Json RevokedToJson(const RevokedPatient& patient) {
  Json manifest = Json::object();
  const ManifestAbsence& absence = patient.not_in_manifest;
  if (absence.lower) manifest["lower"] = OpenedToJson(*absence.lower);
  if (absence.upper) manifest["upper"] = OpenedToJson(*absence.upper);
  return {{"event", patient.event},
          {"nonce", ToHex(patient.nonce)},
          {"batch", patient.batch_index},
          {"slot", patient.slot},
          {"path", HashesToJson(patient.path)},
          {"not_active",
           {{"lower", ActiveToJson(patient.not_active.lower)},
            {"upper", ActiveToJson(patient.not_active.upper)}}},
          {"not_in_manifest", manifest}};
}

// ---- reading

// Reads the object at `key` with `read`; what is wrong in it is wrong in `outer`.
template <class F>
auto ReadInner(JsonFields& outer, absl::string_view key, const F& read) {
  JsonFields fields(outer.Value(key), key);
  auto value = read(fields);
  if (const absl::Status status = fields.Finish(); !status.ok()) outer.Fail(key, status.message());
  return value;
}

template <class T, class F>
std::vector<T> ReadItems(JsonFields& outer, absl::string_view key, const F& read) {
  std::vector<T> items;
  const Json& list = outer.Value(key);
  if (!list.is_array()) {
    outer.Fail(key, "is not an array");
    return items;
  }
  for (const Json& item : list) {
    JsonFields fields(item, key);
    items.push_back(read(fields));
    const absl::Status status = fields.Finish();
    if (status.ok()) continue;
    outer.Fail(key, status.message());
    break;
  }
  return items;
}

ActiveLeaf ReadActive(JsonFields& fields) {
  return {fields.Text("pid"), fields.Integer("index"), ReadHashes(fields, "path")};
}

OpenedLeaf ReadOpened(JsonFields& fields) {
  OpenedLeaf opened;
  opened.index = fields.Integer("index");
  opened.leaf.nonce = fields.Hash("nonce");
  opened.path = ReadHashes(fields, "path");
  if (!fields.Has("pid")) return opened;
  opened.leaf.pid = fields.Text("pid");
  opened.leaf.content = fields.Hash("content");
  if (opened.leaf.pid.empty()) fields.Fail("pid", "is empty");
  return opened;
}

SampledLeaf ReadSampled(JsonFields& fields) {
  SampledLeaf leaf;
  leaf.manifest = ReadInner(fields, "manifest", ReadOpened);
  if (fields.Has("active")) leaf.active = ReadInner(fields, "active", ReadActive);
  return leaf;
}

RevokedPatient ReadRevoked(JsonFields& fields) {
  RevokedPatient patient;
  patient.event = fields.Text("event");
  patient.nonce = fields.Hash("nonce");
  patient.batch_index = fields.Integer("batch");
  patient.slot = fields.Integer("slot");
  patient.path = ReadHashes(fields, "path");
  patient.not_active = ReadInner(fields, "not_active", [](JsonFields& inner) {
    return ActiveAbsence{ReadInner(inner, "lower", ReadActive),
                         ReadInner(inner, "upper", ReadActive)};
  });
  patient.not_in_manifest = ReadInner(fields, "not_in_manifest", [](JsonFields& inner) {
    ManifestAbsence absence;
    if (inner.Has("lower")) absence.lower = ReadInner(inner, "lower", ReadOpened);
    if (inner.Has("upper")) absence.upper = ReadInner(inner, "upper", ReadOpened);
    return absence;
  });
  return patient;
}

}  // namespace

absl::StatusOr<std::string> FormatDisclosure(const Disclosure& disclosure) {
  Json out = {{"type", kType},
              {"v", 1},
              {"study", disclosure.study},
              {"site", disclosure.site},
              {"round", disclosure.round},
              {"seed", disclosure.seed},
              {"active_size", disclosure.active_size},
              {"leaves", Json::array()},
              {"revoked", Json::array()}};
  for (const SampledLeaf& leaf : disclosure.leaves) {
    Json item = {{"manifest", OpenedToJson(leaf.manifest)}};
    if (leaf.active) item["active"] = ActiveToJson(*leaf.active);
    out["leaves"].push_back(std::move(item));
  }
  for (const RevokedPatient& patient : disclosure.revoked) {
    out["revoked"].push_back(RevokedToJson(patient));
  }
  HILUM_ASSIGN_OR_RETURN(const std::string text, proto::Canonicalize(out));
  return text + "\n";
}

absl::StatusOr<Disclosure> ParseDisclosure(absl::string_view text) {
  if (!absl::ConsumeSuffix(&text, "\n")) return Malformed("it does not end in one line end");
  const absl::StatusOr<Json> object = proto::ParseCanonical(text, kDisclosureLimitBytes);
  if (!object.ok()) return Malformed(object.status().message());
  JsonFields fields(*object, "disclosure");
  fields.Integer("v", 1, 1);
  if (fields.Text("type") != kType) fields.Fail("type", absl::StrCat("is not ", kType));
  Disclosure disclosure;
  disclosure.study = fields.Text("study");
  disclosure.site = fields.Text("site");
  disclosure.round = fields.Integer("round", 1);
  disclosure.seed = fields.Text("seed");
  if (disclosure.seed.size() > kSeedLimit) {
    fields.Fail("seed", absl::StrCat("is longer than ", kSeedLimit, " bytes"));
  }
  disclosure.active_size = fields.Integer("active_size", 2);
  disclosure.leaves = ReadItems<SampledLeaf>(fields, "leaves", ReadSampled);
  disclosure.revoked = ReadItems<RevokedPatient>(fields, "revoked", ReadRevoked);
  if (const absl::Status status = fields.Finish(); !status.ok()) return Malformed(status.message());
  return disclosure;
}

}  // namespace hilum::ledger_anchor

#include "ledger_anchor/entry_json.h"

#include <type_traits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "proto/json_fields.h"

namespace hilum::ledger_anchor {
namespace {

using Json = nlohmann::json;
using proto::JsonFields;

// ---- writing

template <class T, class F>
Json ListToJson(const List<T>& list, const F& item_to_json) {
  Json object = {{"n", list.n}};
  if (list.annex) {
    object["annex"] = ToHex(*list.annex);
    return object;
  }
  object["items"] = Json::array();
  for (const T& item : list.items) object["items"].push_back(item_to_json(item));
  return object;
}

Json NamesToJson(const NameList& names) {
  return ListToJson(names, [](const std::string& name) { return Json(name); });
}

Json MetricToJson(const Metric& metric) {
  return Json{{"name", metric.name}, {"value", metric.value}, {"n", metric.n}};
}

void BodyToJson(const Genesis& body, Json& out) {
  out["federation"] = body.federation;
  out["origin"] = body.origin;
  out["log_vkey"] = body.log_vkey;
  out["entry_key"] = ToBase64(body.entry_key);
  out["policy"] = ToHex(body.policy);
  out["rules"] = ToHex(body.rules);
  out["participants"] = NamesToJson(body.participants);
}

void BodyToJson(const Join& body, Json& out) {
  out["member"] = body.member;
  out["role"] = body.role;
  out["entry_key"] = ToBase64(body.entry_key);
  if (body.witness_vkey) out["witness_vkey"] = *body.witness_vkey;
  if (body.age_recipient) out["age_recipient"] = *body.age_recipient;
  if (body.cert) out["cert"] = ToHex(*body.cert);
  out["member_sig"] = ToBase64(body.member_sig);
}

void BodyToJson(const Leave& body, Json& out) {
  out["member"] = body.member;
  out["reason"] = body.reason;
  out["round"] = body.round;
}

void BodyToJson(const RoundOpen& body, Json& out) {
  out["round"] = body.round;
  out["prev"] = ToHex(body.prev);
  out["base_model"] = ToHex(body.base_model);
  out["cfg"] = ToHex(body.cfg);
  out["build"] = ToHex(body.build);
  out["cohort"] = NamesToJson(body.cohort);
  out["deadline"] = body.deadline;
  if (!body.consent) return;
  out["consent"] = {{"size", body.consent->size}, {"root", ToHex(body.consent->root)}};
  out["consent"]["sites"] = ListToJson(body.consent->sites, [](const PinnedRoot& one) {
    Json object = {{"site", one.site}, {"active_root", ToHex(one.active_root)}};
    if (one.batch) object["batch"] = ToHex(*one.batch);
    return object;
  });
}

void BodyToJson(const RoundClose& body, Json& out) {
  out["round"] = body.round;
  out["prev"] = ToHex(body.prev);
  out["open"] = ToHex(body.open);
  out["status"] = body.status;
  out["base_model"] = ToHex(body.base_model);
  out["model"] = ToHex(body.model);
  if (body.object) out["object"] = ToHex(*body.object);
  out["cohort"] = NamesToJson(body.cohort);
  out["updates"] = {{"n", body.updates.n}, {"root", ToHex(body.updates.root)}};
  out["dropped"] = NamesToJson(body.dropped);
  out["rule"] = {{"name", body.rule.name}, {"params", ToHex(body.rule.params)}};
  if (body.dp) {
    out["dp"] = {{"unit", body.dp->unit},
                 {"mechanism", body.dp->mechanism},
                 {"epsilon", body.dp->epsilon},
                 {"delta", body.dp->delta},
                 {"accountant", body.dp->accountant}};
  }
  if (body.secagg) {
    out["secagg"] = {{"suite", body.secagg->suite},
                     {"cfg", ToHex(body.secagg->cfg)},
                     {"transcript", ToHex(body.secagg->transcript)},
                     {"evidence", ToHex(body.secagg->evidence)}};
  }
  out["build"] = ToHex(body.build);
  out["metrics"] = ListToJson(body.metrics, MetricToJson);
}

void BodyToJson(const ModelRelease& body, Json& out) {
  out["name"] = body.name;
  out["version"] = body.version;
  out["close"] = ToHex(body.close);
  out["close_index"] = body.close_index;
  out["files"] = ToHex(body.files);
  if (body.bundle) out["bundle"] = ToHex(*body.bundle);
  out["licence"] = body.licence;
  out["objects"] =
      ListToJson(body.objects, [](const Digest& object) { return Json(ToHex(object)); });
}

void BodyToJson(const Incident& body, Json& out) {
  out["kind"] = body.kind;
  out["round"] = body.round;
  out["about"] = body.about;
  out["evidence"] = ToHex(body.evidence);
}

void BodyToJson(const KeyRotate& body, Json& out) {
  out["member"] = body.member;
  out["use"] = body.use;
  out["old"] = ToHex(body.old);
  out["new"] = ToBase64(body.new_key);
  out["new_sig"] = ToBase64(body.new_sig);
}

void BodyToJson(const ConsentBatch& body, Json& out) {
  out["site"] = body.site;
  out["root"] = ToHex(body.root);
  out["count"] = body.count;
  out["active_root"] = ToHex(body.active_root);
}

void BodyToJson(const TrainManifest& body, Json& out) {
  out["round"] = body.round;
  out["open"] = ToHex(body.open);
  out["site"] = body.site;
  out["active_root"] = ToHex(body.active_root);
  out["manifest_root"] = ToHex(body.manifest_root);
  out["manifest_count"] = body.manifest_count;
}

void BodyToJson(const Evaluation& body, Json& out) {
  out["model"] = ToHex(body.model);
  out["round"] = body.round;
  out["site"] = body.site;
  out["dataset"] = ToHex(body.dataset);
  out["metrics"] = ListToJson(body.metrics, MetricToJson);
  out["operating_point"] = body.operating_point;
}

// ---- reading

template <class T, class F>
List<T> ReadList(JsonFields& outer, absl::string_view key, const F& item_from_json) {
  JsonFields fields(outer.Value(key), key);
  List<T> list;
  list.n = fields.Integer("n");
  if (fields.Has("annex")) {
    list.annex = fields.Hash("annex");
    if (list.n <= kListLimit) fields.Fail("annex", "stands for a list that is short enough");
  } else {
    const Json& items = fields.Value("items");
    if (!items.is_array() || items.size() != list.n || list.n > kListLimit) {
      fields.Fail("items", absl::StrCat("is not an array of n and at most ", kListLimit, " items"));
    } else {
      for (const Json& item : items) list.items.push_back(item_from_json(item, fields));
    }
  }
  if (const absl::Status status = fields.Finish(); !status.ok()) outer.Fail(key, status.message());
  return list;
}

NameList ReadNames(JsonFields& outer, absl::string_view key) {
  return ReadList<std::string>(outer, key, [](const Json& item, JsonFields& fields) {
    if (item.is_string()) return item.get<std::string>();
    fields.Fail("items", "holds something that is not a string");
    return std::string();
  });
}

// An object inside the entry: `read` takes its fields, unknown ones are refused.
template <class F>
void ReadObject(JsonFields& outer, absl::string_view key, const F& read) {
  JsonFields fields(outer.Value(key), key);
  read(fields);
  if (const absl::Status status = fields.Finish(); !status.ok()) outer.Fail(key, status.message());
}

crypto::PublicKey ReadKey(JsonFields& fields, absl::string_view key) {
  const auto value = crypto::PublicKeyFromBase64(fields.Text(key));
  if (value.ok()) return *value;
  fields.Fail(key, "is not the base64 of a 32-byte key");
  return {};
}

crypto::Signature ReadSignature(JsonFields& fields, absl::string_view key) {
  const auto value = crypto::SignatureFromBase64(fields.Text(key));
  if (value.ok()) return *value;
  fields.Fail(key, "is not the base64 of a 64-byte signature");
  return {};
}

std::optional<Digest> ReadOptionalHash(JsonFields& fields, absl::string_view key) {
  if (!fields.Has(key)) return std::nullopt;
  return fields.Hash(key);
}

void ReadBody(JsonFields& fields, Genesis& body) {
  body.federation = fields.Text("federation");
  body.origin = fields.Text("origin");
  body.log_vkey = fields.Text("log_vkey");
  body.entry_key = ReadKey(fields, "entry_key");
  body.policy = fields.Hash("policy");
  body.rules = fields.Hash("rules");
  body.participants = ReadNames(fields, "participants");
}

void ReadBody(JsonFields& fields, Join& body) {
  body.member = fields.Text("member");
  body.role = fields.Text("role");
  body.entry_key = ReadKey(fields, "entry_key");
  if (fields.Has("witness_vkey")) body.witness_vkey = fields.Text("witness_vkey");
  if (fields.Has("age_recipient")) body.age_recipient = fields.Text("age_recipient");
  body.cert = ReadOptionalHash(fields, "cert");
  body.member_sig = ReadSignature(fields, "member_sig");
}

void ReadBody(JsonFields& fields, Leave& body) {
  body.member = fields.Text("member");
  body.reason = fields.Text("reason");
  body.round = fields.Integer("round");
}

PinnedRoot ReadPinnedRoot(const Json& item, JsonFields& outer) {
  JsonFields fields(item, "site");
  PinnedRoot one;
  one.site = fields.Text("site");
  one.active_root = fields.Hash("active_root");
  one.batch = ReadOptionalHash(fields, "batch");
  if (const absl::Status status = fields.Finish(); !status.ok()) {
    outer.Fail("items", status.message());
  }
  return one;
}

void ReadBody(JsonFields& fields, RoundOpen& body) {
  body.round = fields.Integer("round");
  body.prev = fields.Hash("prev");
  body.base_model = fields.Hash("base_model");
  body.cfg = fields.Hash("cfg");
  body.build = fields.Hash("build");
  body.cohort = ReadNames(fields, "cohort");
  body.deadline = fields.Integer("deadline");
  if (!fields.Has("consent")) return;
  ConsentPin& pin = body.consent.emplace();
  ReadObject(fields, "consent", [&pin](JsonFields& object) {
    pin.size = object.Integer("size");
    pin.root = object.Hash("root");
    pin.sites = ReadList<PinnedRoot>(object, "sites", ReadPinnedRoot);
  });
}

void ReadPrivacy(JsonFields& fields, RoundClose& body) {
  if (fields.Has("dp")) {
    RoundClose::Dp& dp = body.dp.emplace();
    ReadObject(fields, "dp", [&dp](JsonFields& object) {
      dp.unit = object.Text("unit");
      dp.mechanism = object.Text("mechanism");
      dp.epsilon = object.Text("epsilon");
      dp.delta = object.Text("delta");
      dp.accountant = object.Text("accountant");
    });
  }
  if (fields.Has("secagg")) {
    RoundClose::Secagg& secagg = body.secagg.emplace();
    ReadObject(fields, "secagg", [&secagg](JsonFields& object) {
      secagg.suite = object.Integer("suite");
      secagg.cfg = object.Hash("cfg");
      secagg.transcript = object.Hash("transcript");
      secagg.evidence = object.Hash("evidence");
    });
  }
}

Metric ReadMetric(const Json& item, JsonFields& outer) {
  JsonFields fields(item, "metric");
  Metric metric;
  metric.name = fields.Text("name");
  metric.value = fields.Text("value");
  metric.n = fields.Integer("n");
  if (const absl::Status status = fields.Finish(); !status.ok()) {
    outer.Fail("items", status.message());
  }
  return metric;
}

void ReadBody(JsonFields& fields, RoundClose& body) {
  body.round = fields.Integer("round");
  body.prev = fields.Hash("prev");
  body.open = fields.Hash("open");
  body.status = fields.Text("status");
  body.base_model = fields.Hash("base_model");
  body.model = fields.Hash("model");
  body.object = ReadOptionalHash(fields, "object");
  body.cohort = ReadNames(fields, "cohort");
  ReadObject(fields, "updates", [&body](JsonFields& object) {
    body.updates = {object.Integer("n"), object.Hash("root")};
  });
  body.dropped = ReadNames(fields, "dropped");
  ReadObject(fields, "rule", [&body](JsonFields& object) {
    body.rule = {object.Text("name"), object.Hash("params")};
  });
  ReadPrivacy(fields, body);
  body.build = fields.Hash("build");
  body.metrics = ReadList<Metric>(fields, "metrics", ReadMetric);
}

void ReadBody(JsonFields& fields, ModelRelease& body) {
  body.name = fields.Text("name");
  body.version = fields.Text("version");
  body.close = fields.Hash("close");
  body.close_index = fields.Integer("close_index");
  body.files = fields.Hash("files");
  body.bundle = ReadOptionalHash(fields, "bundle");
  body.licence = fields.Text("licence");
  body.objects = ReadList<Digest>(fields, "objects", [](const Json& item, JsonFields& list) {
    const auto digest = DigestFromHex(item.is_string() ? item.get<std::string>() : "");
    if (!digest.ok()) list.Fail("items", "holds something that is not a digest");
    return digest.ok() ? *digest : Digest{};
  });
}

void ReadBody(JsonFields& fields, Incident& body) {
  body.kind = fields.Text("kind");
  body.round = fields.Integer("round");
  body.about = fields.Text("about");
  body.evidence = fields.Hash("evidence");
}

void ReadBody(JsonFields& fields, KeyRotate& body) {
  body.member = fields.Text("member");
  body.use = fields.Text("use");
  body.old = fields.Hash("old");
  body.new_key = ReadKey(fields, "new");
  body.new_sig = ReadSignature(fields, "new_sig");
}

void ReadBody(JsonFields& fields, ConsentBatch& body) {
  body.site = fields.Text("site");
  body.root = fields.Hash("root");
  body.count = fields.Integer("count");
  body.active_root = fields.Hash("active_root");
}

void ReadBody(JsonFields& fields, TrainManifest& body) {
  body.round = fields.Integer("round");
  body.open = fields.Hash("open");
  body.site = fields.Text("site");
  body.active_root = fields.Hash("active_root");
  body.manifest_root = fields.Hash("manifest_root");
  body.manifest_count = fields.Integer("manifest_count");
}

void ReadBody(JsonFields& fields, Evaluation& body) {
  body.model = fields.Hash("model");
  body.round = fields.Integer("round");
  body.site = fields.Text("site");
  body.dataset = fields.Hash("dataset");
  body.metrics = ReadList<Metric>(fields, "metrics", ReadMetric);
  body.operating_point = fields.Text("operating_point");
}

absl::StatusOr<EntryBody> EmptyBody(absl::string_view type) {
  if (type == "genesis") return Genesis{};
  if (type == "join") return Join{};
  if (type == "leave") return Leave{};
  if (type == "round-open") return RoundOpen{};
  if (type == "round-close") return RoundClose{};
  if (type == "model-release") return ModelRelease{};
  if (type == "incident") return Incident{};
  if (type == "key-rotate") return KeyRotate{};
  if (type == "consent-batch") return ConsentBatch{};
  if (type == "train-manifest") return TrainManifest{};
  if (type == "evaluation") return Evaluation{};
  return absl::InvalidArgumentError(
      absl::StrCat("the entry type \"", type.substr(0, 64), "\" is not known to this version"));
}

}  // namespace

Json EntryToJson(const Entry& entry) {
  Json out = {{"v", 1},         {"type", std::string(EntryType(entry))},
              {"by", entry.by}, {"key", ToHex(entry.key)},
              {"t", entry.t},   {"sig", ToBase64(entry.sig)}};
  if (!entry.study.empty()) out["study"] = entry.study;
  std::visit([&out](const auto& body) { BodyToJson(body, out); }, entry.body);
  return out;
}

absl::StatusOr<Entry> EntryFromJson(const Json& object) {
  JsonFields fields(object, "entry");
  Entry entry;
  fields.Integer("v", 1, 1);
  HILUM_ASSIGN_OR_RETURN(entry.body, EmptyBody(fields.Text("type")));
  entry.by = fields.Text("by");
  entry.key = fields.Hash("key");
  entry.t = fields.Integer("t");
  entry.sig = ReadSignature(fields, "sig");
  if (fields.Has("study")) {
    entry.study = fields.Text("study");
    if (entry.study.empty()) fields.Fail("study", "is empty");
  }
  std::visit([&fields](auto& body) { ReadBody(fields, body); }, entry.body);
  HILUM_RETURN_IF_ERROR(fields.Finish());
  return entry;
}

}  // namespace hilum::ledger_anchor

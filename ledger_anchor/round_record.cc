#include "ledger_anchor/round_record.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/base64.h"
#include "nlohmann/json.hpp"
#include "proto/canonical_json.h"
#include "proto/json_fields.h"

namespace hilum::ledger_anchor {
namespace {

using Json = nlohmann::json;
using proto::JsonFields;

constexpr size_t kMemberLimit = 1000;  // as privacy::kMaxRoster

Json UpdatesToJson(const std::vector<CountedUpdate>& updates) {
  Json list = Json::array();
  for (const CountedUpdate& update : updates) {
    list.push_back({{"index", uint64_t{update.site_index}},
                    {"root", ToHex(update.root)},
                    {"sig", crypto::ToBase64(update.signature)},
                    {"object", ToHex(update.object)}});
  }
  return list;
}

crypto::Signature ReadSignature(JsonFields& fields, absl::string_view key) {
  const absl::StatusOr<crypto::Signature> signature = crypto::SignatureFromBase64(fields.Text(key));
  if (signature.ok()) return *signature;
  fields.Fail(key, "is not the base64 of 64 bytes");
  return {};
}

Json MaskedToJson(const MaskedEvidence& masked) {
  return {{"key_list", crypto::Base64Encode(masked.key_list)},
          {"u1", crypto::Base64Encode(masked.u1)},
          {"u2", crypto::Base64Encode(masked.u2)},
          {"complaints", crypto::Base64Encode(masked.complaints)},
          {"votes", crypto::Base64Encode(masked.votes)},
          {"opening", crypto::Base64Encode(masked.opening)},
          {"sum_object", ToHex(masked.sum_object)}};
}

Bytes ReadBase64(JsonFields& fields, absl::string_view key) {
  const absl::StatusOr<Bytes> bytes = crypto::Base64Decode(fields.Text(key));
  if (!bytes.ok()) fields.Fail(key, "is not base64");
  return bytes.ok() ? *bytes : Bytes();
}

absl::StatusOr<MaskedEvidence> ReadMasked(const Json& json) {
  JsonFields fields(json, "record.secagg");
  MaskedEvidence masked{.key_list = ReadBase64(fields, "key_list"),
                        .u1 = ReadBase64(fields, "u1"),
                        .u2 = ReadBase64(fields, "u2"),
                        .complaints = ReadBase64(fields, "complaints"),
                        .votes = ReadBase64(fields, "votes"),
                        .opening = ReadBase64(fields, "opening"),
                        .sum_object = fields.Hash("sum_object")};
  HILUM_RETURN_IF_ERROR(fields.Finish());
  return masked;
}

// Ascending, so that each record has one spelling.
absl::Status CheckAscending(const RoundRecord& record) {
  for (size_t i = 1; i < record.updates.size(); ++i) {
    if (record.updates[i - 1].site_index >= record.updates[i].site_index) {
      return absl::InvalidArgumentError("record.updates is not in ascending order of index");
    }
  }
  for (size_t i = 1; i < record.dropped.size(); ++i) {
    if (record.dropped[i - 1] >= record.dropped[i]) {
      return absl::InvalidArgumentError("record.dropped is not in ascending order");
    }
  }
  return absl::OkStatus();
}

absl::Status ReadUpdates(const Json& list, RoundRecord& record) {
  if (!list.is_array() || list.size() > kMemberLimit) {
    return absl::InvalidArgumentError("record.updates is not a list of at most 1000 updates");
  }
  for (const Json& item : list) {
    JsonFields fields(item, "record.updates");
    CountedUpdate update;
    update.site_index = static_cast<uint16_t>(fields.Integer("index", 0, 0xffff));
    update.root = fields.Hash("root");
    update.signature = ReadSignature(fields, "sig");
    update.object = fields.Hash("object");
    HILUM_RETURN_IF_ERROR(fields.Finish());
    record.updates.push_back(update);
  }
  return absl::OkStatus();
}

absl::StatusOr<RoundRecord> RecordFromJson(const Json& json) {
  JsonFields fields(json, "record");
  fields.Integer("v", 1, 1);
  RoundRecord record;
  record.job = fields.Text("job");
  record.round = fields.Integer("round", 1);
  record.attempt = static_cast<uint8_t>(fields.Integer("attempt", 0, 7));
  record.config = fields.Hash("cfg");
  record.config_object = fields.Hash("cfg_object");
  record.plan = fields.Hash("plan");
  record.transcript = ReadBase64(fields, "transcript");
  record.transcript_hash = fields.Hash("transcript_hash");
  record.transcript_signature = ReadSignature(fields, "transcript_sig");
  record.sum_root = fields.Hash("sum_root");
  record.ring_root = fields.Hash("ring_root");
  record.base_model = fields.Hash("base_model");
  record.model = fields.Hash("model");
  for (const int64_t index : fields.Integers("dropped", kMemberLimit)) {
    if (index > 0xffff) fields.Fail("dropped", "holds an index above 65535");
    record.dropped.push_back(static_cast<uint16_t>(index));
  }
  const Json& updates = fields.Value("updates");
  const bool is_masked = fields.Has("secagg");
  const Json masked = is_masked ? fields.Value("secagg") : Json();
  if (fields.Has("optimiser")) {
    JsonFields state(fields.Value("optimiser"), "record.optimiser");
    record.optimiser = OptimiserState{.before = state.Hash("before"), .after = state.Hash("after")};
    HILUM_RETURN_IF_ERROR(state.Finish());
  }
  HILUM_RETURN_IF_ERROR(fields.Finish());
  if (is_masked) {
    HILUM_ASSIGN_OR_RETURN(record.masked, ReadMasked(masked));
  }
  HILUM_RETURN_IF_ERROR(ReadUpdates(updates, record));
  HILUM_RETURN_IF_ERROR(CheckAscending(record));
  return record;
}

}  // namespace

absl::StatusOr<std::string> EncodeRoundRecord(const RoundRecord& record) {
  HILUM_RETURN_IF_ERROR(CheckAscending(record));
  Json dropped = Json::array();
  for (const uint16_t index : record.dropped) dropped.push_back(uint64_t{index});
  Json json{{"v", 1U},
            {"job", record.job},
            {"round", record.round},
            {"attempt", uint64_t{record.attempt}},
            {"cfg", ToHex(record.config)},
            {"cfg_object", ToHex(record.config_object)},
            {"plan", ToHex(record.plan)},
            {"transcript", crypto::Base64Encode(record.transcript)},
            {"transcript_hash", ToHex(record.transcript_hash)},
            {"transcript_sig", crypto::ToBase64(record.transcript_signature)},
            {"sum_root", ToHex(record.sum_root)},
            {"ring_root", ToHex(record.ring_root)},
            {"base_model", ToHex(record.base_model)},
            {"model", ToHex(record.model)},
            {"updates", UpdatesToJson(record.updates)},
            {"dropped", std::move(dropped)}};
  if (record.optimiser.has_value()) {
    json["optimiser"] = {{"before", ToHex(record.optimiser->before)},
                         {"after", ToHex(record.optimiser->after)}};
  }
  if (record.masked.has_value()) json["secagg"] = MaskedToJson(*record.masked);
  HILUM_ASSIGN_OR_RETURN(std::string text, proto::Canonicalize(json));
  if (text.size() <= kRecordLimitBytes) return text;
  return absl::InvalidArgumentError(absl::StrCat("the round record has ", text.size(),
                                                 " bytes, the limit is ", kRecordLimitBytes));
}

absl::StatusOr<RoundRecord> ParseRoundRecord(absl::string_view text) {
  const absl::StatusOr<Json> json = proto::ParseCanonical(text, kRecordLimitBytes);
  if (!json.ok()) {
    return absl::DataLossError(absl::StrCat("round record: ", json.status().message()));
  }
  absl::StatusOr<RoundRecord> record = RecordFromJson(*json);
  if (!record.ok()) return absl::DataLossError(record.status().message());
  return record;
}

}  // namespace hilum::ledger_anchor

#include "proto/model_json.h"

#include "absl/strings/str_cat.h"
#include "base/ids.h"
#include "base/status_macros.h"
#include "base/version.h"
#include "proto/canonical_json.h"
#include "proto/json_fields.h"
#include "proto/safetensors.h"

namespace hilum::proto {
namespace {

absl::Status CheckDescription(const ModelDescription& description) {
  HILUM_RETURN_IF_ERROR(CheckName("architecture", description.architecture));
  HILUM_RETURN_IF_ERROR(CheckName("profile", description.profile));
  if (description.classes.size() < 2 || description.classes.size() > 16) {
    return absl::InvalidArgumentError(absl::StrCat("model.json has ", description.classes.size(),
                                                   " classes, the range is 2 to 16"));
  }
  if (description.input_size.size() < 3) {
    return absl::InvalidArgumentError(
        "model.json: input_size is not a list of channels, rows and columns");
  }
  return absl::OkStatus();
}

}  // namespace

std::string ModelDescriptionToJson(const ModelDescription& description) {
  nlohmann::ordered_json json;
  json["research_use_only"] = std::string(kResearchUseOnly);
  json["architecture"] = description.architecture;
  json["classes"] = description.classes;
  json["norm"] = description.norm;
  json["profile"] = description.profile;
  json["profile_digest"] = ToHex(description.profile_digest);
  json["input_size"] = description.input_size;
  json["n_params"] = description.n_params;
  json["round"] = description.round;
  json["job"] = description.job;
  json["origin"] = description.origin;
  json["sha256"] = ToHex(description.sha256);
  json["min_age_years"] = description.min_age_years;
  return json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

absl::StatusOr<ModelDescription> ModelDescriptionFromJson(absl::string_view json) {
  if (json.size() > kModelJsonLimitBytes) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "model.json has ", json.size(), " bytes, the limit is ", kModelJsonLimitBytes));
  }
  const auto parsed = nlohmann::json::parse(json.begin(), json.end(), nullptr, false);
  if (parsed.is_discarded()) return absl::InvalidArgumentError("model.json is not JSON");
  JsonFields fields(parsed, "model.json");
  ModelDescription description;
  fields.Text("research_use_only");
  description.architecture = fields.Text("architecture");
  description.classes = fields.Texts("classes", 16);
  description.norm = fields.Text("norm");
  description.profile = fields.Text("profile");
  description.profile_digest = fields.Hash("profile_digest");
  description.input_size = fields.Integers("input_size", 4);
  description.n_params = static_cast<int64_t>(fields.Integer("n_params", 1, kParametersLimit));
  description.round = fields.Integer("round", 0, kJsonIntegerLimit);
  description.job = fields.Text("job");
  description.origin = fields.Text("origin");
  description.sha256 = fields.Hash("sha256");
  description.min_age_years = static_cast<int>(fields.Integer("min_age_years", 0, 150));
  HILUM_RETURN_IF_ERROR(fields.Finish());
  HILUM_RETURN_IF_ERROR(CheckDescription(description));
  return description;
}

}  // namespace hilum::proto

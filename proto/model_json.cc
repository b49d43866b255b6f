#include "proto/model_json.h"

#include "absl/strings/numbers.h"
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

// The profiles for films end in their size: cxr128 is 3 channels of 128 x 128 (docs/dicom.md).
absl::StatusOr<std::vector<int64_t>> InputSizeOf(const std::string& profile) {
  int64_t pixels = 0;
  const size_t digits = profile.find_first_of("0123456789");
  if (digits == std::string::npos || !absl::SimpleAtoi(profile.substr(digits), &pixels)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the profile ", profile, " does not say the size of its films."));
  }
  return std::vector<int64_t>{3, pixels, pixels};
}

}  // namespace

absl::StatusOr<ModelDescription> DescribeModel(const RoundPlan& plan, const ModelOrigin& made) {
  HILUM_ASSIGN_OR_RETURN(const std::vector<int64_t> input_size, InputSizeOf(plan.model.profile));
  return ModelDescription{.architecture = plan.model.architecture,
                          .classes = plan.model.classes,
                          .norm = plan.model.norm,
                          .profile = plan.model.profile,
                          .profile_digest = plan.model.profile_digest,
                          .input_size = input_size,
                          .n_params = plan.spec.n_params(),
                          .round = made.round,
                          .job = plan.job,
                          .origin = made.origin,
                          .sha256 = made.sha256,
                          .min_age_years = plan.model.min_age_years,
                          .local_layers = plan.model.local_layers};
}

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
  if (!description.local_layers.empty()) json["local_layers"] = description.local_layers;
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
  if (fields.Has("local_layers")) {
    description.local_layers = fields.Texts("local_layers", kLocalLayersLimit);
  }
  HILUM_RETURN_IF_ERROR(fields.Finish());
  HILUM_RETURN_IF_ERROR(CheckDescription(description));
  return description;
}

}  // namespace hilum::proto

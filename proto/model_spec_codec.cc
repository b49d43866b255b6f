#include "proto/model_spec_codec.h"

#include "base/status_macros.h"
#include "proto/canonical_json.h"
#include "proto/json_fields.h"
#include "proto/safetensors.h"

namespace hilum::proto {

using Json = nlohmann::json;

absl::StatusOr<Json> ModelSpecToJson(const ModelSpec& spec) {
  HILUM_RETURN_IF_ERROR(CheckModelSpec(spec));
  Json tensors = Json::array();
  for (const TensorSpec& tensor : spec.tensors) {
    Json shape = Json::array();
    for (const int64_t extent : tensor.shape) shape.push_back(static_cast<uint64_t>(extent));
    tensors.push_back({{"name", tensor.name}, {"shape", std::move(shape)}});
  }
  return Json{{"architecture", spec.architecture}, {"tensors", std::move(tensors)}};
}

absl::StatusOr<ModelSpec> ModelSpecFromJson(const Json& json) {
  ModelSpec spec;
  JsonFields fields(json, "spec");
  spec.architecture = fields.Text("architecture");
  const Json& tensors = fields.Value("tensors");
  HILUM_RETURN_IF_ERROR(fields.Finish());
  if (!tensors.is_array() || tensors.size() > kTensorsLimit) {
    return absl::InvalidArgumentError("spec.tensors is not a list of at most 4096 tensors");
  }
  int64_t offset = 0;
  for (const Json& item : tensors) {
    JsonFields tensor_fields(item, "spec.tensors");
    TensorSpec tensor{.name = tensor_fields.Text("name"),
                      .shape = tensor_fields.Integers("shape", kTensorDimensionsLimit),
                      .offset = offset,
                      .size = 1};
    HILUM_RETURN_IF_ERROR(tensor_fields.Finish());
    for (const int64_t extent : tensor.shape) {
      // Both factors are at most 2^53 and 2^32, so the limit is tested before an overflow.
      if (extent < 1 || extent > kParametersLimit / tensor.size) {
        return absl::InvalidArgumentError(
            absl::StrCat("spec.tensors: tensor ", tensor.name, " has an extent of ", extent,
                         ", each is at least 1 and a model has at most 2^32 - 3 values"));
      }
      tensor.size *= extent;
    }
    offset += tensor.size;
    if (offset > kParametersLimit) {
      return absl::InvalidArgumentError("spec.tensors: more than 2^32 - 3 values");
    }
    spec.tensors.push_back(std::move(tensor));
  }
  HILUM_RETURN_IF_ERROR(CheckModelSpec(spec));
  return spec;
}

absl::StatusOr<std::string> EncodeModelSpec(const ModelSpec& spec) {
  HILUM_ASSIGN_OR_RETURN(const Json json, ModelSpecToJson(spec));
  return Canonicalize(json);
}

}  // namespace hilum::proto

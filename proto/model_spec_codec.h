// ModelSpec as canonical JSON: part of the round plan, and what the architecture digest is made of.
#ifndef HILUM_PROTO_MODEL_SPEC_CODEC_H_
#define HILUM_PROTO_MODEL_SPEC_CODEC_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/model_spec.h"
#include "nlohmann/json.hpp"

namespace hilum::proto {

// {"architecture":S,"tensors":[{"name":S,"shape":[N,...]},...]}; offsets follow from the shapes.
// InvalidArgument: as CheckModelSpec of safetensors.h.
absl::StatusOr<nlohmann::json> ModelSpecToJson(const ModelSpec& spec);
// InvalidArgument: another structure, or as CheckModelSpec.
absl::StatusOr<ModelSpec> ModelSpecFromJson(const nlohmann::json& json);

// The canonical bytes of ModelSpecToJson; their SHA-256 is cfg's architecture_digest.
absl::StatusOr<std::string> EncodeModelSpec(const ModelSpec& spec);

}  // namespace hilum::proto

#endif  // HILUM_PROTO_MODEL_SPEC_CODEC_H_

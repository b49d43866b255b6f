// model.json of a model folder: what model.safetensors beside it is.
#ifndef HILUM_PROTO_MODEL_JSON_H_
#define HILUM_PROTO_MODEL_JSON_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "proto/round_plan.h"

namespace hilum::proto {

inline constexpr uint64_t kModelJsonLimitBytes = 64 << 10;

struct ModelDescription {
  std::string architecture;          // for example "covidnet-nano"
  std::vector<std::string> classes;  // in the order of the outputs
  std::string norm = "group";
  std::string profile;  // preprocessing, for example "cxr128"
  Digest profile_digest{};
  std::vector<int64_t> input_size;  // [channels, rows, columns]
  int64_t n_params = 0;
  uint64_t round = 0;  // 0: version 0, before any training in a federation
  std::string job;     // empty at version 0
  std::string origin;  // of the ledger that proves it; empty at version 0
  Digest sha256{};     // of model.safetensors
  int min_age_years = 18;
  std::vector<std::string> local_layers{};  // patterns (ModelPlan); not written while empty
  friend bool operator==(const ModelDescription&, const ModelDescription&) = default;
};

struct ModelOrigin {
  uint64_t round = 0;
  std::string origin;  // of the ledger
  Digest sha256{};     // of model.safetensors
};
// What a round of `plan` made. InvalidArgument: the profile does not say the size of its films.
absl::StatusOr<ModelDescription> DescribeModel(const RoundPlan& plan, const ModelOrigin& made);

// Indented JSON with keys in a fixed order, a final line end and the line "research_use_only".
std::string ModelDescriptionToJson(const ModelDescription& description);

// ResourceExhausted: over 64 KiB. InvalidArgument: not JSON, a missing or unknown field, or a value
// out of its range; the sentence names it.
absl::StatusOr<ModelDescription> ModelDescriptionFromJson(absl::string_view json);

}  // namespace hilum::proto

#endif  // HILUM_PROTO_MODEL_JSON_H_

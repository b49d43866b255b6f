// The JSON header of a safetensors file, read without trust. Private to proto/.
#ifndef HILUM_PROTO_SAFETENSORS_HEADER_H_
#define HILUM_PROTO_SAFETENSORS_HEADER_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace hilum::proto::internal {

// One tensor as the header has it; nothing but types and counts is checked.
struct HeaderTensor {
  std::string name;
  std::string dtype;
  std::vector<uint64_t> shape;
  std::vector<uint64_t> data_offsets;
};

struct HeaderFields {
  std::vector<HeaderTensor> tensors;
  std::map<std::string, std::string> metadata;
};

// Reads the JSON event by event, so that nothing is built from what is refused later.
// DataLoss: not JSON of this structure, a doubled key, or over the limits of safetensors.h.
absl::StatusOr<HeaderFields> ReadHeaderJson(absl::string_view json);

}  // namespace hilum::proto::internal

#endif  // HILUM_PROTO_SAFETENSORS_HEADER_H_

// Weights as safetensors files: the form of every model that is stored, sent or released.
#ifndef HILUM_PROTO_SAFETENSORS_H_
#define HILUM_PROTO_SAFETENSORS_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "base/model_spec.h"

namespace hilum::proto {

// Limits of docs/wire.md, section 6.
inline constexpr uint64_t kSafetensorsHeaderLimitBytes = 1 << 20;
inline constexpr size_t kTensorsLimit = 4096;
inline constexpr size_t kTensorDimensionsLimit = 8;
inline constexpr size_t kTensorNameLimitBytes = 255;
// D of secure_aggregation.md is at most 2^32, three coordinates of it are not parameters.
inline constexpr int64_t kParametersLimit = (int64_t{1} << 32) - 3;

// The most bytes that a file of `n_params` parameters (float32) can have.
inline constexpr uint64_t SafetensorsLimitBytes(int64_t n_params) {
  return 8 + kSafetensorsHeaderLimitBytes + 4 * static_cast<uint64_t>(n_params);
}

// "__metadata__": architecture, classes, min_age_years, norm, profile, profile_digest, round, job,
// origin; all strings.
using SafetensorsMetadata = std::map<std::string, std::string>;

struct SafetensorsFile {
  ModelSpec spec;           // architecture is metadata's, the tensors in the file's data order
  std::vector<float> flat;  // [n_params] finite, in the order of `spec`
  SafetensorsMetadata metadata;
};

// 1 to 4,096 tensors, names of 1 to 255 printable ASCII characters, each once, at most 8 extents of
// at least 1, no gap between offsets, at most 2^32 - 3 values.
// InvalidArgument: anything else; the sentence names the tensor, the value and the limit.
absl::Status CheckModelSpec(const ModelSpec& spec);

// All bytes before the tensors' data: 8 bytes little-endian header length and the header itself,
// padded with spaces to a multiple of 8. A file that is written in pieces starts with it and goes
// on with the flat vector, little-endian. Compact JSON: "__metadata__" first, its keys ascending,
// then the tensors in the order of the spec, each
// {"dtype":"F32","shape":[...],"data_offsets":[a,b]}. Adds metadata "architecture" when it is
// missing. InvalidArgument: as CheckModelSpec, metadata that is not UTF-8 or says another
// architecture, or a header over 1 MiB.
absl::StatusOr<Bytes> EncodeSafetensorsHeader(const ModelSpec& spec,
                                              const SafetensorsMetadata& metadata);

// The whole file; the same arguments give the same bytes, so its SHA-256 identifies the model.
//   flat   [spec.n_params()] finite
// InvalidArgument: as above, or another length. DataLoss: a value is not finite.
absl::StatusOr<Bytes> EncodeSafetensors(const ModelSpec& spec, std::span<const float> flat,
                                        const SafetensorsMetadata& metadata);

// The file of the model that a round made of `base`: its weights, with metadata `round`, `job` and
// `origin` replaced. Server, sites and auditors make it here, so their bytes agree.
// Errors: as EncodeSafetensors.
struct ModelStamp {
  std::string job;
  uint64_t round = 0;
  std::string ledger;  // origin of the log
};
absl::StatusOr<Bytes> EncodeRoundModel(SafetensorsFile base, const ModelStamp& stamp);

// Parses a whole file from anywhere. Only F32; no doubled key, no gap, no overlap; the data end
// where the file ends; every value is finite. Keys of the header may come in any order.
// DataLoss: the file breaks the format or a limit; the sentence says where.
absl::StatusOr<SafetensorsFile> ParseSafetensors(ByteView file);

// The same, and names, shapes and architecture are exactly those of `spec`; the flat vector is in
// the order of `spec`, whatever the order of the data in the file.
// DataLoss: as above. InvalidArgument: another layout; the sentence names the first difference.
absl::StatusOr<SafetensorsFile> ParseSafetensorsAs(ByteView file, const ModelSpec& spec);

// Only the header of a file of `file_bytes` bytes that starts with `head`; `data_offset` is where
// the values start. Nothing is known about the values yet.
struct SafetensorsHeader {
  ModelSpec spec;
  SafetensorsMetadata metadata;
  uint64_t data_offset = 0;
};
// OutOfRange: `head` ends before the header does (8 bytes give its length). DataLoss: as above.
absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(ByteView head, uint64_t file_bytes);

}  // namespace hilum::proto

#endif  // HILUM_PROTO_SAFETENSORS_H_

#include "proto/safetensors.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"
#include "proto/safetensors_header.h"

namespace hilum::proto {
namespace {

static_assert(std::endian::native == std::endian::little, "the format's values are little-endian");
static_assert(sizeof(float) == 4);

constexpr uint64_t kLengthBytes = 8;
constexpr uint64_t kAlignBytes = 8;

absl::Status Bad(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("safetensors: ", what));
}

bool IsPrintable(absl::string_view text, size_t limit) {
  return !text.empty() && text.size() <= limit &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

// `text` as a JSON string; InvalidArgument when it is not UTF-8.
absl::StatusOr<std::string> Quote(absl::string_view text) {
  const nlohmann::json value = std::string(text);
  std::string quoted = value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  if (nlohmann::json::parse(quoted, nullptr, false) != value) {
    return absl::InvalidArgumentError("safetensors: a text of the metadata is not UTF-8");
  }
  return quoted;
}

absl::StatusOr<std::string> QuoteMetadata(const ModelSpec& spec, SafetensorsMetadata metadata) {
  const auto [entry, added] = metadata.try_emplace("architecture", spec.architecture);
  if (entry->second != spec.architecture) {
    return absl::InvalidArgumentError(absl::StrCat("safetensors: the metadata say architecture ",
                                                   entry->second, ", the spec says ",
                                                   spec.architecture));
  }
  std::vector<std::string> pairs;
  for (const auto& [key, value] : metadata) {
    HILUM_ASSIGN_OR_RETURN(const std::string quoted_key, Quote(key));
    HILUM_ASSIGN_OR_RETURN(const std::string quoted_value, Quote(value));
    pairs.push_back(absl::StrCat(quoted_key, ":", quoted_value));
  }
  return absl::StrCat("{", absl::StrJoin(pairs, ","), "}");
}

absl::Status CheckTensor(const TensorSpec& tensor, int64_t expected_offset) {
  if (!IsPrintable(tensor.name, kTensorNameLimitBytes) || tensor.name == "__metadata__") {
    return absl::InvalidArgumentError(
        absl::StrCat("a tensor's name is not 1 to 255 printable ASCII characters: ", tensor.name));
  }
  if (tensor.shape.size() > kTensorDimensionsLimit) {
    return absl::InvalidArgumentError(absl::StrCat(
        "tensor ", tensor.name, " has ", tensor.shape.size(), " extents, the limit is 8"));
  }
  int64_t size = 1;
  for (const int64_t extent : tensor.shape) {
    if (extent < 1 || extent > kParametersLimit / size) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", tensor.name, " has an extent of ", extent,
                       ", each is at least 1 and a model has at most 2^32 - 3 values"));
    }
    size *= extent;
  }
  if (size != tensor.size || tensor.offset != expected_offset) {
    return absl::InvalidArgumentError(absl::StrCat(
        "tensor ", tensor.name, " has offset ", tensor.offset, " and size ", tensor.size,
        ", its place and shape make them ", expected_offset, " and ", size));
  }
  return absl::OkStatus();
}

// The header's tensors in the order of their data, checked to fill the file exactly.
absl::StatusOr<ModelSpec> LayOut(std::vector<internal::HeaderTensor> tensors, uint64_t data_bytes) {
  for (const internal::HeaderTensor& tensor : tensors) {
    if (tensor.dtype != "F32") {
      return Bad(
          absl::StrCat("tensor ", tensor.name, " has dtype ", tensor.dtype, ", only F32 is taken"));
    }
    if (tensor.data_offsets.size() != 2) {
      return Bad(absl::StrCat("tensor ", tensor.name, " does not have two data_offsets"));
    }
  }
  std::sort(tensors.begin(), tensors.end(),
            [](const auto& a, const auto& b) { return a.data_offsets[0] < b.data_offsets[0]; });
  ModelSpec spec;
  uint64_t offset_bytes = 0;
  for (internal::HeaderTensor& tensor : tensors) {
    if (tensor.data_offsets[0] != offset_bytes) {
      return Bad(absl::StrCat("a gap or overlap before tensor ", tensor.name, ": it starts at ",
                              tensor.data_offsets[0], ", the one before ended at ", offset_bytes));
    }
    TensorSpec layout{.name = std::move(tensor.name),
                      .shape = {},
                      .offset = static_cast<int64_t>(offset_bytes / sizeof(float)),
                      .size = 1};
    for (const uint64_t extent : tensor.shape) {
      if (extent < 1 || extent > static_cast<uint64_t>(kParametersLimit / layout.size)) {
        return Bad(absl::StrCat("tensor ", layout.name, " has an extent of ", extent,
                                ", each is at least 1 and a model has at most 2^32 - 3 values"));
      }
      layout.shape.push_back(static_cast<int64_t>(extent));
      layout.size *= static_cast<int64_t>(extent);
    }
    offset_bytes += static_cast<uint64_t>(layout.size) * sizeof(float);
    if (tensor.data_offsets[1] != offset_bytes) {
      return Bad(absl::StrCat("tensor ", layout.name, " ends at ", tensor.data_offsets[1],
                              ", its shape ends at ", offset_bytes));
    }
    if (offset_bytes > data_bytes) break;  // the file is shorter: said below
    spec.tensors.push_back(std::move(layout));
  }
  if (offset_bytes != data_bytes) {
    return Bad(absl::StrCat("the header describes ", offset_bytes, " bytes of data, the file has ",
                            data_bytes));
  }
  return spec;
}

absl::Status CheckFinite(const ModelSpec& spec, std::span<const float> flat) {
  for (const TensorSpec& tensor : spec.tensors) {
    for (int64_t i = tensor.offset; i < tensor.offset + tensor.size; ++i) {
      if (!std::isfinite(flat[i])) {
        return Bad(absl::StrCat("value ", i - tensor.offset, " of tensor ", tensor.name, " is ",
                                flat[i], ", every value must be finite"));
      }
    }
  }
  return absl::OkStatus();
}

std::string ShapeText(const TensorSpec& tensor) {
  return absl::StrCat("[", absl::StrJoin(tensor.shape, ","), "]");
}

const TensorSpec* FindTensor(const ModelSpec& spec, const std::string& name) {
  for (const TensorSpec& tensor : spec.tensors) {
    if (tensor.name == name) return &tensor;
  }
  return nullptr;
}

}  // namespace

absl::Status CheckModelSpec(const ModelSpec& spec) {
  if (!IsPrintable(spec.architecture, 63)) {
    return absl::InvalidArgumentError(
        "a model's architecture is not 1 to 63 printable ASCII characters");
  }
  if (spec.tensors.empty() || spec.tensors.size() > kTensorsLimit) {
    return absl::InvalidArgumentError(absl::StrCat("model ", spec.architecture, " has ",
                                                   spec.tensors.size(),
                                                   " tensors, the range is 1 to 4096"));
  }
  std::set<absl::string_view> names;
  int64_t offset = 0;
  for (const TensorSpec& tensor : spec.tensors) {
    HILUM_RETURN_IF_ERROR(CheckTensor(tensor, offset));
    if (!names.insert(tensor.name).second) {
      return absl::InvalidArgumentError(absl::StrCat("two tensors are named ", tensor.name));
    }
    offset += tensor.size;
    if (offset > kParametersLimit) {
      return absl::InvalidArgumentError(
          absl::StrCat("model ", spec.architecture, " has more than 2^32 - 3 values"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Bytes> EncodeSafetensorsHeader(const ModelSpec& spec,
                                              const SafetensorsMetadata& metadata) {
  HILUM_RETURN_IF_ERROR(CheckModelSpec(spec));
  HILUM_ASSIGN_OR_RETURN(std::string header, QuoteMetadata(spec, metadata));
  header.insert(0, "{\"__metadata__\":");
  for (const TensorSpec& tensor : spec.tensors) {
    HILUM_ASSIGN_OR_RETURN(const std::string name, Quote(tensor.name));
    absl::StrAppend(&header, ",", name, ":{\"dtype\":\"F32\",\"shape\":", ShapeText(tensor),
                    ",\"data_offsets\":[", tensor.offset * 4, ",",
                    (tensor.offset + tensor.size) * 4, "]}");
  }
  header.push_back('}');
  header.resize((header.size() + kAlignBytes - 1) / kAlignBytes * kAlignBytes, ' ');
  if (header.size() > kSafetensorsHeaderLimitBytes) {
    return absl::InvalidArgumentError(absl::StrCat("safetensors: the header has ", header.size(),
                                                   " bytes, the limit is ",
                                                   kSafetensorsHeaderLimitBytes));
  }
  Bytes bytes(kLengthBytes);
  const uint64_t length = header.size();
  std::memcpy(bytes.data(), &length, sizeof(length));
  AppendText(bytes, header);
  return bytes;
}

absl::StatusOr<Bytes> EncodeSafetensors(const ModelSpec& spec, std::span<const float> flat,
                                        const SafetensorsMetadata& metadata) {
  HILUM_ASSIGN_OR_RETURN(Bytes bytes, EncodeSafetensorsHeader(spec, metadata));
  if (static_cast<int64_t>(flat.size()) != spec.n_params()) {
    return absl::InvalidArgumentError(
        absl::StrCat("safetensors: ", flat.size(), " values, the spec has ", spec.n_params()));
  }
  HILUM_RETURN_IF_ERROR(CheckFinite(spec, flat));
  const size_t header_bytes = bytes.size();
  bytes.resize(header_bytes + flat.size_bytes());
  std::memcpy(bytes.data() + header_bytes, flat.data(), flat.size_bytes());
  return bytes;
}

absl::StatusOr<SafetensorsHeader> ParseSafetensorsHeader(ByteView head, uint64_t file_bytes) {
  if (file_bytes < kLengthBytes) return Bad("the file is shorter than 8 bytes");
  if (head.size() < kLengthBytes) return absl::OutOfRangeError("8 bytes are needed");
  uint64_t length = 0;
  std::memcpy(&length, head.data(), sizeof(length));
  if (length > kSafetensorsHeaderLimitBytes) {
    return Bad(absl::StrCat("the header has ", length, " bytes, the limit is ",
                            kSafetensorsHeaderLimitBytes));
  }
  if (length > file_bytes - kLengthBytes) {
    return Bad(absl::StrCat("the header has ", length, " bytes, the file only ", file_bytes));
  }
  if (head.size() - kLengthBytes < length) {
    return absl::OutOfRangeError(absl::StrCat(kLengthBytes + length, " bytes are needed"));
  }
  const absl::string_view json = AsText(head.subspan(kLengthBytes, length));
  if (json.empty() || json.front() != '{') return Bad("the header does not start with {");
  HILUM_ASSIGN_OR_RETURN(internal::HeaderFields fields, internal::ReadHeaderJson(json));
  SafetensorsHeader header;
  header.data_offset = kLengthBytes + length;
  HILUM_ASSIGN_OR_RETURN(header.spec,
                         LayOut(std::move(fields.tensors), file_bytes - header.data_offset));
  header.metadata = std::move(fields.metadata);
  header.spec.architecture = header.metadata["architecture"];
  if (const absl::Status status = CheckModelSpec(header.spec); !status.ok()) {
    return Bad(status.message());
  }
  return header;
}

absl::StatusOr<Bytes> EncodeRoundModel(SafetensorsFile base, const ModelStamp& stamp) {
  base.metadata["round"] = absl::StrCat(stamp.round);
  base.metadata["job"] = stamp.job;
  base.metadata["origin"] = stamp.ledger;
  return EncodeSafetensors(base.spec, base.flat, base.metadata);
}

absl::StatusOr<SafetensorsFile> ParseSafetensors(ByteView file) {
  absl::StatusOr<SafetensorsHeader> header = ParseSafetensorsHeader(file, file.size());
  if (!header.ok()) return header.status();
  SafetensorsFile parsed{.spec = std::move(header->spec),
                         .flat = std::vector<float>((file.size() - header->data_offset) / 4),
                         .metadata = std::move(header->metadata)};
  std::memcpy(parsed.flat.data(), file.data() + header->data_offset, parsed.flat.size() * 4);
  HILUM_RETURN_IF_ERROR(CheckFinite(parsed.spec, parsed.flat));
  return parsed;
}

absl::StatusOr<SafetensorsFile> ParseSafetensorsAs(ByteView file, const ModelSpec& spec) {
  HILUM_ASSIGN_OR_RETURN(SafetensorsFile parsed, ParseSafetensors(file));
  if (parsed.spec == spec) return parsed;
  if (parsed.spec.architecture != spec.architecture ||
      parsed.spec.tensors.size() != spec.tensors.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the file holds ", parsed.spec.architecture, " with ", parsed.spec.tensors.size(),
        " tensors, wanted is ", spec.architecture, " with ", spec.tensors.size()));
  }
  std::vector<float> flat(parsed.flat.size());
  for (const TensorSpec& wanted : spec.tensors) {
    const TensorSpec* found = FindTensor(parsed.spec, wanted.name);
    if (found == nullptr || found->shape != wanted.shape) {
      return absl::InvalidArgumentError(absl::StrCat(
          "tensor ", wanted.name, " has the shape ", found == nullptr ? "none" : ShapeText(*found),
          " in the file, wanted is ", ShapeText(wanted)));
    }
    std::copy_n(parsed.flat.begin() + found->offset, found->size, flat.begin() + wanted.offset);
  }
  parsed.flat = std::move(flat);
  parsed.spec = spec;
  return parsed;
}

}  // namespace hilum::proto

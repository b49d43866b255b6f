#include "proto/safetensors_header.h"

#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "proto/safetensors.h"

namespace hilum::proto::internal {
namespace {

using Json = nlohmann::json;

constexpr absl::string_view kMetadataKey = "__metadata__";

// What the parser calls. Each call returns false to stop; `problem_` then says why.
// Depth 1 is the file's object, depth 2 a tensor or the metadata; arrays stand only in a tensor.
class HeaderEvents final : public nlohmann::json_sax<Json> {
 public:
  bool null() override { return Refuse("holds a null"); }
  bool boolean(bool) override { return Refuse("holds a boolean"); }
  bool number_integer(number_integer_t) override { return Refuse("holds a negative number"); }
  bool number_float(number_float_t, const string_t&) override {
    return Refuse("holds a real or too large number");
  }
  bool binary(binary_t&) override { return Refuse("holds binary data"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (!in_array_) return Refuse("holds a number outside a list");
    std::vector<uint64_t>& list = Array();
    if (list.size() >= kTensorDimensionsLimit) return Refuse("holds a list of over 8 numbers");
    list.push_back(value);
    return true;
  }

  bool string(string_t& value) override {
    if (depth_ != 2 || in_array_) return Refuse("holds a string out of place");
    if (in_metadata_) {
      fields_.metadata[key_] = std::move(value);
      return true;
    }
    if (key_ != "dtype") return Refuse("holds a string that is no dtype");
    fields_.tensors.back().dtype = std::move(value);
    return true;
  }

  bool start_object(std::size_t) override {
    if (++depth_ > 2 || in_array_) return Refuse("is nested too deeply");
    if (depth_ == 1) return true;
    inner_keys_.clear();
    in_metadata_ = key_ == kMetadataKey;
    if (in_metadata_) return true;
    if (fields_.tensors.size() >= kTensorsLimit) return Refuse("names over 4096 tensors");
    fields_.tensors.push_back({.name = key_, .dtype = "", .shape = {}, .data_offsets = {}});
    return true;
  }

  bool end_object() override {
    if (depth_-- == 2 && !in_metadata_ && inner_keys_.size() != 3) {
      return Refuse("has a tensor without dtype, shape and data_offsets");
    }
    return true;
  }

  bool key(string_t& value) override {
    key_ = std::move(value);
    if (!(depth_ == 1 ? outer_keys_ : inner_keys_).insert(key_).second) {
      return Refuse("has a doubled key");
    }
    const bool known = key_ == "dtype" || key_ == "shape" || key_ == "data_offsets";
    if (depth_ == 2 && !in_metadata_ && !known) return Refuse("has an unknown key");
    return true;
  }

  bool start_array(std::size_t) override {
    if (depth_ != 2 || in_metadata_ || in_array_ || key_ == "dtype") {
      return Refuse("holds a list out of place");
    }
    in_array_ = true;
    return true;
  }

  bool end_array() override {
    in_array_ = false;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&, const Json::exception&) override {
    problem_ = absl::StrCat("is not JSON at byte ", position);
    return false;
  }

  const std::string& problem() const { return problem_; }
  HeaderFields Take() { return std::move(fields_); }

 private:
  bool Refuse(absl::string_view what) {
    problem_ = absl::StrCat(what, " (key \"", key_.substr(0, 80), "\")");
    return false;
  }
  std::vector<uint64_t>& Array() {
    HeaderTensor& tensor = fields_.tensors.back();
    return key_ == "shape" ? tensor.shape : tensor.data_offsets;
  }

  HeaderFields fields_;
  std::string problem_;
  std::string key_;
  std::set<std::string> outer_keys_;
  std::set<std::string> inner_keys_;
  int depth_ = 0;
  bool in_metadata_ = false;
  bool in_array_ = false;
};

}  // namespace

absl::StatusOr<HeaderFields> ReadHeaderJson(absl::string_view json) {
  HeaderEvents events;
  const bool good = Json::sax_parse(json.begin(), json.end(), &events);
  if (!good) {
    return absl::DataLossError(absl::StrCat("safetensors: the header ", events.problem()));
  }
  return events.Take();
}

}  // namespace hilum::proto::internal

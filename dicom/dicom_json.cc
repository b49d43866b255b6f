#include "dicom/dicom_json.h"

#include <cstdlib>
#include <utility>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hilum::dicom {
namespace {

using nlohmann::json;

constexpr const char* kReferencedSops = "00081199";
constexpr const char* kFailedSops = "00081198";
constexpr const char* kFailureReason = "00081197";
constexpr const char* kReferencedSopInstance = "00081155";

// The values of an attribute of a data set; null where there are none.
const json* ValuesOf(const json& data_set, const char* tag) {
  const auto attribute = data_set.find(tag);
  if (attribute == data_set.end() || !attribute->is_object()) return nullptr;
  const auto values = attribute->find("Value");
  return values == attribute->end() || !values->is_array() ? nullptr : &*values;
}

// Before the text becomes a tree of some forty bytes a value.
absl::Status CheckShape(absl::string_view text) {
  int nesting = 0;
  size_t n_values = 0;
  bool in_text = false;
  for (size_t at = 0; at < text.size(); ++at) {
    const char c = text[at];
    if (in_text) {
      if (c == '\\') ++at;
      if (c == '"') in_text = false;
      continue;
    }
    if (c == '"') in_text = true;
    if (c == '[' || c == '{') ++nesting;
    if (c == ']' || c == '}') --nesting;
    if (c == '[' || c == '{' || c == ',') ++n_values;
    if (nesting > kJsonNestingLimit || n_values > kJsonValuesLimit) {
      return absl::InvalidArgumentError(absl::StrCat("the server's answer has more than ",
                                                     kJsonNestingLimit, " levels or more than ",
                                                     kJsonValuesLimit, " values, the limits"));
    }
  }
  return absl::OkStatus();
}

JsonAttributes AttributesOf(const json& data_set) {
  JsonAttributes attributes;
  for (const auto& item : data_set.items()) {
    const json* values = ValuesOf(data_set, item.key().c_str());
    if (values == nullptr) continue;
    std::vector<std::string> texts;
    for (const json& value : *values) {
      if (value.is_string()) texts.push_back(value.get_ref<const std::string&>());
      if (value.is_number()) texts.push_back(value.dump());
    }
    if (!texts.empty()) attributes.emplace(item.key(), std::move(texts));
  }
  return attributes;
}

}  // namespace

std::string FirstOf(const JsonAttributes& attributes, const char* tag) {
  const auto found = attributes.find(tag);
  return found == attributes.end() ? "" : found->second.front();
}

absl::StatusOr<std::vector<JsonAttributes>> ParseDicomJson(absl::string_view text) {
  HILUM_RETURN_IF_ERROR(CheckShape(text));
  const json document = json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!document.is_array()) {
    return absl::InvalidArgumentError("the server's answer is not an array of DICOM JSON");
  }
  if (document.size() > kJsonDataSetsLimit) {
    return absl::InvalidArgumentError(absl::StrCat("the server's answer has ", document.size(),
                                                   " data sets, the limit is ",
                                                   kJsonDataSetsLimit));
  }
  std::vector<JsonAttributes> data_sets;
  for (const json& data_set : document) {
    if (!data_set.is_object()) {
      return absl::InvalidArgumentError("the server's answer holds what is no data set");
    }
    data_sets.push_back(AttributesOf(data_set));
  }
  return data_sets;
}

absl::StatusOr<StoreAnswer> ParseStoreAnswer(absl::string_view text) {
  HILUM_RETURN_IF_ERROR(CheckShape(text));
  json document = json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (document.is_array() && document.size() == 1) {
    json only = std::move(document[0]);  // some servers answer with an array of one
    document = std::move(only);
  }
  if (!document.is_object()) {
    return absl::InvalidArgumentError("the server's answer to a store request is no data set");
  }
  StoreAnswer answer;
  const auto each = [&](const char* sequence, const auto& take) {
    const json* items = ValuesOf(document, sequence);
    if (items == nullptr) return;
    for (const json& item : *items) {
      if (item.is_object()) take(AttributesOf(item));
    }
  };
  each(kReferencedSops, [&](const JsonAttributes& item) {
    answer.stored.push_back(FirstOf(item, kReferencedSopInstance));
  });
  each(kFailedSops, [&](const JsonAttributes& item) {
    answer.failed.emplace_back(FirstOf(item, kReferencedSopInstance),
                               std::atoi(FirstOf(item, kFailureReason).c_str()));
  });
  return answer;
}

}  // namespace hilum::dicom

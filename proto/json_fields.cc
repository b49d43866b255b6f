#include "proto/json_fields.h"

#include "absl/strings/str_cat.h"
#include "proto/canonical_json.h"

namespace hilum::proto {

using Json = nlohmann::json;

JsonFields::JsonFields(const Json& object, absl::string_view place)
    : object_(&object), place_(place) {
  if (!object.is_object()) {
    status_ = absl::InvalidArgumentError(absl::StrCat(place_, " is not a JSON object"));
  }
}

bool JsonFields::Has(absl::string_view key) const {
  return object_->is_object() && object_->contains(std::string(key));
}

const Json* JsonFields::Find(absl::string_view key) {
  known_.insert(std::string(key));
  if (!object_->is_object()) return nullptr;
  const auto found = object_->find(std::string(key));
  if (found != object_->end()) return &*found;
  Fail(key, "is missing");
  return nullptr;
}

void JsonFields::Fail(absl::string_view key, absl::string_view what) {
  if (!status_.ok()) return;
  status_ = absl::InvalidArgumentError(absl::StrCat(place_, ".", key, " ", what));
}

std::string JsonFields::Text(absl::string_view key) {
  const Json* value = Find(key);
  if (value == nullptr) return "";
  if (value->is_string()) return value->get<std::string>();
  Fail(key, "is not a string");
  return "";
}

uint64_t JsonFields::Integer(absl::string_view key, uint64_t least, uint64_t most) {
  const Json* value = Find(key);
  if (value == nullptr) return least;
  if (!value->is_number_unsigned()) {
    Fail(key, "is not an integer of at least 0");
    return least;
  }
  const uint64_t number = value->get<uint64_t>();
  if (number >= least && number <= most) return number;
  Fail(key, absl::StrCat("is ", number, ", the range is ", least, " to ", most));
  return least;
}

double JsonFields::Decimal(absl::string_view key) {
  const absl::StatusOr<double> number = ParseDecimal(Text(key));
  if (number.ok()) return *number;
  Fail(key, "is not a decimal number in a string");
  return 0;
}

bool JsonFields::Flag(absl::string_view key) {
  const Json* value = Find(key);
  if (value == nullptr) return false;
  if (value->is_boolean()) return value->get<bool>();
  Fail(key, "is neither true nor false");
  return false;
}

Digest JsonFields::Hash(absl::string_view key) {
  const absl::StatusOr<Digest> digest = DigestFromHex(Text(key));
  if (digest.ok()) return *digest;
  Fail(key, "is not 64 lowercase hexadecimal digits");
  return {};
}

std::vector<std::string> JsonFields::Texts(absl::string_view key, size_t limit) {
  std::vector<std::string> texts;
  const Json* value = Find(key);
  if (value == nullptr) return texts;
  if (!value->is_array() || value->size() > limit) {
    Fail(key, absl::StrCat("is not a list of at most ", limit, " strings"));
    return texts;
  }
  for (const Json& item : *value) {
    if (!item.is_string()) Fail(key, "holds something that is not a string");
    texts.push_back(item.is_string() ? item.get<std::string>() : "");
  }
  return texts;
}

std::vector<int64_t> JsonFields::Integers(absl::string_view key, size_t limit) {
  std::vector<int64_t> integers;
  const Json* value = Find(key);
  if (value == nullptr) return integers;
  if (!value->is_array() || value->size() > limit) {
    Fail(key, absl::StrCat("is not a list of at most ", limit, " integers"));
    return integers;
  }
  for (const Json& item : *value) {
    const bool good = item.is_number_unsigned() && item.get<uint64_t>() <= kJsonIntegerLimit;
    if (!good) Fail(key, "holds something that is not an integer of at least 0");
    integers.push_back(good ? item.get<int64_t>() : 0);
  }
  return integers;
}

const Json& JsonFields::Value(absl::string_view key) {
  static const Json* const empty = new Json(Json::object());
  const Json* value = Find(key);
  return value == nullptr ? *empty : *value;
}

absl::Status JsonFields::Finish() const {
  if (!status_.ok()) return status_;
  for (const auto& [key, value] : object_->items()) {
    if (!known_.contains(key)) {
      return absl::InvalidArgumentError(absl::StrCat(place_, " has the unknown field ", key));
    }
  }
  return absl::OkStatus();
}

}  // namespace hilum::proto

// Reads the fields of one JSON object that came from outside, and notices unknown ones.
#ifndef HILUM_PROTO_JSON_FIELDS_H_
#define HILUM_PROTO_JSON_FIELDS_H_

#include <cstdint>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "nlohmann/json.hpp"

namespace hilum::proto {

// Each getter marks its key as known. The first thing that is wrong is kept, and Finish returns it:
// a codec is a straight list of fields. All errors are InvalidArgument and name the field.
class JsonFields {
 public:
  // `place` names the object in sentences, for example "model"; `object` must outlive this.
  JsonFields(const nlohmann::json& object, absl::string_view place);

  bool Has(absl::string_view key) const;
  std::string Text(absl::string_view key);
  uint64_t Integer(absl::string_view key, uint64_t least = 0,
                   uint64_t most = std::numeric_limits<int64_t>::max());
  double Decimal(absl::string_view key);  // a string, see CheckDecimal
  bool Flag(absl::string_view key);
  Digest Hash(absl::string_view key);  // 64 hexadecimal digits
  std::vector<std::string> Texts(absl::string_view key, size_t limit);
  std::vector<int64_t> Integers(absl::string_view key, size_t limit);
  // The value itself, an empty object when it is missing.
  const nlohmann::json& Value(absl::string_view key);

  void Fail(absl::string_view key, absl::string_view what);
  // The first failure, else an unknown field, else OK.
  absl::Status Finish() const;

 private:
  const nlohmann::json* Find(absl::string_view key);

  const nlohmann::json* object_;
  std::string place_;
  std::set<std::string> known_;
  absl::Status status_;
};

}  // namespace hilum::proto

#endif  // HILUM_PROTO_JSON_FIELDS_H_

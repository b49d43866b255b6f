// The canonical parser against a general one: it accepts exactly what Canonicalize writes.
#include <cstdint>

#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "base/check.h"
#include "proto/canonical_json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hilum;
  const absl::string_view text = AsText(ByteView(data, size));
  const auto value = proto::ParseCanonical(text, 1 << 16);
  if (value.ok()) {
    const absl::StatusOr<std::string> again = proto::Canonicalize(*value);
    HILUM_CHECK(again.ok() && *again == text);
    HILUM_CHECK(nlohmann::json::parse(text.begin(), text.end(), nullptr, false) == *value);
  }
  const absl::StatusOr<double> number = proto::ParseDecimal(text);
  if (number.ok()) {
    const absl::StatusOr<std::string> shortest = proto::FormatDecimal(*number);
    HILUM_CHECK(shortest.ok() && proto::ParseDecimal(*shortest).value() == *number);
  }
  return 0;
}

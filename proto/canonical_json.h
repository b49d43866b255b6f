// The one JSON encoding of everything that is hashed or signed: RFC 8785, narrowed (ledger.md 3.1).
#ifndef HILUM_PROTO_CANONICAL_JSON_H_
#define HILUM_PROTO_CANONICAL_JSON_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nlohmann/json.hpp"

namespace hilum::proto {

// Nesting deeper than this is refused.
inline constexpr int kJsonDepthLimit = 16;
// The largest integer: what every JSON reader keeps exactly.
inline constexpr uint64_t kJsonIntegerLimit = (uint64_t{1} << 53) - 1;

// The only spelling of `value`: no white space, keys [a-z0-9_]+ sorted by byte, UTF-8, only `"` and
// `\` escaped, integers 0..2^53-1. The same bytes as Python's
//   json.dumps(e, sort_keys=True, separators=(',',':'), ensure_ascii=False).encode()
// InvalidArgument: null, a real or negative number, a key or string out of those rules, or nesting
// deeper than kJsonDepthLimit; the sentence names the place.
absl::StatusOr<std::string> Canonicalize(const nlohmann::json& value);

// Parses one object in exactly the form that Canonicalize writes: what parses, encodes to the same
// bytes again. ResourceExhausted: longer than `limit_bytes`. DataLoss: any other text (doubled
// keys, order, escapes and spaces are caught here); the sentence says what and where.
absl::StatusOr<nlohmann::json> ParseCanonical(absl::string_view text, uint64_t limit_bytes);

// A real number travels as a string -?(0|[1-9][0-9]*)(\.[0-9]*[1-9])?, never "-0".
// InvalidArgument: another form, or longer than 400 bytes.
absl::Status CheckDecimal(absl::string_view text);

// The shortest such string that reads back as the same double; both zeros are "0".
// InvalidArgument: NaN or infinity.
absl::StatusOr<std::string> FormatDecimal(double value);

// The double that `text` is nearest to. InvalidArgument: as CheckDecimal, or too large for a
// double.
absl::StatusOr<double> ParseDecimal(absl::string_view text);

// Well-formed UTF-8 (Unicode 15, table 3-7): no surrogates, no overlong forms, at most U+10FFFF.
bool IsUtf8(absl::string_view text);

}  // namespace hilum::proto

#endif  // HILUM_PROTO_CANONICAL_JSON_H_

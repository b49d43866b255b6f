#include "proto/canonical_json.h"

#include <array>
#include <charconv>
#include <cmath>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hilum::proto {
namespace {

using Json = nlohmann::json;

constexpr size_t kDecimalLimitBytes = 400;

absl::Status Refused(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("canonical JSON has ", what));
}

absl::Status CheckKey(absl::string_view key) {
  bool good = !key.empty();
  for (const char c : key) {
    good = good && ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_');
  }
  if (good) return absl::OkStatus();
  return Refused(absl::StrCat("the key \"", key.substr(0, 64), "\", which is not [a-z0-9_]+"));
}

absl::Status AppendString(absl::string_view text, std::string& out) {
  out += '"';
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20) return Refused("a string with a control character");
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  out += '"';
  if (IsUtf8(text)) return absl::OkStatus();
  return Refused("a string that is not UTF-8");
}

absl::Status AppendNumber(const Json& value, std::string& out) {
  if (value.is_number_float()) {
    return Refused("a number with a fraction or exponent; reals are decimal strings");
  }
  if (!value.is_number_unsigned() && value.get<int64_t>() < 0) {
    return Refused(absl::StrCat("the negative integer ", value.get<int64_t>()));
  }
  const auto number = value.get<uint64_t>();
  if (number > kJsonIntegerLimit) {
    return Refused(absl::StrCat("the integer ", number, ", the limit is ", kJsonIntegerLimit));
  }
  absl::StrAppend(&out, number);
  return absl::OkStatus();
}

absl::Status AppendValue(const Json& value, int depth, std::string& out);

absl::Status AppendObject(const Json& value, int depth, std::string& out) {
  out += '{';
  bool first = true;
  for (const auto& [key, item] : value.items()) {  // std::map: sorted by byte
    HILUM_RETURN_IF_ERROR(CheckKey(key));
    absl::StrAppend(&out, first ? "\"" : ",\"", key, "\":");
    HILUM_RETURN_IF_ERROR(AppendValue(item, depth, out));
    first = false;
  }
  out += '}';
  return absl::OkStatus();
}

absl::Status AppendArray(const Json& value, int depth, std::string& out) {
  out += '[';
  bool first = true;
  for (const Json& item : value) {
    if (!first) out += ',';
    HILUM_RETURN_IF_ERROR(AppendValue(item, depth, out));
    first = false;
  }
  out += ']';
  return absl::OkStatus();
}

absl::Status AppendValue(const Json& value, int depth, std::string& out) {
  if (depth == 0 && value.is_structured()) {
    return Refused(absl::StrCat("more than ", kJsonDepthLimit, " nested levels"));
  }
  switch (value.type()) {
    case Json::value_t::object:
      return AppendObject(value, depth - 1, out);
    case Json::value_t::array:
      return AppendArray(value, depth - 1, out);
    case Json::value_t::string:
      return AppendString(value.get_ref<const std::string&>(), out);
    case Json::value_t::boolean:
      out += value.get<bool>() ? "true" : "false";
      return absl::OkStatus();
    case Json::value_t::number_integer:
    case Json::value_t::number_unsigned:
    case Json::value_t::number_float:
      return AppendNumber(value, out);
    default:
      return Refused("a null; leave the field out");
  }
}

// Reads the canonical form and nothing else: what it accepts, Canonicalize writes back byte for
// byte. (A general JSON parser keeps the last of two equal keys without a word.)
class CanonicalParser {
 public:
  explicit CanonicalParser(absl::string_view text) : rest_(text) {}

  absl::StatusOr<Json> ParseObject() {
    Json object;
    bool good = TakeObject(object, kJsonDepthLimit);
    if (good && !rest_.empty()) good = Fail("text after the object");
    if (good) return object;
    return absl::DataLossError(absl::StrCat("a JSON text is not in canonical form: ", why_, " ",
                                            rest_.size(), " bytes before its end"));
  }

 private:
  // Always false, so that a caller can return it.
  bool Fail(absl::string_view why) {
    if (why_.empty()) why_ = why;
    return false;
  }

  bool TakeByte(char byte) {
    if (rest_.empty() || rest_[0] != byte) return false;
    rest_.remove_prefix(1);
    return true;
  }

  bool TakeValue(Json& out, int depth) {
    if (rest_.empty()) return Fail("its end is missing");
    switch (rest_[0]) {
      case '{':
        return TakeObject(out, depth);
      case '[':
        return TakeArray(out, depth);
      case '"':
        out = std::string();
        return TakeString(out.get_ref<std::string&>());
      case 't':
        return TakeLiteral("true", true, out);
      case 'f':
        return TakeLiteral("false", false, out);
      default:
        return TakeInteger(out);
    }
  }

  bool TakeLiteral(absl::string_view literal, bool value, Json& out) {
    if (rest_.substr(0, literal.size()) != literal) return Fail("no value");
    rest_.remove_prefix(literal.size());
    out = value;
    return true;
  }

  bool TakeInteger(Json& out) {
    size_t n = 0;
    uint64_t value = 0;
    while (n < rest_.size() && rest_[n] >= '0' && rest_[n] <= '9' && n < 17) {
      value = value * 10 + static_cast<uint64_t>(rest_[n++] - '0');
    }
    if (n == 0 || (n > 1 && rest_[0] == '0') || value > kJsonIntegerLimit) {
      return Fail("no integer of 0 to 2^53-1 and no other value");
    }
    rest_.remove_prefix(n);
    out = value;
    return true;
  }

  bool TakeString(std::string& out) {
    if (!TakeByte('"')) return Fail("no string");
    for (size_t i = 0; i < rest_.size(); ++i) {
      const char c = rest_[i];
      if (static_cast<unsigned char>(c) < 0x20) return Fail("a control character in a string");
      if (c == '"') {
        rest_.remove_prefix(i + 1);
        return IsUtf8(out) || Fail("a string that is not UTF-8");
      }
      if (c == '\\') {
        if (++i == rest_.size() || (rest_[i] != '"' && rest_[i] != '\\')) {
          return Fail("an escape that is not needed");
        }
      }
      out += rest_[i];
    }
    return Fail("the end of a string is missing");
  }

  bool TakeArray(Json& out, int depth) {
    if (depth == 0) return Fail("too many nested levels");
    out = Json::array();
    TakeByte('[');
    if (TakeByte(']')) return true;
    do {
      out.emplace_back();
      if (!TakeValue(out.back(), depth - 1)) return false;
    } while (TakeByte(','));
    return TakeByte(']') || Fail("no ',' or ']' after an item");
  }

  bool TakeObject(Json& out, int depth) {
    if (depth == 0) return Fail("too many nested levels");
    if (!TakeByte('{')) return Fail("no object");
    out = Json::object();
    auto& members = out.get_ref<Json::object_t&>();
    if (TakeByte('}')) return true;
    do {
      std::string key;
      if (!TakeString(key)) return false;
      if (!CheckKey(key).ok()) return Fail("a key that is not [a-z0-9_]+");
      if (!members.empty() && key <= members.rbegin()->first) {
        return Fail("a key that is doubled or not in order");
      }
      if (!TakeByte(':')) return Fail("no ':' after a key");
      const auto member = members.emplace_hint(members.end(), std::move(key), Json());
      if (!TakeValue(member->second, depth - 1)) return false;
    } while (TakeByte(','));
    return TakeByte('}') || Fail("no ',' or '}' after a value");
  }

  absl::string_view rest_;
  absl::string_view why_;
};

// The least and greatest second byte after `first`, which starts a sequence of n bytes.
struct Utf8Range {
  size_t n;
  uint8_t least;
  uint8_t most;
};

Utf8Range Utf8RangeOf(uint8_t first) {
  if (first >= 0xC2 && first <= 0xDF) return {2, 0x80, 0xBF};
  if (first == 0xE0) return {3, 0xA0, 0xBF};
  if (first == 0xED) return {3, 0x80, 0x9F};
  if (first >= 0xE1 && first <= 0xEF) return {3, 0x80, 0xBF};
  if (first == 0xF0) return {4, 0x90, 0xBF};
  if (first >= 0xF1 && first <= 0xF3) return {4, 0x80, 0xBF};
  if (first == 0xF4) return {4, 0x80, 0x8F};
  return {0, 0, 0};
}

}  // namespace

bool IsUtf8(absl::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const auto first = static_cast<uint8_t>(text[i]);
    if (first < 0x80) {
      ++i;
      continue;
    }
    const Utf8Range range = Utf8RangeOf(first);
    if (range.n == 0 || text.size() - i < range.n) return false;
    for (size_t k = 1; k < range.n; ++k) {
      const auto byte = static_cast<uint8_t>(text[i + k]);
      const uint8_t least = k == 1 ? range.least : 0x80;
      const uint8_t most = k == 1 ? range.most : 0xBF;
      if (byte < least || byte > most) return false;
    }
    i += range.n;
  }
  return true;
}

absl::StatusOr<std::string> Canonicalize(const Json& value) {
  std::string out;
  HILUM_RETURN_IF_ERROR(AppendValue(value, kJsonDepthLimit, out));
  return out;
}

absl::StatusOr<Json> ParseCanonical(absl::string_view text, uint64_t limit_bytes) {
  if (text.size() > limit_bytes) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a JSON text has ", text.size(), " bytes, the limit is ", limit_bytes));
  }
  return CanonicalParser(text).ParseObject();
}

absl::Status CheckDecimal(absl::string_view text) {
  const absl::Status refused = absl::InvalidArgumentError(
      absl::StrCat("\"", text.substr(0, 64), "\" is not a decimal -?(0|[1-9][0-9]*)(.[0-9]*[1-9])?",
                   " of at most ", kDecimalLimitBytes, " bytes, or is -0"));
  if (text.size() > kDecimalLimitBytes || text == "-0") return refused;
  if (!text.empty() && text[0] == '-') text.remove_prefix(1);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  size_t n = 0;
  while (n < text.size() && is_digit(text[n])) ++n;
  if (n == 0 || (n > 1 && text[0] == '0')) return refused;
  if (n == text.size()) return absl::OkStatus();
  if (text[n] != '.' || text.back() == '0' || text.back() == '.') return refused;
  for (++n; n < text.size(); ++n) {
    if (!is_digit(text[n])) return refused;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> FormatDecimal(double value) {
  if (!std::isfinite(value)) {
    return absl::InvalidArgumentError("NaN and infinity have no decimal form");
  }
  if (value == 0) return std::string("0");
  std::array<char, kDecimalLimitBytes> text;
  const std::to_chars_result result =
      std::to_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  return std::string(text.data(), result.ptr);
}

absl::StatusOr<double> ParseDecimal(absl::string_view text) {
  HILUM_RETURN_IF_ERROR(CheckDecimal(text));
  double value = 0;
  const std::from_chars_result result =
      std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (result.ec != std::errc()) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text.substr(0, 64), "\" is out of the range of a double"));
  }
  return value;
}

}  // namespace hilum::proto

#include "crypto/base64.h"

#include <array>

#include "absl/strings/str_cat.h"

namespace hilum::crypto {
namespace {

constexpr absl::string_view kStandard =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr absl::string_view kUrl =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// The value of each character, 0xFF for a foreign one.
constexpr std::array<uint8_t, 256> Values(absl::string_view alphabet) {
  std::array<uint8_t, 256> values{};
  for (uint8_t& value : values) value = 0xFF;
  for (uint8_t i = 0; i < 64; ++i) values[static_cast<uint8_t>(alphabet[i])] = i;
  return values;
}

std::string Encode(ByteView bytes, absl::string_view alphabet) {
  std::string out;
  out.reserve((bytes.size() + 2) / 3 * 4);
  uint32_t bits = 0;
  int n_bits = 0;
  for (const uint8_t byte : bytes) {
    bits = bits << 8 | byte;
    for (n_bits += 8; n_bits >= 6; n_bits -= 6) out += alphabet[bits >> (n_bits - 6) & 63];
  }
  if (n_bits > 0) out += alphabet[bits << (6 - n_bits) & 63];
  return out;
}

absl::StatusOr<Bytes> Decode(absl::string_view text, const std::array<uint8_t, 256>& values) {
  if (text.size() % 4 == 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("base64 text has ", text.size(), " characters, which no byte string gives"));
  }
  Bytes out;
  out.reserve(text.size() / 4 * 3 + 2);
  uint32_t bits = 0;
  int n_bits = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    const uint8_t value = values[static_cast<uint8_t>(text[i])];
    if (value == 0xFF) {
      return absl::InvalidArgumentError(absl::StrCat("base64 text has a foreign character at ", i));
    }
    bits = bits << 6 | value;
    n_bits += 6;
    if (n_bits >= 8) {
      n_bits -= 8;
      out.push_back(static_cast<uint8_t>(bits >> n_bits));
    }
  }
  if ((bits & ((1u << n_bits) - 1)) != 0) {
    return absl::InvalidArgumentError("base64 text has pad bits that are not zero");
  }
  return out;
}

}  // namespace

std::string Base64Encode(ByteView bytes) {
  std::string out = Encode(bytes, kStandard);
  out.append((4 - out.size() % 4) % 4, '=');
  return out;
}

absl::StatusOr<Bytes> Base64Decode(absl::string_view text) {
  static constexpr std::array<uint8_t, 256> kValues = Values(kStandard);
  if (text.size() % 4 != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("base64 text has ", text.size(), " characters, which is not a multiple of 4"));
  }
  size_t n_pads = 0;
  while (n_pads < 2 && n_pads < text.size() && text[text.size() - 1 - n_pads] == '=') ++n_pads;
  return Decode(text.substr(0, text.size() - n_pads), kValues);
}

std::string Base64RawEncode(ByteView bytes) { return Encode(bytes, kStandard); }

absl::StatusOr<Bytes> Base64RawDecode(absl::string_view text) {
  static constexpr std::array<uint8_t, 256> kValues = Values(kStandard);
  return Decode(text, kValues);
}

std::string Base64UrlEncode(ByteView bytes) { return Encode(bytes, kUrl); }

absl::StatusOr<Bytes> Base64UrlDecode(absl::string_view text) {
  static constexpr std::array<uint8_t, 256> kValues = Values(kUrl);
  return Decode(text, kValues);
}

}  // namespace hilum::crypto

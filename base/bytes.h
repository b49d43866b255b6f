// Byte strings, SHA-256 digests, hexadecimal and big-endian encoding.
#ifndef HILUM_BASE_BYTES_H_
#define HILUM_BASE_BYTES_H_

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace hilum {

using Bytes = std::vector<uint8_t>;
using ByteView = std::span<const uint8_t>;

// A SHA-256 digest. The digest of all zero bytes means "none" where a format says so.
using Digest = std::array<uint8_t, 32>;

inline ByteView AsBytes(absl::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
inline absl::string_view AsText(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// Lowercase hexadecimal.
std::string ToHex(ByteView bytes);

// InvalidArgument: odd length, or a character that is not 0-9a-f (uppercase is refused: each
// digest has one spelling).
absl::StatusOr<Bytes> FromHex(absl::string_view hex);

// InvalidArgument: not exactly 64 lowercase hexadecimal digits.
absl::StatusOr<Digest> DigestFromHex(absl::string_view hex);

// Append big-endian integers and raw bytes: the encoding of every signed structure
// (docs/wire.md).
void AppendU8(Bytes& out, uint8_t value);
void AppendU16(Bytes& out, uint16_t value);
void AppendU32(Bytes& out, uint32_t value);
void AppendU64(Bytes& out, uint64_t value);
void AppendF64(Bytes& out, double value);  // IEEE 754 bits, big-endian
void AppendBytes(Bytes& out, ByteView bytes);
void AppendText(Bytes& out, absl::string_view text);

}  // namespace hilum

#endif  // HILUM_BASE_BYTES_H_

// Base64 (RFC 4648), strict: each byte string has exactly one spelling.
#ifndef HILUM_CRYPTO_BASE64_H_
#define HILUM_CRYPTO_BASE64_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"

namespace hilum::crypto {

// Section 4, with padding.
std::string Base64Encode(ByteView bytes);
// InvalidArgument: a foreign character, a wrong or missing pad, or pad bits that are not zero.
absl::StatusOr<Bytes> Base64Decode(absl::string_view text);

// The same alphabet without padding, as age has it.
std::string Base64RawEncode(ByteView bytes);
// InvalidArgument: as above; a pad is refused.
absl::StatusOr<Bytes> Base64RawDecode(absl::string_view text);

// Section 5, URL-safe, without padding: for tokens.
std::string Base64UrlEncode(ByteView bytes);
// InvalidArgument: as above; a pad is refused.
absl::StatusOr<Bytes> Base64UrlDecode(absl::string_view text);

}  // namespace hilum::crypto

#endif  // HILUM_CRYPTO_BASE64_H_

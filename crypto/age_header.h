// The header of an age v1 file (C2SP age.md): text, strict, each header has one spelling.
#ifndef HILUM_CRYPTO_AGE_HEADER_H_
#define HILUM_CRYPTO_AGE_HEADER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"

namespace hilum::crypto {

// 1,024 X25519 recipients need 98 bytes each.
inline constexpr size_t kAgeHeaderLimitBytes = 128 << 10;
inline constexpr size_t kAgeRecipientLimit = 1024;

inline constexpr absl::string_view kAgeVersionLine = "age-encryption.org/v1\n";

// A recipient stanza. Types other than X25519 are read and passed over.
struct AgeStanza {
  std::string type;               // not empty, 0x21 to 0x7E
  std::vector<std::string> args;  // likewise, each
  Bytes body;
  friend bool operator==(const AgeStanza&, const AgeStanza&) = default;
};

struct AgeHeader {
  std::vector<AgeStanza> stanzas;  // 1 to kAgeRecipientLimit
  Digest mac{};
  friend bool operator==(const AgeHeader&, const AgeHeader&) = default;
};

// The bytes that the MAC covers: all up to and including "---".
std::string FormatAgeStanzas(const std::vector<AgeStanza>& stanzas);
// The whole header with its last LF.
std::string FormatAgeHeader(const AgeHeader& header);

// `text` is the whole header with its last LF, and no more. DataLoss: longer than the limit, more
// stanzas than the limit, or a byte that differs from what FormatAgeHeader would write.
absl::StatusOr<AgeHeader> ParseAgeHeader(absl::string_view text);

}  // namespace hilum::crypto

#endif  // HILUM_CRYPTO_AGE_HEADER_H_

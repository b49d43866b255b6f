// SHA-256 (FIPS 180-4), and SHA-256 under a label.
#ifndef HILUM_CRYPTO_HASH_H_
#define HILUM_CRYPTO_HASH_H_

#include <array>
#include <cstddef>

#include "absl/strings/string_view.h"
#include "base/bytes.h"

namespace hilum::crypto {

Digest Sha256(ByteView bytes);
inline Digest Sha256(absl::string_view text) { return Sha256(AsBytes(text)); }

// SHA-256 of bytes that arrive in parts. Copyable: a copy goes on from the same state.
class Sha256Stream {
 public:
  Sha256Stream();
  void Update(ByteView bytes);
  void Update(absl::string_view text) { Update(AsBytes(text)); }
  // The digest of all parts; the stream is empty again afterwards.
  Digest Finish();

 private:
  alignas(8) std::array<std::byte, 112> state_;  // the library's context; no pointers in it
};

// SHA-256(u8 |label| || label || message): the Hash of secure_aggregation.md, section 2.
// `label` is a whole label of labels.h, 1 to 255 bytes, so that a digest made for one purpose is
// never taken for another.
Digest LabelledHash(absl::string_view label, ByteView message);

// The same for a message that is hashed in parts: a stream that has taken the label.
Sha256Stream LabelledStream(absl::string_view label);

}  // namespace hilum::crypto

#endif  // HILUM_CRYPTO_HASH_H_

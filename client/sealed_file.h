// Files that hold what a site has learned of its own films: sealed with a key that follows from the
// site's secret, so that a copy of the folder without `keys/` says nothing.
#ifndef HILUM_CLIENT_SEALED_FILE_H_
#define HILUM_CLIENT_SEALED_FILE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "base/file.h"
#include "client/pseudonym.h"

namespace hilum::client {

// What a file is and belongs to, for example "hilum/local-layers/v1 cxr-1 12". A file that was
// sealed for one purpose does not open for another.
struct SealedFile {
  fs::path path;
  const SiteSecret& secret;
  absl::string_view purpose;
};

// salt [32] || ChaCha20-Poly1305 of `plaintext` (RFC 8439) under HKDF-SHA-256 of secret and salt
// (RFC 5869): each file has a key of its own. Durable, mode 0600; what was there before stays until
// then. ResourceExhausted: the disk is full. Unavailable: another system error.
absl::Status WriteSealed(const SealedFile& file, ByteView plaintext);

// NotFound: no such file. DataLoss: it is damaged, of another site or for another purpose, or
// longer than `limit_bytes` of plaintext. Unavailable: a system error.
absl::StatusOr<Bytes> ReadSealed(const SealedFile& file, uint64_t limit_bytes);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_SEALED_FILE_H_

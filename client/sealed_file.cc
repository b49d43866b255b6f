#include "client/sealed_file.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/aead.h"
#include "crypto/random.h"
#include "crypto/secret.h"

namespace hilum::client {
namespace {

constexpr size_t kSaltBytes = 32;
constexpr size_t kOverheadBytes = kSaltBytes + crypto::kAeadTagBytes;

crypto::SecretKey KeyOf(const SiteSecret& secret, ByteView salt) {
  Bytes info;
  AppendText(info, "hilum/site/sealed-file/v1");
  AppendBytes(info, salt);
  return crypto::DeriveKey(secret.bytes, info);
}

}  // namespace

absl::Status WriteSealed(const SealedFile& file, ByteView plaintext) {
  const std::array<uint8_t, kSaltBytes> salt = crypto::RandomArray<kSaltBytes>();
  const crypto::SecretKey key = KeyOf(file.secret, salt);
  const Bytes sealed =
      crypto::AeadSeal({.key = key, .associated = AsBytes(file.purpose)}, plaintext);
  Bytes bytes(salt.begin(), salt.end());
  AppendBytes(bytes, sealed);
  return WriteFileDurably(file.path, bytes, FileMode::kPrivate);
}

absl::StatusOr<Bytes> ReadSealed(const SealedFile& file, uint64_t limit_bytes) {
  absl::StatusOr<Bytes> bytes = ReadFile(file.path, limit_bytes + kOverheadBytes);
  if (absl::IsResourceExhausted(bytes.status())) {
    return absl::DataLossError(bytes.status().message());
  }
  HILUM_RETURN_IF_ERROR(bytes.status());
  const absl::Status wrong = absl::DataLossError(
      absl::StrCat(file.path.string(), " is damaged, or this site did not write it"));
  if (bytes->size() < kOverheadBytes) return wrong;
  const ByteView salt = ByteView(*bytes).first(kSaltBytes);
  const crypto::SecretKey key = KeyOf(file.secret, salt);
  Bytes plaintext(bytes->size() - kOverheadBytes);
  const absl::Status opened = crypto::AeadOpen({.key = key, .associated = AsBytes(file.purpose)},
                                               ByteView(*bytes).subspan(kSaltBytes), plaintext);
  if (!opened.ok()) return wrong;
  return plaintext;
}

}  // namespace hilum::client

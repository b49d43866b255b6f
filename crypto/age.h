// age v1 files for X25519 recipients (C2SP age.md), written and read as a stream: the memory is one
// chunk, whatever the file's length. What `age` encrypts is decrypted here, and the other way.
#ifndef HILUM_CRYPTO_AGE_H_
#define HILUM_CRYPTO_AGE_H_

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "crypto/age_keys.h"

namespace hilum::crypto {

inline constexpr size_t kAgeChunkBytes = 64 << 10;

// Takes the next bytes of the result; what it returns ends the stream when it is not OK.
using AgeSink = std::function<absl::Status(ByteView bytes)>;

// Length of the file that `n_bytes` become: 168 bytes for the first recipient and 98 for each
// other, 16 for the nonce and 16 for each chunk.
uint64_t AgeSizeBytes(uint64_t n_bytes, size_t n_recipients);

// Encrypts. Not thread-safe. All keys are wiped at the end.
class AgeWriter {
 public:
  // Writes the header at once. InvalidArgument: no recipient, more than kAgeRecipientLimit
  // (age_header.h), or one of small order. Other codes: the sink's.
  static absl::StatusOr<AgeWriter> Create(std::span<const AgeRecipient> recipients, AgeSink sink);
  AgeWriter(AgeWriter&&) noexcept;
  AgeWriter& operator=(AgeWriter&&) noexcept;
  ~AgeWriter();

  absl::Status Append(ByteView plaintext);
  // Writes the last chunk. Without it the file is incomplete and no reader takes it.
  absl::Status Finish();

 private:
  struct Impl;
  explicit AgeWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Decrypts. Not thread-safe. Each chunk that reaches the sink is authentic and in its place, but
// only OK from Finish says that the file is whole: before, the sink must not hand anything on.
class AgeReader {
 public:
  // `identity` must outlive this.
  AgeReader(const AgeIdentity* identity, AgeSink sink);
  AgeReader(AgeReader&&) noexcept;
  AgeReader& operator=(AgeReader&&) noexcept;
  ~AgeReader();

  // DataLoss: no age v1 header, a header whose MAC fails, an X25519 share of small order, or a
  // chunk that was changed, moved or left out. PermissionDenied: the file is not encrypted to the
  // identity. Other codes: the sink's. After an error every call gives that error.
  absl::Status Append(ByteView ciphertext);
  // DataLoss: the file was cut, or goes on after its end.
  absl::Status Finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Decrypts the file `in` to `out`, which gets its name only when all of it is authentic and on the
// disk; it is private (0600). `expected`: the SHA-256 that the plaintext must have. Errors as
// AgeReader and base/file.h, and nothing is left behind. DataLoss: also another SHA-256.
absl::Status DecryptAgeFile(const AgeIdentity& identity, const std::filesystem::path& in,
                            const std::filesystem::path& out,
                            const std::optional<Digest>& expected = std::nullopt);

}  // namespace hilum::crypto

#endif  // HILUM_CRYPTO_AGE_H_

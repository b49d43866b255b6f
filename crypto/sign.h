// Ed25519 signatures (RFC 8032) and what they are made over.
#ifndef HILUM_CRYPTO_SIGN_H_
#define HILUM_CRYPTO_SIGN_H_

#include <array>
#include <compare>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"

namespace hilum::crypto {

// Structs, so that a key is never taken for a Digest.
struct PublicKey {
  std::array<uint8_t, 32> bytes{};
  friend auto operator<=>(const PublicKey&, const PublicKey&) = default;
};
struct Signature {
  std::array<uint8_t, 64> bytes{};
  friend auto operator<=>(const Signature&, const Signature&) = default;
};

// InvalidArgument: not 32 (64) bytes.
absl::StatusOr<PublicKey> PublicKeyFromBytes(ByteView bytes);
absl::StatusOr<Signature> SignatureFromBytes(ByteView bytes);

// Base64 with padding, the form of ledger entries. InvalidArgument: not base64 of 32 (64) bytes.
std::string ToBase64(const PublicKey& key);
std::string ToBase64(const Signature& signature);
absl::StatusOr<PublicKey> PublicKeyFromBase64(absl::string_view text);
absl::StatusOr<Signature> SignatureFromBase64(absl::string_view text);

// SHA-256 of the 32 raw bytes: the `key` field of ledger entries.
Digest KeyDigest(const PublicKey& key);

// For configuration time. InvalidArgument: the point is of small order, not on the curve or not
// canonical, so that signatures under it would bind nobody.
absl::Status CheckPublicKey(const PublicKey& key);

// A private key. Movable only; its seed is wiped at the end. Sign is thread-safe.
class SigningKey {
 public:
  static SigningKey Generate();
  static SigningKey FromSeed(const std::array<uint8_t, 32>& seed);
  // Reads the file that Save wrote. NotFound: no such file. DataLoss: not 64 hexadecimal digits and
  // a line end. PermissionDenied: others than the owner may read the file.
  static absl::StatusOr<SigningKey> Load(const std::filesystem::path& path);
  // Writes the seed as 64 hexadecimal digits, mode 0600, durably. AlreadyExists: there is a file;
  // a key is never overwritten.
  absl::Status Save(const std::filesystem::path& path) const;

  SigningKey(SigningKey&&) noexcept;
  SigningKey& operator=(SigningKey&&) noexcept;
  ~SigningKey();

  const PublicKey& public_key() const;
  Signature Sign(ByteView message) const;
  Signature Sign(absl::string_view message) const { return Sign(AsBytes(message)); }

 private:
  struct Impl;
  explicit SigningKey(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// RFC 8032, section 5.1.7, without the cofactor; S, R and the key must be canonical, R and the key
// not of small order. DataLoss: `signature` is not `key`'s over `message`.
absl::Status Verify(const PublicKey& key, ByteView message, const Signature& signature);
inline absl::Status Verify(const PublicKey& key, absl::string_view message,
                           const Signature& signature) {
  return Verify(key, AsBytes(message), signature);
}

// The round that a message belongs to: federation_id (16) || round u64 || attempt u8.
using Rid = std::array<uint8_t, 25>;
Rid MakeRid(const std::array<uint8_t, 16>& federation_id, uint64_t round, uint8_t attempt);

inline constexpr uint16_t kServerSender = 0xFFFF;

// What Sign(label, m) of secure_aggregation.md, section 2, is made over. The label keeps a
// signature of one flight from serving in another, the rest keeps it in its round.
struct LabelledFields {
  absl::string_view label;  // a whole label of labels.h
  Rid rid;
  uint16_t sender;  // index in the roster, or kServerSender
  Digest cfg_hash;  // H(cfg)
  ByteView message;
};

// u8 |label| || label || rid || sender u16 || H(cfg) || message.
Bytes LabelledMessage(const LabelledFields& fields);
Signature SignLabelled(const SigningKey& key, const LabelledFields& fields);
// DataLoss: the signature does not verify.
absl::Status VerifyLabelled(const PublicKey& key, const LabelledFields& fields,
                            const Signature& signature);

}  // namespace hilum::crypto

#endif  // HILUM_CRYPTO_SIGN_H_

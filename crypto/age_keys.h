// X25519 keys of age files in age's own text form: age1… and AGE-SECRET-KEY-1… (C2SP age.md).
#ifndef HILUM_CRYPTO_AGE_KEYS_H_
#define HILUM_CRYPTO_AGE_KEYS_H_

#include <array>
#include <compare>
#include <filesystem>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace hilum::crypto {

// Whom a file is encrypted to: a public key. A struct, so that it is never taken for a Digest.
struct AgeRecipient {
  std::array<uint8_t, 32> bytes{};
  friend auto operator<=>(const AgeRecipient&, const AgeRecipient&) = default;
};

// "age1" and 58 characters of bech32 (BIP 173), lowercase.
std::string FormatAgeRecipient(const AgeRecipient& recipient);
// InvalidArgument: another form, a wrong checksum, or a point of small order: everybody could open
// what is encrypted to it.
absl::StatusOr<AgeRecipient> ParseAgeRecipient(absl::string_view text);

// A private key. Movable only; its bytes are wiped at the end.
class AgeIdentity {
 public:
  static AgeIdentity Generate();
  // "AGE-SECRET-KEY-1" and 58 characters, uppercase. InvalidArgument: another form or checksum.
  static absl::StatusOr<AgeIdentity> Parse(absl::string_view text);
  // Reads a file as age-keygen writes it: lines that start with # and empty lines say nothing, one
  // line is the key. NotFound: no such file. DataLoss: not one key. PermissionDenied: others than
  // the owner may read the file.
  static absl::StatusOr<AgeIdentity> Load(const std::filesystem::path& path);
  // Writes such a file, mode 0600, durably. AlreadyExists: a key is never overwritten.
  absl::Status Save(const std::filesystem::path& path) const;

  AgeIdentity(AgeIdentity&& other) noexcept;
  AgeIdentity& operator=(AgeIdentity&& other) noexcept;
  ~AgeIdentity();

  const AgeRecipient& recipient() const { return recipient_; }

  // X25519 (RFC 7748) of this key and a share, into `secret`. DataLoss: the result is all zero, so
  // the share is of small order. The caller wipes `secret`.
  absl::Status Agree(const std::array<uint8_t, 32>& share, std::array<uint8_t, 32>& secret) const;

 private:
  explicit AgeIdentity(const std::array<uint8_t, 32>& secret);
  std::array<uint8_t, 32> secret_;
  AgeRecipient recipient_;
};

}  // namespace hilum::crypto

#endif  // HILUM_CRYPTO_AGE_KEYS_H_

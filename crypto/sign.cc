#include "crypto/sign.h"

#include <openssl/crypto.h>
#include <sodium.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "crypto/base64.h"
#include "crypto/hash.h"
#include "crypto/openssl_handles.h"
#include "crypto/random.h"

namespace hilum::crypto {
namespace {

template <class T>
absl::StatusOr<T> FromBytes(ByteView bytes, absl::string_view what) {
  T value;
  if (bytes.size() != value.bytes.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(what, " has ", bytes.size(), " bytes, not ", value.bytes.size()));
  }
  std::copy(bytes.begin(), bytes.end(), value.bytes.begin());
  return value;
}

}  // namespace

absl::StatusOr<PublicKey> PublicKeyFromBytes(ByteView bytes) {
  return FromBytes<PublicKey>(bytes, "an Ed25519 public key");
}

absl::StatusOr<Signature> SignatureFromBytes(ByteView bytes) {
  return FromBytes<Signature>(bytes, "an Ed25519 signature");
}

std::string ToBase64(const PublicKey& key) { return Base64Encode(key.bytes); }
std::string ToBase64(const Signature& signature) { return Base64Encode(signature.bytes); }

absl::StatusOr<PublicKey> PublicKeyFromBase64(absl::string_view text) {
  HILUM_ASSIGN_OR_RETURN(const Bytes bytes, Base64Decode(text));
  return PublicKeyFromBytes(bytes);
}

absl::StatusOr<Signature> SignatureFromBase64(absl::string_view text) {
  HILUM_ASSIGN_OR_RETURN(const Bytes bytes, Base64Decode(text));
  return SignatureFromBytes(bytes);
}

Digest KeyDigest(const PublicKey& key) { return Sha256(ByteView(key.bytes)); }

absl::Status CheckPublicKey(const PublicKey& key) {
  if (crypto_core_ed25519_is_valid_point(key.bytes.data()) == 1) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the Ed25519 public key ", ToHex(key.bytes),
                                                 " is not a canonical point of the large group"));
}

struct SigningKey::Impl {
  std::array<uint8_t, 32> seed;
  PublicKey public_key;
  KeyPtr key;
  ~Impl() { OPENSSL_cleanse(seed.data(), seed.size()); }
};

SigningKey::SigningKey(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SigningKey::SigningKey(SigningKey&&) noexcept = default;
SigningKey& SigningKey::operator=(SigningKey&&) noexcept = default;
SigningKey::~SigningKey() = default;

SigningKey SigningKey::FromSeed(const std::array<uint8_t, 32>& seed) {
  auto impl = std::make_unique<Impl>();
  impl->seed = seed;
  impl->key.reset(
      EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, nullptr, seed.data(), seed.size()));
  HILUM_CHECK(impl->key != nullptr);
  size_t size = impl->public_key.bytes.size();
  HILUM_CHECK(EVP_PKEY_get_raw_public_key(impl->key.get(), impl->public_key.bytes.data(), &size) ==
              1);
  return SigningKey(std::move(impl));
}

SigningKey SigningKey::Generate() {
  std::array<uint8_t, 32> seed = RandomArray<32>();
  SigningKey key = FromSeed(seed);
  OPENSSL_cleanse(seed.data(), seed.size());
  return key;
}

absl::StatusOr<SigningKey> SigningKey::Load(const std::filesystem::path& path) {
  HILUM_ASSIGN_OR_RETURN(std::string text, ReadTextFile(path, 1024));
  std::error_code error;
  const fs::perms others = fs::perms::group_all | fs::perms::others_all;
  if ((fs::status(path, error).permissions() & others) != fs::perms::none || error) {
    return absl::PermissionDeniedError(
        absl::StrCat("the key file ", path.string(),
                     " can be read by others than its owner; set its mode to 0600"));
  }
  const bool has_line_end = text.size() == 65 && text.back() == '\n';
  absl::StatusOr<Digest> seed =
      DigestFromHex(absl::string_view(text).substr(0, has_line_end ? 64 : text.size()));
  OPENSSL_cleanse(text.data(), text.size());
  if (!has_line_end || !seed.ok()) {
    return absl::DataLossError(absl::StrCat("the key file ", path.string(),
                                            " is not 64 hexadecimal digits and a line end"));
  }
  SigningKey key = FromSeed(*seed);
  OPENSSL_cleanse(seed->data(), seed->size());
  return key;
}

absl::Status SigningKey::Save(const std::filesystem::path& path) const {
  std::error_code error;
  if (fs::exists(path, error)) {
    return absl::AlreadyExistsError(
        absl::StrCat("there is a key file ", path.string(), " already; it is never overwritten"));
  }
  std::string text = ToHex(impl_->seed) + "\n";
  const absl::Status status = WriteFileDurably(path, AsBytes(text), FileMode::kPrivate);
  OPENSSL_cleanse(text.data(), text.size());
  return status;
}

const PublicKey& SigningKey::public_key() const { return impl_->public_key; }

Signature SigningKey::Sign(ByteView message) const {
  const DigestCtxPtr context(EVP_MD_CTX_new());
  Signature signature;
  size_t size = signature.bytes.size();
  HILUM_CHECK(context != nullptr &&
              EVP_DigestSignInit(context.get(), nullptr, nullptr, nullptr, impl_->key.get()) == 1 &&
              EVP_DigestSign(context.get(), signature.bytes.data(), &size, message.data(),
                             message.size()) == 1);
  return signature;
}

absl::Status Verify(const PublicKey& key, ByteView message, const Signature& signature) {
  // libsodium: more than twice as fast as libcrypto 3.0, and stricter about R and the key.
  if (crypto_sign_verify_detached(signature.bytes.data(), message.data(), message.size(),
                                  key.bytes.data()) == 0) {
    return absl::OkStatus();
  }
  return absl::DataLossError(absl::StrCat("the signature over ", message.size(),
                                          " bytes is not of the key ", ToHex(key.bytes)));
}

Rid MakeRid(const std::array<uint8_t, 16>& federation_id, uint64_t round, uint8_t attempt) {
  Bytes bytes(federation_id.begin(), federation_id.end());
  AppendU64(bytes, round);
  AppendU8(bytes, attempt);
  Rid rid;
  HILUM_CHECK(bytes.size() == rid.size());
  std::copy(bytes.begin(), bytes.end(), rid.begin());
  return rid;
}

Bytes LabelledMessage(const LabelledFields& fields) {
  HILUM_CHECK(!fields.label.empty() && fields.label.size() <= 255);
  Bytes bytes;
  AppendU8(bytes, static_cast<uint8_t>(fields.label.size()));
  AppendText(bytes, fields.label);
  AppendBytes(bytes, fields.rid);
  AppendU16(bytes, fields.sender);
  AppendBytes(bytes, fields.cfg_hash);
  AppendBytes(bytes, fields.message);
  return bytes;
}

Signature SignLabelled(const SigningKey& key, const LabelledFields& fields) {
  return key.Sign(ByteView(LabelledMessage(fields)));
}

absl::Status VerifyLabelled(const PublicKey& key, const LabelledFields& fields,
                            const Signature& signature) {
  return Verify(key, ByteView(LabelledMessage(fields)), signature);
}

}  // namespace hilum::crypto

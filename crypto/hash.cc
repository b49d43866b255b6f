#include "crypto/hash.h"

// The one-call digests of OpenSSL 3.0 look the algorithm up each time, which costs more than
// hashing a small leaf. The plain functions do not, and use the same SHA-NI code.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/sha.h>

#include <new>
#include <type_traits>

#include "base/check.h"

namespace hilum::crypto {
namespace {

static_assert(sizeof(SHA256_CTX) <= 112 && alignof(SHA256_CTX) <= 8);
static_assert(std::is_trivially_copyable_v<SHA256_CTX>);

SHA256_CTX* Context(std::array<std::byte, 112>& state) {
  return std::launder(reinterpret_cast<SHA256_CTX*>(state.data()));
}

}  // namespace

Digest Sha256(ByteView bytes) {
  SHA256_CTX context;
  SHA256_Init(&context);
  SHA256_Update(&context, bytes.data(), bytes.size());
  Digest digest;
  SHA256_Final(digest.data(), &context);
  return digest;
}

Sha256Stream::Sha256Stream() { SHA256_Init(new (state_.data()) SHA256_CTX); }

void Sha256Stream::Update(ByteView bytes) {
  SHA256_Update(Context(state_), bytes.data(), bytes.size());
}

Digest Sha256Stream::Finish() {
  Digest digest;
  SHA256_Final(digest.data(), Context(state_));
  SHA256_Init(Context(state_));
  return digest;
}

Sha256Stream LabelledStream(absl::string_view label) {
  HILUM_CHECK(!label.empty() && label.size() <= 255);
  const auto length = static_cast<uint8_t>(label.size());
  Sha256Stream stream;
  stream.Update(ByteView(&length, 1));
  stream.Update(label);
  return stream;
}

Digest LabelledHash(absl::string_view label, ByteView message) {
  Sha256Stream stream = LabelledStream(label);
  stream.Update(message);
  return stream.Finish();
}

}  // namespace hilum::crypto

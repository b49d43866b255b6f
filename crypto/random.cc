#include "crypto/random.h"

#include <openssl/rand.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/check.h"
#include "crypto/openssl_handles.h"
#include "crypto/secret.h"

namespace hilum::crypto {

static_assert(std::endian::native == std::endian::little);

void RandomBytes(std::span<uint8_t> bytes) {
  constexpr size_t kPart = size_t{1} << 30;  // RAND_bytes takes an int
  for (size_t at = 0; at < bytes.size(); at += kPart) {
    const size_t n = std::min(kPart, bytes.size() - at);
    HILUM_CHECK(RAND_bytes(bytes.data() + at, static_cast<int>(n)) == 1);
  }
}

struct SeededStream::Impl {
  SecretKey key;
  CipherPtr cipher{EVP_CIPHER_CTX_new()};
  uint64_t offset_bytes = 0;

  // Adds `n` bytes of keystream to `bytes`, which hold zeros.
  void Encrypt(uint8_t* bytes, size_t n) {
    int written = 0;
    HILUM_CHECK(EVP_EncryptUpdate(cipher.get(), bytes, &written, bytes, static_cast<int>(n)) == 1);
  }
};

SeededStream::SeededStream(const std::array<uint8_t, 32>& key) : impl_(std::make_unique<Impl>()) {
  impl_->key = SecretKey::CopyOf(key);
  Seek(0);
}
SeededStream::SeededStream(SeededStream&&) noexcept = default;
SeededStream& SeededStream::operator=(SeededStream&&) noexcept = default;
SeededStream::~SeededStream() = default;

// OpenSSL takes a 16-byte IV: the block counter (8 bytes, little-endian; RFC 8439 has 4 and the
// first nonce word, which is zero here), then the rest of the nonce.
void SeededStream::Seek(uint64_t offset_bytes) {
  const uint64_t block = offset_bytes / 64;
  std::array<uint8_t, 16> iv{};
  std::memcpy(iv.data(), &block, sizeof(block));
  HILUM_CHECK(EVP_EncryptInit_ex(impl_->cipher.get(), EVP_chacha20(), nullptr, impl_->key.data(),
                                 iv.data()) == 1);
  std::array<uint8_t, 64> skipped{};
  if (offset_bytes % 64 != 0) impl_->Encrypt(skipped.data(), offset_bytes % 64);
  impl_->offset_bytes = offset_bytes;
}

void SeededStream::Fill(std::span<uint8_t> bytes) {
  if (bytes.empty()) return;
  std::memset(bytes.data(), 0, bytes.size());
  constexpr size_t kPart = size_t{1} << 30;
  for (size_t at = 0; at < bytes.size(); at += kPart) {
    impl_->Encrypt(bytes.data() + at, std::min(kPart, bytes.size() - at));
  }
  impl_->offset_bytes += bytes.size();
}

void SeededStream::Fill(std::span<uint32_t> words) {
  Fill(std::span<uint8_t>(reinterpret_cast<uint8_t*>(words.data()), words.size_bytes()));
}

uint64_t SeededStream::NextU64() {
  std::array<uint8_t, 8> bytes;
  Fill(bytes);
  return std::bit_cast<uint64_t>(bytes);
}

uint64_t SeededStream::Below(uint64_t bound) {
  HILUM_CHECK(bound >= 1);
  const uint64_t rest = (0 - bound) % bound;  // 2^64 mod bound: the first `rest` values are refused
  for (;;) {
    const uint64_t value = NextU64();
    if (value >= rest) return value % bound;
  }
}

double SeededStream::NextUniform() { return static_cast<double>(NextU64() >> 11) * 0x1p-53; }

uint64_t SeededStream::offset_bytes() const { return impl_->offset_bytes; }

}  // namespace hilum::crypto

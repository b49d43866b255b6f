// Randomness of the operating system, and the seeded stream that tests and rounding use.
#ifndef HILUM_CRYPTO_RANDOM_H_
#define HILUM_CRYPTO_RANDOM_H_

#include <array>
#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.h"

namespace hilum::crypto {

// Fills `bytes` from the operating system's generator. Ends the process if there is none: no key
// may ever be made without it. Thread-safe.
void RandomBytes(std::span<uint8_t> bytes);

template <size_t N>
std::array<uint8_t, N> RandomArray() {
  std::array<uint8_t, N> bytes;
  RandomBytes(bytes);
  return bytes;
}

// The keystream of ChaCha20 (RFC 8439, section 2.4) with nonce zero and block counter from 0; the
// counter carries past 2^32. The same key gives the same bytes on every computer. Not thread-safe.
class SeededStream {
 public:
  explicit SeededStream(const std::array<uint8_t, 32>& key);
  SeededStream(SeededStream&&) noexcept;
  SeededStream& operator=(SeededStream&&) noexcept;
  ~SeededStream();

  // The next call starts at this byte of the stream.
  void Seek(uint64_t offset_bytes);
  void Fill(std::span<uint8_t> bytes);
  // Word j takes bytes 4j..4j+3, little-endian.
  void Fill(std::span<uint32_t> words);
  uint64_t NextU64();  // 8 bytes, little-endian
  // Uniform in 0..bound-1, bound >= 1, by rejection.
  uint64_t Below(uint64_t bound);
  // Uniform in [0, 1): 53 bits.
  double NextUniform();
  uint64_t offset_bytes() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hilum::crypto

#endif  // HILUM_CRYPTO_RANDOM_H_

// Ring words of b bits without the bits that are always 0: what travels and is stored in packed
// mode (secure_aggregation.md, section 6).
//
// Word j takes the bits j * b to (j + 1) * b - 1 of the bytes, least significant first: a little-
// endian bit string. The last byte's unused bits are 0. A chunk starts on a byte boundary.
// Example, b = 17: words 1, 0x1ffff -> 01 00 fe ff 03.
#ifndef HILUM_KERNELS_PACK_H_
#define HILUM_KERNELS_PACK_H_

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "kernels/device.h"

namespace hilum::kernels {

// Bits of a packed word. Below 16 nothing useful is left of a sum of many sites.
inline constexpr int kMinPackedBits = 16;
inline constexpr int kMaxPackedBits = 32;

// Bytes that n_words words of ring_bits bits take: n_words * ring_bits / 8, rounded up.
// 0 <= n_words < 2^58.
constexpr int64_t PackedSizeBytes(int64_t n_words, int ring_bits) {
  return (n_words * ring_bits + 7) / 8;
}

//   ring  [n_words]; bits of a word above ring_bits are dropped
//   packed  [PackedSizeBytes(n_words, ring_bits)]; 4 + ring_bits / 8 bytes of traffic a word
// InvalidArgument: ring_bits out of range, or the lengths do not fit. FailedPrecondition: no such
// device. Thread-safe on disjoint results.
absl::Status PackWords(std::span<const uint32_t> ring, int ring_bits, std::span<uint8_t> packed,
                       Device device);

// The reverse. Reads exactly packed.size() bytes, allocates nothing on the CPU.
// InvalidArgument: ring_bits out of range. DataLoss: packed has another length than `ring` asks
// for, or an unused bit of its last byte is set, so that one vector has one packed form.
absl::Status UnpackWords(std::span<const uint8_t> packed, int ring_bits, std::span<uint32_t> ring,
                         Device device);

// The specifications, bit by bit. Preconditions not checked.
void PackWordsReference(std::span<const uint32_t> ring, int ring_bits, std::span<uint8_t> packed);
void UnpackWordsReference(std::span<const uint8_t> packed, int ring_bits, std::span<uint32_t> ring);

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_PACK_H_

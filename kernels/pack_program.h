// The block programs of pack.h.
#ifndef HILUM_KERNELS_PACK_PROGRAM_H_
#define HILUM_KERNELS_PACK_PROGRAM_H_

#include <cstdint>
#include <cstring>

#include "kernels/exec.h"

namespace hilum::kernels {

// Eight words of b bits are b whole bytes: groups of eight never share a byte, so that the threads
// write apart. A group's bytes are assembled in 64 bits, low bits first.
inline constexpr int kWordsOfGroup = 8;

// One block packs kThreads groups, a group a thread.
//   ring  [n]; packed  [PackedSizeBytes(n, ring_bits)]; mask  2^ring_bits - 1
// Launch BlocksFor(n, kTile) blocks.
struct PackProgram {
  static constexpr int kThreads = 256;
  static constexpr int kTile = kThreads * kWordsOfGroup;
  struct Shared {};

  const uint32_t* ring;
  uint8_t* packed;
  int64_t n;
  int ring_bits;
  uint32_t mask;

  template <class Block>
  HILUM_KERNEL void operator()(const Block& block) const {
    const PackProgram p = *this;  // a copy that no store can change
    const int64_t first_group = block.index * kThreads;
    const int64_t n_groups = (p.n + kWordsOfGroup - 1) / kWordsOfGroup;
    block.Local(n_groups - first_group, [=](int t) {
      const int64_t group = first_group + t, first = group * kWordsOfGroup;
      const int64_t left = p.n - first;
      p.PackGroup(p.ring + first, left < kWordsOfGroup ? static_cast<int>(left) : kWordsOfGroup,
                  p.packed + group * p.ring_bits);
    });
  }

  HILUM_KERNEL void PackGroup(const uint32_t* words, int n_words, uint8_t* out) const {
    uint64_t bits = 0;
    int n_bits = 0;  // below 32 before each word
    for (int i = 0; i < n_words; ++i) {
      bits |= static_cast<uint64_t>(words[i] & mask) << n_bits;
      n_bits += ring_bits;
      if (n_bits < 32) continue;
      StoreWord(static_cast<uint32_t>(bits), out);
      out += 4;
      bits >>= 32;
      n_bits -= 32;
    }
    for (; n_bits > 0; n_bits -= 8, bits >>= 8) *out++ = static_cast<uint8_t>(bits);
  }
  static HILUM_KERNEL void StoreWord(uint32_t word, uint8_t* out) {
    for (int i = 0; i < 4; ++i) out[i] = static_cast<uint8_t>(word >> 8 * i);
  }
};

// One block unpacks kThreads groups.
//   packed  [n_bytes = PackedSizeBytes(n, ring_bits)], and no byte beside them is read; ring  [n]
// Launch BlocksFor(n, kTile) blocks.
struct UnpackProgram {
  static constexpr int kThreads = 256;
  static constexpr int kTile = kThreads * kWordsOfGroup;
  struct Shared {};

  const uint8_t* packed;
  uint32_t* ring;
  int64_t n_bytes;
  int64_t n;
  int ring_bits;
  uint32_t mask;

  template <class Block>
  HILUM_KERNEL void operator()(const Block& block) const {
    const UnpackProgram p = *this;  // a copy that no store can change
    const int64_t first_group = block.index * kThreads;
    const int64_t n_groups = (p.n + kWordsOfGroup - 1) / kWordsOfGroup;
    block.Local(n_groups - first_group, [=](int t) {
      const int64_t group = first_group + t, first = group * kWordsOfGroup;
      const int64_t left = p.n - first;
      const int64_t first_byte = group * p.ring_bits;
      // A word's bits lie within five bytes: where eight may be read for each word of the group,
      // there is no byte to count.
      if (left >= kWordsOfGroup && first_byte + p.ring_bits + 8 <= p.n_bytes) {
        p.UnpackWholeGroup(p.packed + first_byte, p.ring + first);
      } else {
        p.UnpackByteByByte(p.packed + first_byte,
                           left < kWordsOfGroup ? static_cast<int>(left) : kWordsOfGroup,
                           p.ring + first);
      }
    });
  }

  HILUM_KERNEL void UnpackWholeGroup(const uint8_t* in, uint32_t* words) const {
    for (int i = 0; i < kWordsOfGroup; ++i) {
      const int first_bit = i * ring_bits;
      words[i] = static_cast<uint32_t>(LoadEight(in + first_bit / 8) >> first_bit % 8) & mask;
    }
  }
  static HILUM_KERNEL uint64_t LoadEight(const uint8_t* in) {
    uint64_t bits;
    std::memcpy(&bits, in, sizeof bits);  // x86-64 and the GPUs are little-endian
    return bits;
  }
  HILUM_KERNEL void UnpackByteByByte(const uint8_t* in, int n_words, uint32_t* words) const {
    uint64_t bits = 0;
    int n_bits = 0;
    for (int i = 0; i < n_words; ++i) {
      for (; n_bits < ring_bits; n_bits += 8) bits |= static_cast<uint64_t>(*in++) << n_bits;
      words[i] = static_cast<uint32_t>(bits) & mask;
      bits >>= ring_bits;
      n_bits -= ring_bits;
    }
  }
};

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_PACK_PROGRAM_H_

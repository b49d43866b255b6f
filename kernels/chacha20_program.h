// The block program of suite 2 (keystream.h): one source for the GPU and for every vector width of
// the CPU.
#ifndef HILUM_KERNELS_CHACHA20_PROGRAM_H_
#define HILUM_KERNELS_CHACHA20_PROGRAM_H_

#include <cstdint>

#include "kernels/exec.h"

// Unrolls the loop after it, so that no array of registers is indexed by a variable.
#if defined(__CUDACC__) || defined(__clang__)
#define HILUM_UNROLL _Pragma("unroll")
#else
#define HILUM_UNROLL _Pragma("GCC unroll 16")
#endif

namespace hilum::kernels {

inline constexpr int kChaChaWords = 16;  // of one ChaCha20 block

// The operations of a lane type: here one lane, a plain word. chacha20_lanes.h has the vectors.
// All work in place on references: vectors never cross a call by value.
HILUM_KERNEL void SetAll(uint32_t& x, uint32_t value) { x = value; }
HILUM_KERNEL void SetCounters(uint32_t& x, uint32_t first) { x = first; }  // first + lane
HILUM_KERNEL void Add(uint32_t& x, const uint32_t& y) { x += y; }
HILUM_KERNEL void Subtract(uint32_t& x, const uint32_t& y) { x -= y; }
HILUM_KERNEL void Xor(uint32_t& x, const uint32_t& y) { x ^= y; }
template <int kBits>
HILUM_KERNEL void RotateLeft(uint32_t& x) {
  x = x << kBits | x >> (32 - kBits);
}
// words[16 lane + i] = (words[16 lane + i] + sum[i] of that lane) & mask.
HILUM_KERNEL void AddBlocks(uint32_t* words, uint32_t (&sum)[kChaChaWords], uint32_t mask) {
  for (int i = 0; i < kChaChaWords; ++i) words[i] = (words[i] + sum[i]) & mask;
}
template <class Lanes>
inline constexpr int kLanesOf = sizeof(Lanes) / sizeof(uint32_t);

// RFC 8439, section 2.1. Additions, exclusive ors and fixed rotations: constant time.
template <class Lanes>
HILUM_KERNEL void QuarterRound(Lanes& a, Lanes& b, Lanes& c, Lanes& d) {
  Add(a, b), Xor(d, a), RotateLeft<16>(d);
  Add(c, d), Xor(b, c), RotateLeft<12>(b);
  Add(a, b), Xor(d, a), RotateLeft<8>(d);
  Add(c, d), Xor(b, c), RotateLeft<7>(b);
}

// Four columns, then four diagonals (section 2.3).
template <class Lanes>
HILUM_KERNEL void DoubleRound(Lanes (&x)[kChaChaWords]) {
  QuarterRound(x[0], x[4], x[8], x[12]);
  QuarterRound(x[1], x[5], x[9], x[13]);
  QuarterRound(x[2], x[6], x[10], x[14]);
  QuarterRound(x[3], x[7], x[11], x[15]);
  QuarterRound(x[0], x[5], x[10], x[15]);
  QuarterRound(x[1], x[6], x[11], x[12]);
  QuarterRound(x[2], x[7], x[8], x[13]);
  QuarterRound(x[3], x[4], x[9], x[14]);
}

// One thread computes kLanesOf<Lanes> neighbouring ChaCha20 blocks of every key and adds them to
// the same words.
//   tile   [n] coordinates 16 * first_block + lead.. of a vector; lead  0..15
//   keys   [n_keys * 8] words, little-endian; signs  [n_keys] 1 or -1
//   nonce  3 words; zero for masks
//   mask   2^ring_bits - 1
// Launch BlocksFor(lead + n, kTile) blocks.
template <class Lanes>
struct ChaCha20Program {
  static constexpr int kCoords = kChaChaWords * kLanesOf<Lanes>;  // of a thread
  static constexpr int kThreads = kLanesOf<Lanes> == 1 ? 128 : 4096 / kCoords;
  static constexpr int kTile = kThreads * kCoords;
  struct Shared {};

  uint32_t* tile;
  int64_t n;
  int64_t lead;
  uint32_t first_block;
  const uint32_t* keys;
  const int8_t* signs;
  int64_t n_keys;
  uint32_t nonce[3];
  uint32_t mask;

  template <class Block>
  HILUM_KERNEL void operator()(const Block& block) const {
    const ChaCha20Program p = *this;  // a copy that no store can change
    const int64_t first_thread = block.index * kThreads;
    const int64_t n_threads = (lead + n + kCoords - 1) / kCoords;
    block.Local(n_threads - first_thread, [=](int t) { p.AddMasks(first_thread + t); });
  }

  HILUM_KERNEL void AddMasks(int64_t thread) const {
    Lanes sum[kChaChaWords];
    HILUM_UNROLL for (int i = 0; i < kChaChaWords; ++i) SetAll(sum[i], 0);
    const uint32_t counter = first_block + static_cast<uint32_t>(thread * kLanesOf<Lanes>);
    for (int64_t k = 0; k < n_keys; ++k) AddOne(sum, keys + 8 * k, signs[k], counter);
    const int64_t at = thread * kCoords - lead;
    if (at >= 0 && at + kCoords <= n) {
      AddBlocks(tile + at, sum, mask);
    } else {
      AddEdge(sum, at);
    }
  }

  HILUM_KERNEL void AddOne(Lanes (&sum)[kChaChaWords], const uint32_t* key, int sign,
                           uint32_t counter) const {
    Lanes x[kChaChaWords];
    HILUM_UNROLL for (int i = 0; i < kChaChaWords; ++i) SetInitial(x[i], i, key, counter);
    for (int round = 0; round < 10; ++round) DoubleRound(x);
    HILUM_UNROLL for (int i = 0; i < kChaChaWords; ++i) {
      Lanes initial;
      SetInitial(initial, i, key, counter);
      Add(x[i], initial);
    }
    if (sign > 0) {
      HILUM_UNROLL for (int i = 0; i < kChaChaWords; ++i) Add(sum[i], x[i]);
    } else {
      HILUM_UNROLL for (int i = 0; i < kChaChaWords; ++i) Subtract(sum[i], x[i]);
    }
  }

  // Word i of the first state: the constants, the key, the counter, the nonce (section 2.3).
  HILUM_KERNEL void SetInitial(Lanes& x, int i, const uint32_t* key, uint32_t counter) const {
    if (i == 12) return SetCounters(x, counter);
    SetAll(x, i == 0   ? 0x61707865
              : i == 1 ? 0x3320646e
              : i == 2 ? 0x79622d32
              : i == 3 ? 0x6b206574
              : i < 12 ? key[i - 4]
                       : nonce[i - 13]);
  }

  // The tile begins or ends within the group: only the words inside are touched.
  HILUM_KERNEL void AddEdge(Lanes (&sum)[kChaChaWords], int64_t at) const {
    if constexpr (kLanesOf<Lanes> == 1) {
      HILUM_UNROLL for (int i = 0; i < kChaChaWords; ++i) {
        if (at + i >= 0 && at + i < n) tile[at + i] = (tile[at + i] + sum[i]) & mask;
      }
    } else {
      alignas(64) uint32_t group[kCoords] = {};
      for (int i = 0; i < kCoords; ++i) {
        if (at + i >= 0 && at + i < n) group[i] = tile[at + i];
      }
      AddBlocks(group, sum, mask);
      for (int i = 0; i < kCoords; ++i) {
        if (at + i >= 0 && at + i < n) tile[at + i] = group[i];
        group[i] = 0;  // what lay outside is keystream
      }
#if !defined(__CUDACC__)
      __asm__ __volatile__("" : : "r"(group) : "memory");  // the zeros are stored
#endif
    }
  }
};

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_CHACHA20_PROGRAM_H_

// The lane types of chacha20_program.h on x86-64: 4, 8 and 16 words, and 32 in two vectors.
// Lane l of word i belongs to ChaCha20 block l of a group.
#ifndef HILUM_KERNELS_CHACHA20_LANES_H_
#define HILUM_KERNELS_CHACHA20_LANES_H_

#if defined(__x86_64__)

#include "kernels/chacha20_program.h"
#include "kernels/intrinsics.h"

namespace hilum::kernels {

#define HILUM_SSE2_OP inline
#define HILUM_AVX2_OP __attribute__((target("avx2"))) inline
#define HILUM_AVX512_OP __attribute__((target("avx512f"))) inline

struct Lanes4 {
  __m128i v;
};
struct Lanes8 {
  __m256i v;
};
struct Lanes16 {
  __m512i v;
};
struct Lanes32 {
  Lanes16 low, high;
};

HILUM_SSE2_OP void SetAll(Lanes4& x, uint32_t value) {
  x.v = _mm_set1_epi32(static_cast<int>(value));
}
HILUM_SSE2_OP void SetCounters(Lanes4& x, uint32_t first) {
  SetAll(x, first);
  x.v = _mm_add_epi32(x.v, _mm_setr_epi32(0, 1, 2, 3));
}
HILUM_SSE2_OP void Add(Lanes4& x, const Lanes4& y) { x.v = _mm_add_epi32(x.v, y.v); }
HILUM_SSE2_OP void Subtract(Lanes4& x, const Lanes4& y) { x.v = _mm_sub_epi32(x.v, y.v); }
HILUM_SSE2_OP void Xor(Lanes4& x, const Lanes4& y) { x.v = _mm_xor_si128(x.v, y.v); }
template <int kBits>
HILUM_SSE2_OP void RotateLeft(Lanes4& x) {
  if constexpr (kBits == 16) {
    x.v = _mm_shufflehi_epi16(_mm_shufflelo_epi16(x.v, 0xb1), 0xb1);
  } else {
    x.v = _mm_or_si128(_mm_slli_epi32(x.v, kBits), _mm_srli_epi32(x.v, 32 - kBits));
  }
}

HILUM_AVX2_OP void SetAll(Lanes8& x, uint32_t value) {
  x.v = _mm256_set1_epi32(static_cast<int>(value));
}
HILUM_AVX2_OP void SetCounters(Lanes8& x, uint32_t first) {
  SetAll(x, first);
  x.v = _mm256_add_epi32(x.v, _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}
HILUM_AVX2_OP void Add(Lanes8& x, const Lanes8& y) { x.v = _mm256_add_epi32(x.v, y.v); }
HILUM_AVX2_OP void Subtract(Lanes8& x, const Lanes8& y) { x.v = _mm256_sub_epi32(x.v, y.v); }
HILUM_AVX2_OP void Xor(Lanes8& x, const Lanes8& y) { x.v = _mm256_xor_si256(x.v, y.v); }
template <int kBits>
HILUM_AVX2_OP void RotateLeft(Lanes8& x) {
  if constexpr (kBits == 16) {
    x.v = _mm256_shuffle_epi8(x.v, _mm256_broadcastsi128_si256(_mm_setr_epi8(
                                       2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13)));
  } else if constexpr (kBits == 8) {
    x.v = _mm256_shuffle_epi8(x.v, _mm256_broadcastsi128_si256(_mm_setr_epi8(
                                       3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14)));
  } else {
    x.v = _mm256_or_si256(_mm256_slli_epi32(x.v, kBits), _mm256_srli_epi32(x.v, 32 - kBits));
  }
}

HILUM_AVX512_OP void SetAll(Lanes16& x, uint32_t value) {
  x.v = _mm512_set1_epi32(static_cast<int>(value));
}
HILUM_AVX512_OP void SetCounters(Lanes16& x, uint32_t first) {
  SetAll(x, first);
  x.v = _mm512_add_epi32(x.v,
                         _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15));
}
HILUM_AVX512_OP void Add(Lanes16& x, const Lanes16& y) { x.v = _mm512_add_epi32(x.v, y.v); }
HILUM_AVX512_OP void Subtract(Lanes16& x, const Lanes16& y) { x.v = _mm512_sub_epi32(x.v, y.v); }
HILUM_AVX512_OP void Xor(Lanes16& x, const Lanes16& y) { x.v = _mm512_xor_si512(x.v, y.v); }
template <int kBits>
HILUM_AVX512_OP void RotateLeft(Lanes16& x) {
  x.v = _mm512_rol_epi32(x.v, kBits);
}

HILUM_AVX512_OP void SetAll(Lanes32& x, uint32_t value) {
  SetAll(x.low, value);
  SetAll(x.high, value);
}
HILUM_AVX512_OP void SetCounters(Lanes32& x, uint32_t first) {
  SetCounters(x.low, first);
  SetCounters(x.high, first + 16);
}
HILUM_AVX512_OP void Add(Lanes32& x, const Lanes32& y) { Add(x.low, y.low), Add(x.high, y.high); }
HILUM_AVX512_OP void Subtract(Lanes32& x, const Lanes32& y) {
  Subtract(x.low, y.low);
  Subtract(x.high, y.high);
}
HILUM_AVX512_OP void Xor(Lanes32& x, const Lanes32& y) { Xor(x.low, y.low), Xor(x.high, y.high); }
template <int kBits>
HILUM_AVX512_OP void RotateLeft(Lanes32& x) {
  RotateLeft<kBits>(x.low);
  RotateLeft<kBits>(x.high);
}

// Within each 128-bit lane: four words of four blocks become four blocks of four words.
HILUM_SSE2_OP void Transpose4(Lanes4& a, Lanes4& b, Lanes4& c, Lanes4& d) {
  const __m128i ab_low = _mm_unpacklo_epi32(a.v, b.v), ab_high = _mm_unpackhi_epi32(a.v, b.v);
  const __m128i cd_low = _mm_unpacklo_epi32(c.v, d.v), cd_high = _mm_unpackhi_epi32(c.v, d.v);
  a.v = _mm_unpacklo_epi64(ab_low, cd_low);
  b.v = _mm_unpackhi_epi64(ab_low, cd_low);
  c.v = _mm_unpacklo_epi64(ab_high, cd_high);
  d.v = _mm_unpackhi_epi64(ab_high, cd_high);
}
HILUM_AVX2_OP void Transpose4(Lanes8& a, Lanes8& b, Lanes8& c, Lanes8& d) {
  const __m256i ab_low = _mm256_unpacklo_epi32(a.v, b.v), ab_high = _mm256_unpackhi_epi32(a.v, b.v);
  const __m256i cd_low = _mm256_unpacklo_epi32(c.v, d.v), cd_high = _mm256_unpackhi_epi32(c.v, d.v);
  a.v = _mm256_unpacklo_epi64(ab_low, cd_low);
  b.v = _mm256_unpackhi_epi64(ab_low, cd_low);
  c.v = _mm256_unpacklo_epi64(ab_high, cd_high);
  d.v = _mm256_unpackhi_epi64(ab_high, cd_high);
}
HILUM_AVX512_OP void Transpose4(Lanes16& a, Lanes16& b, Lanes16& c, Lanes16& d) {
  const __m512i ab_low = _mm512_unpacklo_epi32(a.v, b.v), ab_high = _mm512_unpackhi_epi32(a.v, b.v);
  const __m512i cd_low = _mm512_unpacklo_epi32(c.v, d.v), cd_high = _mm512_unpackhi_epi32(c.v, d.v);
  a.v = _mm512_unpacklo_epi64(ab_low, cd_low);
  b.v = _mm512_unpackhi_epi64(ab_low, cd_low);
  c.v = _mm512_unpacklo_epi64(ab_high, cd_high);
  d.v = _mm512_unpackhi_epi64(ab_high, cd_high);
}

HILUM_SSE2_OP void AddWords4(uint32_t* words, __m128i sum, uint32_t mask) {
  __m128i* const at = reinterpret_cast<__m128i*>(words);
  const __m128i total = _mm_add_epi32(_mm_loadu_si128(at), sum);
  _mm_storeu_si128(at, _mm_and_si128(total, _mm_set1_epi32(static_cast<int>(mask))));
}
HILUM_AVX2_OP void AddWords8(uint32_t* words, const __m256i& sum, uint32_t mask) {
  __m256i* const at = reinterpret_cast<__m256i*>(words);
  const __m256i total = _mm256_add_epi32(_mm256_loadu_si256(at), sum);
  _mm256_storeu_si256(at, _mm256_and_si256(total, _mm256_set1_epi32(static_cast<int>(mask))));
}
HILUM_AVX512_OP void AddWords16(uint32_t* words, const __m512i& sum, uint32_t mask) {
  const __m512i total = _mm512_add_epi32(_mm512_loadu_si512(words), sum);
  _mm512_storeu_si512(words, _mm512_and_si512(total, _mm512_set1_epi32(static_cast<int>(mask))));
}

// After the four Transpose4, 128-bit lane L of x[4 q + r] is words 4 q..4 q + 3 of block 4 L + r.
template <class Lanes>
HILUM_KERNEL void TransposeQuarters(Lanes (&x)[kChaChaWords]) {
  Transpose4(x[0], x[1], x[2], x[3]);
  Transpose4(x[4], x[5], x[6], x[7]);
  Transpose4(x[8], x[9], x[10], x[11]);
  Transpose4(x[12], x[13], x[14], x[15]);
}

HILUM_SSE2_OP void AddBlocks(uint32_t* words, Lanes4 (&x)[kChaChaWords], uint32_t mask) {
  TransposeQuarters(x);
  for (int r = 0; r < 4; ++r) {
    for (int q = 0; q < 4; ++q) AddWords4(words + 16 * r + 4 * q, x[4 * q + r].v, mask);
  }
}
HILUM_AVX2_OP void AddBlocks(uint32_t* words, Lanes8 (&x)[kChaChaWords], uint32_t mask) {
  TransposeQuarters(x);
  for (int r = 0; r < 4; ++r) {
    for (int q = 0; q < 4; q += 2) {
      const __m256i even = x[4 * q + r].v, odd = x[4 * (q + 1) + r].v;
      uint32_t* const at = words + 16 * r + 4 * q;
      AddWords8(at, _mm256_permute2x128_si256(even, odd, 0x20), mask);
      AddWords8(at + 64, _mm256_permute2x128_si256(even, odd, 0x31), mask);
    }
  }
}
HILUM_AVX512_OP void AddBlocks(uint32_t* words, Lanes16 (&x)[kChaChaWords], uint32_t mask) {
  TransposeQuarters(x);
  for (int r = 0; r < 4; ++r) {
    const __m512i low01 = _mm512_shuffle_i32x4(x[r].v, x[4 + r].v, 0x44);
    const __m512i low23 = _mm512_shuffle_i32x4(x[r].v, x[4 + r].v, 0xee);
    const __m512i high01 = _mm512_shuffle_i32x4(x[8 + r].v, x[12 + r].v, 0x44);
    const __m512i high23 = _mm512_shuffle_i32x4(x[8 + r].v, x[12 + r].v, 0xee);
    AddWords16(words + 16 * r, _mm512_shuffle_i32x4(low01, high01, 0x88), mask);
    AddWords16(words + 16 * r + 64, _mm512_shuffle_i32x4(low01, high01, 0xdd), mask);
    AddWords16(words + 16 * r + 128, _mm512_shuffle_i32x4(low23, high23, 0x88), mask);
    AddWords16(words + 16 * r + 192, _mm512_shuffle_i32x4(low23, high23, 0xdd), mask);
  }
}
HILUM_AVX512_OP void AddBlocks(uint32_t* words, Lanes32 (&x)[kChaChaWords], uint32_t mask) {
  Lanes16 half[kChaChaWords];
  HILUM_UNROLL for (int i = 0; i < kChaChaWords; ++i) half[i] = x[i].low;
  AddBlocks(words, half, mask);
  HILUM_UNROLL for (int i = 0; i < kChaChaWords; ++i) half[i] = x[i].high;
  AddBlocks(words + 256, half, mask);
}

}  // namespace hilum::kernels

#endif

#endif  // HILUM_KERNELS_CHACHA20_LANES_H_

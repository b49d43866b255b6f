// The lane types of tag_program.h on x86-64: 2, 4 and 16 words, each in 64 bits.
#ifndef HILUM_KERNELS_TAG_LANES_H_
#define HILUM_KERNELS_TAG_LANES_H_

#if defined(__x86_64__)

#include "kernels/intrinsics.h"
#include "kernels/tag_program.h"

namespace hilum::kernels {

#define HILUM_TAG_SSE2 inline
#define HILUM_TAG_AVX2 __attribute__((target("avx2"))) inline
#define HILUM_TAG_AVX512 __attribute__((target("avx512f"))) inline

struct TagLanes2 {
  __m128i v;
};
struct TagLanes4 {
  __m256i v;
};
struct TagLanes16 {
  __m512i low, high;
};

HILUM_TAG_SSE2 void SetZero(TagLanes2& x) { x.v = _mm_setzero_si128(); }
HILUM_TAG_SSE2 void LoadWords(TagLanes2& x, const uint32_t* words) {
  x.v = _mm_unpacklo_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(words)),
                           _mm_setzero_si128());
}
HILUM_TAG_SSE2 void MultiplyAdd(TagLanes2& sum, const TagLanes2& word, uint64_t limb) {
  const __m128i factor = _mm_set1_epi64x(static_cast<int64_t>(limb));
  sum.v = _mm_add_epi64(sum.v, _mm_mul_epu32(word.v, factor));
}
HILUM_TAG_SSE2 void StoreLanes(uint64_t* to, const TagLanes2& x) {
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), x.v);
}

HILUM_TAG_AVX2 void SetZero(TagLanes4& x) { x.v = _mm256_setzero_si256(); }
HILUM_TAG_AVX2 void LoadWords(TagLanes4& x, const uint32_t* words) {
  x.v = _mm256_cvtepu32_epi64(_mm_loadu_si128(reinterpret_cast<const __m128i*>(words)));
}
HILUM_TAG_AVX2 void MultiplyAdd(TagLanes4& sum, const TagLanes4& word, uint64_t limb) {
  const __m256i factor = _mm256_set1_epi64x(static_cast<int64_t>(limb));
  sum.v = _mm256_add_epi64(sum.v, _mm256_mul_epu32(word.v, factor));
}
HILUM_TAG_AVX2 void StoreLanes(uint64_t* to, const TagLanes4& x) {
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), x.v);
}

HILUM_TAG_AVX512 void SetZero(TagLanes16& x) { x.low = x.high = _mm512_setzero_si512(); }
HILUM_TAG_AVX512 void LoadWords(TagLanes16& x, const uint32_t* words) {
  const __m512i all = _mm512_loadu_si512(words);
  x.low = _mm512_cvtepu32_epi64(_mm512_castsi512_si256(all));
  x.high = _mm512_cvtepu32_epi64(_mm512_extracti64x4_epi64(all, 1));
}
HILUM_TAG_AVX512 void MultiplyAdd(TagLanes16& sum, const TagLanes16& word, uint64_t limb) {
  const __m512i factor = _mm512_set1_epi64(static_cast<int64_t>(limb));
  sum.low = _mm512_add_epi64(sum.low, _mm512_mul_epu32(word.low, factor));
  sum.high = _mm512_add_epi64(sum.high, _mm512_mul_epu32(word.high, factor));
}
HILUM_TAG_AVX512 void StoreLanes(uint64_t* to, const TagLanes16& x) {
  _mm512_storeu_si512(to, x.low);
  _mm512_storeu_si512(to + 8, x.high);
}

}  // namespace hilum::kernels

#endif

#endif  // HILUM_KERNELS_TAG_LANES_H_

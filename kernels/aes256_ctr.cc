#include "kernels/aes256_ctr.h"

#include <algorithm>

#include "base/check.h"
#include "kernels/intrinsics.h"
#include "kernels/secret.h"

namespace hilum::kernels {

absl::string_view ToString(AesPath path) {
  switch (path) {
    case AesPath::kNone:
      return "none";
    case AesPath::kAesNi:
      return "aes-ni";
    case AesPath::kVaes256:
      return "vaes-256";
    case AesPath::kVaes512:
      return "vaes-512";
  }
  return "unknown";
}

AesPath AesPathFor(const AesFeatures& features, Isa limit) {
  if (!features.aes || limit < std::min(features.isa, Isa::kAvx2)) return AesPath::kNone;
  const Isa isa = std::min(features.isa, limit);
  if (!features.vaes || isa == Isa::kScalar) return AesPath::kAesNi;
  return isa == Isa::kAvx512 ? AesPath::kVaes512 : AesPath::kVaes256;
}

AesPath DefaultAesPath() {
  static const AesPath path = AesPathFor(AesFeaturesHere(), DefaultIsa());
  return path;
}

#if defined(__x86_64__)

#define HILUM_AESNI __attribute__((target("aes,ssse3")))
#define HILUM_VAES256 __attribute__((target("vaes,aes,avx2")))
#define HILUM_VAES512 __attribute__((target("vaes,aes,avx512f,avx512bw,avx512dq,avx512vl")))
#define HILUM_INLINE __attribute__((always_inline)) inline

namespace {

constexpr int kRoundKeys = 15;
constexpr int kInFlight = 8;  // vectors: hides the latency of a round

// ---- AES-NI ----

// Round keys i and i + 1 from the two before (FIPS 197, section 5.2, Nk = 8).
template <int kRcon>
HILUM_AESNI HILUM_INLINE void NextRoundKeys(__m128i& even, __m128i& odd) {
  const auto prefix_xor = [](__m128i x) {
    x = _mm_xor_si128(x, _mm_slli_si128(x, 4));
    return _mm_xor_si128(x, _mm_slli_si128(x, 8));
  };
  const __m128i rotated = _mm_shuffle_epi32(_mm_aeskeygenassist_si128(odd, kRcon), 0xff);
  even = _mm_xor_si128(prefix_xor(even), rotated);
  const __m128i substituted = _mm_shuffle_epi32(_mm_aeskeygenassist_si128(even, 0), 0xaa);
  odd = _mm_xor_si128(prefix_xor(odd), substituted);
}

// The counter's 32 bits, big-endian in the last word of each block.
constexpr char kSwapLastWord[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 15, 14, 13, 12};

HILUM_INLINE __m128i RoundKey(const uint8_t* schedule, int i) {
  return _mm_load_si128(reinterpret_cast<const __m128i*>(schedule) + i);
}
HILUM_INLINE __m128i CounterBlock(const AesTile& tile, uint64_t block) {
  return _mm_setr_epi32(static_cast<int>(tile.nonce[0]), static_cast<int>(tile.nonce[1]),
                        static_cast<int>(tile.nonce[2]), static_cast<int>(block));
}
template <int kSign>
HILUM_INLINE __m128i Signed(__m128i word, __m128i mask) {
  return kSign > 0 ? _mm_add_epi32(word, mask) : _mm_sub_epi32(word, mask);
}

// kBlocks keystream blocks from `counter` on, added to the words at `at`.
template <int kSign, int kBlocks>
HILUM_AESNI HILUM_INLINE void AddBlocks128(uint32_t* at, __m128i counter, const uint8_t* schedule) {
  const __m128i swap = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kSwapLastWord));
  __m128i x[kBlocks];
  for (int b = 0; b < kBlocks; ++b) {
    x[b] = _mm_xor_si128(_mm_shuffle_epi8(_mm_add_epi32(counter, _mm_setr_epi32(0, 0, 0, b)), swap),
                         RoundKey(schedule, 0));
  }
  for (int r = 1; r < kRoundKeys - 1; ++r) {
    const __m128i key = RoundKey(schedule, r);
    for (int b = 0; b < kBlocks; ++b) x[b] = _mm_aesenc_si128(x[b], key);
  }
  for (int b = 0; b < kBlocks; ++b) {
    __m128i* const word = reinterpret_cast<__m128i*>(at + kAesBlockWords * b);
    x[b] = _mm_aesenclast_si128(x[b], RoundKey(schedule, kRoundKeys - 1));
    _mm_storeu_si128(word, Signed<kSign>(_mm_loadu_si128(word), x[b]));
  }
}

// `n` words from word `skip` of block `block` on: skip + n <= 4.
template <int kSign>
HILUM_AESNI void AddPartOfBlock(const AesTile& tile, uint32_t* words, int64_t n, uint64_t block,
                                int64_t skip, const uint8_t* schedule) {
  alignas(16) uint32_t part[kAesBlockWords] = {};
  for (int64_t i = 0; i < n; ++i) part[skip + i] = words[i];
  AddBlocks128<kSign, 1>(part, CounterBlock(tile, block), schedule);
  for (int64_t i = 0; i < n; ++i) words[i] = part[skip + i];
  Wipe({reinterpret_cast<uint8_t*>(part), sizeof(part)});  // the other words are keystream
}

// What no path but AVX-512 has a masked store for: calls whole(words, n_blocks, block) on the whole
// blocks, and adds the parts of a block at both ends.
template <int kSign, class Whole>
HILUM_AESNI HILUM_INLINE void WithEnds(const AesTile& tile, const uint8_t* schedule,
                                       const Whole& whole) {
  uint64_t block = tile.first_coord / kAesBlockWords;
  const int64_t skip = static_cast<int64_t>(tile.first_coord % kAesBlockWords);
  const int64_t head = skip == 0 ? 0 : std::min(kAesBlockWords - skip, tile.n);
  if (head > 0) AddPartOfBlock<kSign>(tile, tile.words, head, block++, skip, schedule);
  const int64_t n_blocks = (tile.n - head) / kAesBlockWords;
  whole(tile.words + head, n_blocks, block);
  const int64_t done = head + n_blocks * kAesBlockWords;
  if (done == tile.n) return;
  AddPartOfBlock<kSign>(tile, tile.words + done, tile.n - done,
                        block + static_cast<uint64_t>(n_blocks), 0, schedule);
}

template <int kSign>
HILUM_AESNI void AddKeyAesNi(const AesTile& tile, const uint8_t* schedule) {
  WithEnds<kSign>(tile, schedule, [&](uint32_t* at, int64_t n_blocks, uint64_t block) HILUM_AESNI {
    for (; n_blocks >= kInFlight; n_blocks -= kInFlight, block += kInFlight) {
      AddBlocks128<kSign, kInFlight>(at, CounterBlock(tile, block), schedule);
      at += kInFlight * kAesBlockWords;
    }
    for (; n_blocks > 0; --n_blocks, ++block, at += kAesBlockWords) {
      AddBlocks128<kSign, 1>(at, CounterBlock(tile, block), schedule);
    }
  });
}

// ---- VAES, two blocks a vector ----

template <int kSign, int kVectors>
HILUM_VAES256 HILUM_INLINE void AddBlocks256(uint32_t* at, __m256i counter,
                                             const uint8_t* schedule) {
  const __m256i swap =
      _mm256_broadcastsi128_si256(_mm_loadu_si128(reinterpret_cast<const __m128i*>(kSwapLastWord)));
  const auto key = [schedule](int r)
                       HILUM_VAES256 { return _mm256_broadcastsi128_si256(RoundKey(schedule, r)); };
  __m256i x[kVectors];
  for (int b = 0; b < kVectors; ++b) {
    const __m256i step = _mm256_setr_epi32(0, 0, 0, 2 * b, 0, 0, 0, 2 * b + 1);
    x[b] = _mm256_xor_si256(_mm256_shuffle_epi8(_mm256_add_epi32(counter, step), swap), key(0));
  }
  for (int r = 1; r < kRoundKeys - 1; ++r) {
    const __m256i round_key = key(r);
    for (int b = 0; b < kVectors; ++b) x[b] = _mm256_aesenc_epi128(x[b], round_key);
  }
  const __m256i last_key = key(kRoundKeys - 1);
  for (int b = 0; b < kVectors; ++b) {
    __m256i* const word = reinterpret_cast<__m256i*>(at + 2 * kAesBlockWords * b);
    x[b] = _mm256_aesenclast_epi128(x[b], last_key);
    const __m256i old = _mm256_loadu_si256(word);
    _mm256_storeu_si256(word,
                        kSign > 0 ? _mm256_add_epi32(old, x[b]) : _mm256_sub_epi32(old, x[b]));
  }
}

template <int kSign>
HILUM_VAES256 void AddKeyVaes256(const AesTile& tile, const uint8_t* schedule) {
  WithEnds<kSign>(tile, schedule,
                  [&](uint32_t* at, int64_t n_blocks, uint64_t block) HILUM_VAES256 {
                    constexpr int kStep = 2 * kInFlight;
                    for (; n_blocks >= kStep; n_blocks -= kStep, block += kStep) {
                      AddBlocks256<kSign, kInFlight>(
                          at, _mm256_broadcastsi128_si256(CounterBlock(tile, block)), schedule);
                      at += kStep * kAesBlockWords;
                    }
                    for (; n_blocks > 0; --n_blocks, ++block, at += kAesBlockWords) {
                      AddBlocks128<kSign, 1>(at, CounterBlock(tile, block), schedule);
                    }
                  });
}

// ---- VAES, four blocks a vector ----

// Counters of the four blocks from `block` on.
HILUM_VAES512 HILUM_INLINE __m512i Counters512(const AesTile& tile, uint64_t block) {
  return _mm512_add_epi32(_mm512_broadcast_i32x4(CounterBlock(tile, block)),
                          _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3));
}
HILUM_VAES512 HILUM_INLINE __m512i Swap512() {
  return _mm512_broadcast_i32x4(_mm_loadu_si128(reinterpret_cast<const __m128i*>(kSwapLastWord)));
}
template <int kSign>
HILUM_VAES512 HILUM_INLINE __m512i Signed512(__m512i word, __m512i mask) {
  return kSign > 0 ? _mm512_add_epi32(word, mask) : _mm512_sub_epi32(word, mask);
}

// `n_steps` times kInFlight vectors from `block` on. The round keys stay in 15 registers.
template <int kSign>
HILUM_VAES512 __attribute__((noinline)) void AddWhole512(const AesTile& tile, uint32_t* words,
                                                         int64_t n_steps, uint64_t block,
                                                         const uint8_t* schedule) {
  __m512i keys[kRoundKeys];
#pragma GCC unroll 16
  for (int r = 0; r < kRoundKeys; ++r) keys[r] = _mm512_broadcast_i32x4(RoundKey(schedule, r));
  const __m512i swap = Swap512();
  const __m512i step = _mm512_broadcast_i32x4(_mm_setr_epi32(0, 0, 0, 4));
  __m512i counter = Counters512(tile, block);
  for (; n_steps > 0; --n_steps, words += 16 * kInFlight) {
    __m512i x[kInFlight];
#pragma GCC unroll 16
    for (int b = 0; b < kInFlight; ++b) {
      x[b] = _mm512_xor_si512(_mm512_shuffle_epi8(counter, swap), keys[0]);
      counter = _mm512_add_epi32(counter, step);
      // One counter: eight of them would push round keys out of the registers, onto the stack.
      __asm__("" : "+v"(counter));
    }
#pragma GCC unroll 16
    for (int r = 1; r < kRoundKeys - 1; ++r) {
#pragma GCC unroll 16
      for (int b = 0; b < kInFlight; ++b) x[b] = _mm512_aesenc_epi128(x[b], keys[r]);
    }
#pragma GCC unroll 16
    for (int b = 0; b < kInFlight; ++b) {
      x[b] = _mm512_aesenclast_epi128(x[b], keys[kRoundKeys - 1]);
      _mm512_storeu_si512(words + 16 * b,
                          Signed512<kSign>(_mm512_loadu_si512(words + 16 * b), x[b]));
    }
  }
}

// The vector whose first word is `at`: masked loads and stores leave out what lies outside the
// tile.
template <int kSign>
HILUM_VAES512 __attribute__((noinline)) void AddPart512(const AesTile& tile, int64_t at,
                                                        uint64_t block, const uint8_t* schedule) {
  const int64_t first = std::max<int64_t>(0, -at), end = std::min<int64_t>(16, tile.n - at);
  const auto inside = static_cast<__mmask16>((1u << end) - (1u << first));
  uint32_t* const words = tile.words + at;
  __m512i x = _mm512_shuffle_epi8(Counters512(tile, block), Swap512());
  x = _mm512_xor_si512(x, _mm512_broadcast_i32x4(RoundKey(schedule, 0)));
  for (int r = 1; r < kRoundKeys - 1; ++r) {
    x = _mm512_aesenc_epi128(x, _mm512_broadcast_i32x4(RoundKey(schedule, r)));
  }
  x = _mm512_aesenclast_epi128(x, _mm512_broadcast_i32x4(RoundKey(schedule, kRoundKeys - 1)));
  _mm512_mask_storeu_epi32(words, inside,
                           Signed512<kSign>(_mm512_maskz_loadu_epi32(inside, words), x));
}

template <int kSign>
HILUM_VAES512 void AddKeyVaes512(const AesTile& tile, const uint8_t* schedule) {
  constexpr int64_t kStep = 16 * kInFlight;  // words
  uint64_t block = tile.first_coord / kAesBlockWords;
  int64_t at = -static_cast<int64_t>(tile.first_coord % kAesBlockWords);
  if (at < 0 && tile.n > 0) {
    AddPart512<kSign>(tile, at, block, schedule);
    at += 16, block += 4;
  }
  if (const int64_t n_steps = (tile.n - at) / kStep; n_steps > 0) {
    AddWhole512<kSign>(tile, tile.words + at, n_steps, block, schedule);
    at += n_steps * kStep, block += static_cast<uint64_t>(4 * kInFlight * n_steps);
  }
  for (; at < tile.n; at += 16, block += 4) AddPart512<kSign>(tile, at, block, schedule);
}

using AddKey = void (*)(const AesTile& tile, const uint8_t* schedule);

template <int kSign>
AddKey AddKeyFor(AesPath path) {
  switch (path) {
    case AesPath::kNone:
      break;
    case AesPath::kAesNi:
      return &AddKeyAesNi<kSign>;
    case AesPath::kVaes256:
      return &AddKeyVaes256<kSign>;
    case AesPath::kVaes512:
      return &AddKeyVaes512<kSign>;
  }
  HILUM_CHECK(false);
  return nullptr;
}

}  // namespace

AesFeatures AesFeaturesHere() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  AesFeatures features{.isa = BestIsa()};
  if (__get_cpuid(1, &eax, &ebx, &ecx, &edx) != 0) {
    features.aes = (ecx & bit_AES) != 0 && (ecx & bit_SSSE3) != 0;
  }
  if (__get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) != 0) {
    features.vaes = (ecx & bit_VAES) != 0;
  }
  return features;
}

HILUM_AESNI void ExpandAes256Key(std::span<const uint8_t, 32> key,
                                 std::span<uint8_t, kAesScheduleBytes> schedule) {
  __m128i* out = reinterpret_cast<__m128i*>(schedule.data());
  __m128i even = _mm_loadu_si128(reinterpret_cast<const __m128i*>(key.data()));
  __m128i odd = _mm_loadu_si128(reinterpret_cast<const __m128i*>(key.data() + 16));
  const auto store = [&out](__m128i round_key) { _mm_storeu_si128(out++, round_key); };
  store(even), store(odd);
  NextRoundKeys<0x01>(even, odd), store(even), store(odd);
  NextRoundKeys<0x02>(even, odd), store(even), store(odd);
  NextRoundKeys<0x04>(even, odd), store(even), store(odd);
  NextRoundKeys<0x08>(even, odd), store(even), store(odd);
  NextRoundKeys<0x10>(even, odd), store(even), store(odd);
  NextRoundKeys<0x20>(even, odd), store(even), store(odd);
  NextRoundKeys<0x40>(even, odd), store(even);
}

void AesCtrAdd(AesPath path, const AesTile& tile, const uint8_t* schedules,
               std::span<const int8_t> signs) {
  const AddKey add = AddKeyFor<1>(path), subtract = AddKeyFor<-1>(path);
  for (size_t k = 0; k < signs.size(); ++k) {
    (signs[k] > 0 ? add : subtract)(tile, schedules + kAesScheduleBytes * k);
  }
  if (tile.ring_mask == 0xffffffff) return;
  for (int64_t i = 0; i < tile.n; ++i) tile.words[i] &= tile.ring_mask;
}

#else

AesFeatures AesFeaturesHere() { return {}; }
void ExpandAes256Key(std::span<const uint8_t, 32>, std::span<uint8_t, kAesScheduleBytes>) {
  HILUM_CHECK(false);
}
void AesCtrAdd(AesPath, const AesTile&, const uint8_t*, std::span<const int8_t>) {
  HILUM_CHECK(false);
}

#endif

}  // namespace hilum::kernels

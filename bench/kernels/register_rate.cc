#include "bench/kernels/register_rate.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>

#include "kernels/aes256_ctr.h"
#include "kernels/chacha20_lanes.h"
#include "kernels/intrinsics.h"

namespace hilum::kernels {

double BestRate(double bytes, const std::function<void()>& pass) {
  constexpr int kPasses = 20;
  double best = 1e9;
  for (int i = 0; i < kPasses; ++i) {
    const auto start = std::chrono::steady_clock::now();
    pass();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    best = std::min(best, took.count());
  }
  return bytes / best;
}

namespace {

constexpr int64_t kSteps = 20'000;

#if defined(__x86_64__)

// 14 rounds on eight vectors, again and again. The vectors' type and the round are given.
#define HILUM_AES_LOOP(name, isa, vector, set, round)                                 \
  __attribute__((target(isa), noinline)) void name() {                                \
    vector key = set(0x1234567), x[8];                                                \
    for (int b = 0; b < 8; ++b) x[b] = set(b);                                        \
    for (int64_t step = 0; step < kSteps; ++step) {                                   \
      _Pragma("GCC unroll 16") for (int r = 0; r < 14; ++r) {                         \
        _Pragma("GCC unroll 16") for (int b = 0; b < 8; ++b) x[b] = round(x[b], key); \
      }                                                                               \
    }                                                                                 \
    for (int b = 0; b < 8; ++b) benchmark::DoNotOptimize(x[b]);                       \
  }
HILUM_AES_LOOP(LoopAesNi, "aes", __m128i, _mm_set1_epi32, _mm_aesenc_si128)
HILUM_AES_LOOP(LoopVaes256, "vaes,avx2", __m256i, _mm256_set1_epi32, _mm256_aesenc_epi128)
HILUM_AES_LOOP(LoopVaes512, "vaes,avx512f", __m512i, _mm512_set1_epi32, _mm512_aesenc_epi128)

double AesRegisterRate(AesPath path) {
  constexpr double kBytes = 8.0 * 16 * kSteps;
  if (path == AesPath::kVaes512) return BestRate(4 * kBytes, LoopVaes512);
  if (path == AesPath::kVaes256) return BestRate(2 * kBytes, LoopVaes256);
  return BestRate(kBytes, LoopAesNi);
}

// The ten double rounds on 16 vectors that nothing is loaded into.
template <class Lanes>
struct ChaChaLoop {
  static constexpr int kThreads = 1;
  struct Shared {};
  template <class Block>
  HILUM_KERNEL void operator()(const Block&) const {
    Lanes x[kChaChaWords];
    HILUM_UNROLL for (int i = 0; i < kChaChaWords; ++i) SetAll(x[i], static_cast<uint32_t>(i));
    for (int64_t step = 0; step < 10 * kSteps; ++step) DoubleRound(x);
    HILUM_UNROLL for (int i = 0; i < kChaChaWords; ++i) benchmark::DoNotOptimize(x[i]);
  }
};

template <class Lanes, class Run>
double ChaChaRate(Run run) {
  return BestRate(4.0 * kChaChaWords * kLanesOf<Lanes> * kSteps,
                  [run] { run(ChaChaLoop<Lanes>(), 0, 1); });
}

double ChaChaRegisterRate() {
  constexpr Order kOrder = Order::kForward;
  switch (DefaultIsa()) {
    case Isa::kAvx512:
      return ChaChaRate<Lanes32>(&RunAvx512<kOrder, ChaChaLoop<Lanes32>>);
    case Isa::kAvx2:
      return ChaChaRate<Lanes8>(&RunAvx2<kOrder, ChaChaLoop<Lanes8>>);
    case Isa::kScalar:
      break;
  }
  return ChaChaRate<Lanes4>(&RunScalar<kOrder, ChaChaLoop<Lanes4>>);
}

#else
double AesRegisterRate(AesPath) { return 0.0; }
double ChaChaRegisterRate() { return 0.0; }
#endif

}  // namespace

double RegisterRate(MaskSuite suite) {
  static const double aes =
      DefaultAesPath() == AesPath::kNone ? 0.0 : AesRegisterRate(DefaultAesPath());
  static const double chacha = ChaChaRegisterRate();
  return suite == MaskSuite::kAes256Ctr ? aes : chacha;
}

}  // namespace hilum::kernels

// The block program of discrete_gaussian.h, and the sampler itself: one source for the CPU, for the
// GPU and for every source of random words.
#ifndef HILUM_KERNELS_DISCRETE_GAUSSIAN_PROGRAM_H_
#define HILUM_KERNELS_DISCRETE_GAUSSIAN_PROGRAM_H_

#include <bit>
#include <cstdint>

#include "kernels/chacha20_program.h"
#include "kernels/discrete_gaussian.h"
#include "kernels/exec.h"

#if defined(__CUDACC__)
#define HILUM_NOISE_REFILL HILUM_KERNEL  // a call would make the caller spill registers
#else
#include "kernels/chacha20_stream.h"
#include "kernels/secret.h"
#define HILUM_NOISE_REFILL __attribute__((noinline))
#endif

namespace hilum::kernels {

__extension__ using Wide = unsigned __int128;

HILUM_KERNEL int BitLength(uint64_t value) {
#if defined(__CUDACC__)
  return 64 - __clzll(static_cast<int64_t>(value));
#else
  return std::bit_width(value);
#endif
}
HILUM_KERNEL int BitLength(Wide value) {
  const auto high = static_cast<uint64_t>(value >> 64);
  return high != 0 ? 64 + BitLength(high) : BitLength(static_cast<uint64_t>(value));
}

// The trials of Canonne, Kamath, Steinke 2020. Words has uint32_t Next(), uniform.
//
// Bernoulli(n / d), n <= d, 1 <= d < 2^127: whether U < n, U uniform in 0..d - 1. U is drawn with
// the bit length of d and refused when it is not below d. Its upper 32 bits are drawn first, and
// the others only if these do not decide: the same trial, for one word instead of four.
template <class Words>
HILUM_KERNEL bool Below(Words& words, Wide n, Wide d) {
  if (d == 1) return n == 1;  // nothing to draw
  const int bits = BitLength(d - 1);
  const int rest = bits > 32 ? bits - 32 : 0;
  const uint64_t top_n = static_cast<uint64_t>(n >> rest);
  const uint64_t top_last = static_cast<uint64_t>((d - 1) >> rest);
  for (;;) {
    const uint64_t top = uint64_t{words.Next()} >> (bits > 32 ? 0 : 32 - bits);
    if (top > top_last) continue;
    if (top != top_n && top != top_last) return top < top_n;
    Wide u = top;
    for (int left = rest; left > 0; left -= 32) {
      const int taken = left < 32 ? left : 32;
      u = u << taken | words.Next() >> (32 - taken);
    }
    if (u < d) return u < n;
  }
}

// Uniform in 0..d - 1, 1 <= d <= 2^32.
template <class Words>
HILUM_KERNEL uint64_t Uniform(Words& words, uint64_t d) {
  const int bits = BitLength(d - 1);
  for (;;) {
    const uint64_t u = bits == 0 ? 0 : uint64_t{words.Next()} >> (32 - bits);
    if (u < d) return u;
  }
}

// Algorithm 1, 0 <= n / d <= 1: Bernoulli(exp(-n / d)). Bernoulli(n / (d k)) is made as
// Bernoulli(n / d) and Bernoulli(1 / k), so that no product grows with k.
template <class Words>
HILUM_KERNEL bool ExpOfAtMostOne(Words& words, Wide n, Wide d) {
  uint64_t k = 1;
  while (Below(words, n, d) && Below(words, 1, k)) ++k;
  return k % 2 == 1;
}

// Algorithm 1: Bernoulli(exp(-n / d)), n / d any.
template <class Words>
HILUM_KERNEL bool Exp(Words& words, Wide n, Wide d) {
  for (; n > d; n -= d) {
    if (!ExpOfAtMostOne(words, 1, 1)) return false;
  }
  return ExpOfAtMostOne(words, n, d);
}

// Algorithm 3, with algorithm 2 (s = 1) inside: a discrete Laplace sample y of scale t, accepted
// with probability exp(-(|y| - sigma^2 / t)^2 / (2 sigma^2)), which with sigma^2 = n / d is
// exp(-(|y| d t - n)^2 / (2 n d t^2)). |y| d t and n are below 2^63, so the square is below 2^126;
// 2 n d t^2 is below 2^118, as t^2 <= 4 n / d, or t = 1.
template <class Words>
HILUM_KERNEL int64_t DrawGaussian(const GaussianParameters& p, Words& words) {
  for (;;) {
    const uint64_t below_scale = Uniform(words, p.scale);
    if (!ExpOfAtMostOne(words, below_scale, p.scale)) continue;
    uint64_t whole = 0;
    while (ExpOfAtMostOne(words, 1, 1)) ++whole;
    const bool is_negative = Below(words, 1, 2);
    if (whole > p.largest / p.scale) continue;
    const uint64_t y = below_scale + p.scale * whole;
    if ((is_negative && y == 0) || y > p.largest) continue;
    const uint64_t scaled = y * p.denominator * p.scale;
    const uint64_t distance = scaled > p.numerator ? scaled - p.numerator : p.numerator - scaled;
    const Wide square = static_cast<Wide>(distance) * distance;
    const Wide twice_variance =
        static_cast<Wide>(2 * p.numerator) * p.denominator * (p.scale * p.scale);
    if (!Exp(words, square, twice_variance)) continue;
    return is_negative ? -static_cast<int64_t>(y) : static_cast<int64_t>(y);
  }
}

// The words of one run: ChaCha20 under the key, nonce the run's number, from block 0 on. On the CPU
// many blocks at a time, wiped at the end; on a GPU one, in the thread's own memory.
class RunWords {
 public:
#if defined(__CUDACC__)
  static constexpr int kWords = kChaChaWords;
#else
  static constexpr int kWords = 512;
#endif

  HILUM_KERNEL RunWords(const uint32_t* key, int64_t run) : key_(key), run_(run) {}
#if !defined(__CUDACC__)
  ~RunWords() { Wipe({reinterpret_cast<uint8_t*>(words_), sizeof words_}); }
#endif

  HILUM_KERNEL uint32_t Next() {
    if (next_ == kWords) Refill();
    return words_[next_++];
  }

 private:
  HILUM_NOISE_REFILL void Refill() {
    const auto low = static_cast<uint32_t>(run_), high = static_cast<uint32_t>(run_ >> 32);
#if defined(__CUDACC__)
    uint32_t start[kChaChaWords] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    HILUM_UNROLL for (int i = 0; i < 8; ++i) start[4 + i] = key_[i];
    start[12] = block_;
    start[13] = low;
    start[14] = high;
    uint32_t x[kChaChaWords];
    HILUM_UNROLL for (int i = 0; i < kChaChaWords; ++i) x[i] = start[i];
    for (int round = 0; round < 10; ++round) DoubleRound(x);
    HILUM_UNROLL for (int i = 0; i < kChaChaWords; ++i) words_[i] = x[i] + start[i];
#else
    ChaCha20Words(key_, {low, high, 0}, block_, words_);
#endif
    block_ += kWords / kChaChaWords;
    next_ = 0;
  }

  const uint32_t* key_;
  int64_t run_;
  uint32_t block_ = 0;
  int next_ = kWords;
  alignas(64) uint32_t words_[kWords];
};

// ring[j] = (ring[j] + x_j) & mask, x_j the samples of its run in order: a thread draws the kRun
// samples of one run, so the noise is the same however many threads there are.
//   ring  [n]; key  [8] words; mask  2^ring_bits - 1
// Launch BlocksFor(n, kTile) blocks.
struct DiscreteGaussianProgram {
  static constexpr int kRun = 64;
  static constexpr int kThreads = RunWords::kWords == kChaChaWords ? 128 : 16;  // a GPU, a CPU
  static constexpr int kTile = kThreads * kRun;
  static constexpr int64_t kMinBlocksPerThread = 1;  // a block takes a tenth of a millisecond
  struct Shared {};

  uint32_t* ring;
  int64_t n;
  const uint32_t* key;
  GaussianParameters gaussian;
  uint32_t mask;

  template <class Block>
  HILUM_KERNEL void operator()(const Block& block) const {
    const DiscreteGaussianProgram p = *this;
    const int64_t first_run = block.index * kThreads;
    block.Local((n + kRun - 1) / kRun - first_run, [=](int t) { p.AddRun(first_run + t); });
  }

  HILUM_KERNEL void AddRun(int64_t run) const {
    RunWords words(key, run);
    const int64_t last = n < (run + 1) * kRun ? n : (run + 1) * kRun;
    for (int64_t j = run * kRun; j < last; ++j) {
      ring[j] = (ring[j] + static_cast<uint32_t>(DrawGaussian(gaussian, words))) & mask;
    }
  }
};

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_DISCRETE_GAUSSIAN_PROGRAM_H_

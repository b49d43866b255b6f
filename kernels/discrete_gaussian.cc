#include "kernels/discrete_gaussian.h"

#include <bit>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/secret.h"

namespace hilum::kernels {

namespace {

__extension__ using Wide = unsigned __int128;

constexpr uint64_t kMaxNumerator = uint64_t{1} << 54;
constexpr uint64_t kMaxDenominator = uint64_t{1} << 20;

int BitLength(Wide value) {
  const auto high = static_cast<uint64_t>(value >> 64);
  return high != 0 ? 64 + std::bit_width(high) : std::bit_width(static_cast<uint64_t>(value));
}

uint64_t FloorSqrt(uint64_t value) {
  uint64_t root = 0;
  for (uint64_t bit = uint64_t{1} << 31; bit > 0; bit >>= 1) {
    if ((root + bit) * (root + bit) <= value) root += bit;
  }
  return root;
}

}  // namespace

// The words of a source, and the trials that are made of them. Wiped at the end: who knows them
// knows the noise.
class NoiseWords {
 public:
  explicit NoiseWords(RandomSource source) : source_(source) {}

  // Bernoulli(n / d), n <= d, 1 <= d < 2^127: whether U < n, U uniform in 0..d - 1. U is drawn with
  // the bit length of d and refused when it is not below d. Its upper 32 bits are drawn first, and
  // the others only if these do not decide: the same trial, for one word instead of four.
  bool Below(Wide n, Wide d) {
    if (d == 1) return n == 1;  // nothing to draw
    const int bits = BitLength(d - 1);
    const int rest = bits > 32 ? bits - 32 : 0;
    const uint64_t top_n = static_cast<uint64_t>(n >> rest);
    const uint64_t top_last = static_cast<uint64_t>((d - 1) >> rest);
    for (;;) {
      const uint64_t top = Next() >> (bits > 32 ? 0 : 32 - bits);
      if (top > top_last) continue;
      if (top != top_n && top != top_last) return top < top_n;
      Wide u = top;
      for (int left = rest; left > 0; left -= 32) {
        const int taken = left < 32 ? left : 32;
        u = u << taken | Next() >> (32 - taken);
      }
      if (u < d) return u < n;
    }
  }

  // Uniform in 0..d - 1, 1 <= d <= 2^32.
  uint64_t Uniform(uint64_t d) {
    const int bits = std::bit_width(d - 1);
    for (;;) {
      const uint64_t u = bits == 0 ? 0 : Next() >> (32 - bits);
      if (u < d) return u;
    }
  }

  // Algorithm 1, 0 <= n / d <= 1: Bernoulli(exp(-n / d)). Bernoulli(n / (d k)) is made as
  // Bernoulli(n / d) and Bernoulli(1 / k), so that no product grows with k.
  bool ExpOfAtMostOne(Wide n, Wide d) {
    uint64_t k = 1;
    while (Below(n, d) && Below(1, k)) ++k;
    return k % 2 == 1;
  }

  // Algorithm 1: Bernoulli(exp(-n / d)), n / d any.
  bool Exp(Wide n, Wide d) {
    for (; n > d; n -= d) {
      if (!ExpOfAtMostOne(1, 1)) return false;
    }
    return ExpOfAtMostOne(n, d);
  }

 private:
  uint64_t Next() {
    if (next_ == kNoiseBlockWords) {
      source_({reinterpret_cast<uint32_t*>(block_.data()), kNoiseBlockWords});
      next_ = 0;
    }
    return reinterpret_cast<const uint32_t*>(block_.data())[next_++];
  }

  RandomSource source_;
  SecretBytes block_{kNoiseBlockWords * sizeof(uint32_t)};
  size_t next_ = kNoiseBlockWords;
};

absl::StatusOr<DiscreteGaussian> DiscreteGaussian::Create(const Variance& variance) {
  if (variance.numerator < 1 || variance.numerator > kMaxNumerator || variance.denominator < 1 ||
      variance.denominator > kMaxDenominator) {
    return absl::InvalidArgumentError(
        absl::StrCat("a variance of ", variance.numerator, " / ", variance.denominator,
                     " was asked for; the numerator is 1 to 2^54 and the denominator 1 to 2^20"));
  }
  DiscreteGaussian gaussian;
  gaussian.numerator_ = variance.numerator;
  gaussian.denominator_ = variance.denominator;
  gaussian.scale_ = FloorSqrt(variance.numerator / variance.denominator) + 1;
  gaussian.largest_ = ((uint64_t{1} << 63) - 1) / (variance.denominator * gaussian.scale_);
  return gaussian;
}

// Algorithm 3, with algorithm 2 (s = 1) inside: a discrete Laplace sample y of scale t, accepted
// with probability exp(-(|y| - sigma^2 / t)^2 / (2 sigma^2)), which with sigma^2 = n / d is
// exp(-(|y| d t - n)^2 / (2 n d t^2)). |y| d t and n are below 2^63, so the square is below 2^126;
// 2 n d t^2 is below 2^118, as t^2 <= 4 n / d, or t = 1.
int64_t DiscreteGaussian::One(NoiseWords& words) const {
  for (;;) {
    const uint64_t below_scale = words.Uniform(scale_);
    if (!words.ExpOfAtMostOne(below_scale, scale_)) continue;
    uint64_t whole = 0;
    while (words.ExpOfAtMostOne(1, 1)) ++whole;
    const bool is_negative = words.Below(1, 2);
    if (whole > largest_ / scale_) continue;
    const uint64_t y = below_scale + scale_ * whole;
    if ((is_negative && y == 0) || y > largest_) continue;
    const uint64_t scaled = y * denominator_ * scale_;
    const uint64_t distance = scaled > numerator_ ? scaled - numerator_ : numerator_ - scaled;
    const Wide square = static_cast<Wide>(distance) * distance;
    const Wide twice_variance =
        static_cast<Wide>(2 * numerator_) * denominator_ * (scale_ * scale_);
    if (!words.Exp(square, twice_variance)) continue;
    const auto magnitude = static_cast<int64_t>(y);
    return is_negative ? -magnitude : magnitude;
  }
}

void DiscreteGaussian::Sample(std::span<int64_t> samples, RandomSource source) const {
  NoiseWords words(source);
  for (int64_t& sample : samples) sample = One(words);
}

absl::Status DiscreteGaussian::AddNoise(std::span<uint32_t> ring, int ring_bits,
                                        RandomSource source) const {
  if (ring_bits < 1 || ring_bits > 32) {
    return absl::InvalidArgumentError(
        absl::StrCat("a ring of ", ring_bits, " bits was asked for; it has 1 to 32"));
  }
  const uint32_t mask = 0xffffffffu >> (32 - ring_bits);
  NoiseWords words(source);
  for (uint32_t& word : ring) word = (word + static_cast<uint32_t>(One(words))) & mask;
  return absl::OkStatus();
}

}  // namespace hilum::kernels

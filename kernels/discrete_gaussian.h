// The discrete Gaussian, sampled exactly: integers x with probability proportional to
// exp(-x^2 / (2 sigma^2)). Canonne, Kamath, Steinke 2020, "The Discrete Gaussian for Differential
// Privacy", arXiv:2004.00010, algorithms 1 to 3.
//
// Integers only: no floating-point number, so none of its leaks (Mironov 2012). Every decision asks
// whether a uniform integer below d is below n. The time depends on the values drawn, as in any
// rejection sampler, but not on the vector that the noise hides.
#ifndef HILUM_KERNELS_DISCRETE_GAUSSIAN_H_
#define HILUM_KERNELS_DISCRETE_GAUSSIAN_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace hilum::kernels {

// Fills the span with uniform random words: the local stream of purpose "noise". A call below takes
// its words in blocks of kNoiseBlockWords, and throws away what is left of the last one.
using RandomSource = absl::FunctionRef<void(std::span<uint32_t> words)>;
inline constexpr size_t kNoiseBlockWords = 1024;

// sigma^2 = numerator / denominator, in ring units squared.
struct Variance {
  uint64_t numerator = 0;    // 1..2^54
  uint64_t denominator = 1;  // 1..2^20
};

class NoiseWords;  // private to discrete_gaussian.cc

// Draws from one distribution. Const use is thread-safe with one source a thread.
class DiscreteGaussian {
 public:
  // InvalidArgument: a number is out of range. So sigma is at most 2^27, and at least 2^-10.
  static absl::StatusOr<DiscreteGaussian> Create(const Variance& variance);

  // Adds one sample to each word: ring[j] = (ring[j] + x) mod 2^ring_bits. The samples depend on
  // nothing but the variance and the source's words.
  //   ring       [n]
  //   ring_bits  1..32
  // InvalidArgument: ring_bits is out of range.
  absl::Status AddNoise(std::span<uint32_t> ring, int ring_bits, RandomSource source) const;

  // [n] samples: what AddNoise adds for the same source. |x| < 2^63 / (denominator * (sigma + 1)),
  // which is at least 256 sigma: what lies beyond has a probability below 2^-47000.
  void Sample(std::span<int64_t> samples, RandomSource source) const;

 private:
  DiscreteGaussian() = default;
  int64_t One(NoiseWords& words) const;

  uint64_t numerator_ = 1;
  uint64_t denominator_ = 1;
  uint64_t scale_ = 1;    // t = floor(sigma) + 1, of the discrete Laplace distribution
  uint64_t largest_ = 0;  // of |x|
};

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_DISCRETE_GAUSSIAN_H_

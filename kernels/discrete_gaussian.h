// The discrete Gaussian, sampled exactly: integers x with probability proportional to
// exp(-x^2 / (2 sigma^2)). Canonne, Kamath, Steinke 2020, "The Discrete Gaussian for Differential
// Privacy", arXiv:2004.00010, algorithms 1 to 3.
//
// Integers only: no floating-point number, so none of its leaks (Mironov 2012). Every decision is a
// comparison of a uniform integer with an integer. The time depends on the values drawn, as in any
// rejection sampler, but not on the vector that the noise hides.
#ifndef HILUM_KERNELS_DISCRETE_GAUSSIAN_H_
#define HILUM_KERNELS_DISCRETE_GAUSSIAN_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace hilum::kernels {

// Fills the span with uniform random words: the local stream of purpose "noise". Called in the
// thread of the sampler only.
using RandomSource = absl::FunctionRef<void(std::span<uint32_t> words)>;

// sigma^2 = numerator / denominator, in ring units squared.
struct Variance {
  uint64_t numerator = 0;    // 1..2^62
  uint64_t denominator = 1;  // 1..2^20
};

// Draws from one distribution. Const use is thread-safe with one source a thread.
class DiscreteGaussian {
 public:
  // InvalidArgument: a number is out of range, or sigma is below 1/1024 or above 2^31.
  static absl::StatusOr<DiscreteGaussian> Create(const Variance& variance);

  // Adds one sample to each word: ring[j] = (ring[j] + x) mod 2^ring_bits.
  //   ring       [n]
  //   ring_bits  1..32
  // InvalidArgument: ring_bits is out of range. The words that are taken from the source, and so
  // the samples, depend on nothing but the source's words and the variance.
  absl::Status AddNoise(std::span<uint32_t> ring, int ring_bits, RandomSource source) const;

  // [n] samples; the same as AddNoise adds for the same source.
  void Sample(std::span<int64_t> samples, RandomSource source) const;

 private:
  DiscreteGaussian() = default;
  uint64_t numerator_ = 0;
  uint64_t denominator_ = 1;
  uint64_t scale_ = 1;  // t = floor(sigma) + 1, of the discrete Laplace distribution
};

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_DISCRETE_GAUSSIAN_H_

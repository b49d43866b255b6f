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
#include "kernels/device.h"

namespace hilum::kernels {

// Fills the span with uniform random words: the local stream of purpose "noise". Sample takes its
// words in blocks of kNoiseBlockWords, and throws away what is left of the last one.
using RandomSource = absl::FunctionRef<void(std::span<uint32_t> words)>;
inline constexpr size_t kNoiseBlockWords = 1024;

// Uniform random words, secret, for the noise of one vector.
using NoiseKey = std::span<const uint32_t, 8>;

// sigma^2 = numerator / denominator, in ring units squared.
struct Variance {
  uint64_t numerator = 0;    // 1..2^54
  uint64_t denominator = 1;  // 1..2^20
};

// What the sampler computes with; DiscreteGaussian::Create makes it.
struct GaussianParameters {
  uint64_t numerator = 1;
  uint64_t denominator = 1;
  uint64_t scale = 1;    // t = floor(sigma) + 1, of the discrete Laplace distribution
  uint64_t largest = 0;  // of |x|
};

// Draws from one distribution. Const use is thread-safe with one source a thread.
class DiscreteGaussian {
 public:
  // InvalidArgument: a number is out of range. So sigma is at most 2^27, and at least 2^-10.
  static absl::StatusOr<DiscreteGaussian> Create(const Variance& variance);

  // Adds one sample to each word: ring[j] = (ring[j] + x_j) mod 2^ring_bits. Samples 64 r to
  // 64 r + 63 are those that Sample draws from the keystream of ChaCha20 (RFC 8439) under `key`,
  // 32-bit counter from 0, nonce r in 96 bits, little-endian. So the noise depends on key and
  // variance only: same bits on every device and for any number of threads.
  //   ring       [n]
  //   ring_bits  1..32
  //   key        fresh for each vector: the same noise twice is no noise in the difference
  // InvalidArgument: ring_bits is out of range. FailedPrecondition: no such device.
  absl::Status AddNoise(std::span<uint32_t> ring, int ring_bits, NoiseKey key, Device device) const;

  // [n] samples, one after the other from `source`. |x| < 2^63 / (denominator * (sigma + 1)), which
  // is at least 256 sigma: what lies beyond has a probability below 2^-47000.
  void Sample(std::span<int64_t> samples, RandomSource source) const;

 private:
  DiscreteGaussian() = default;

  GaussianParameters parameters_;
};

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_DISCRETE_GAUSSIAN_H_

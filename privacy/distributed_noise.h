// What noise of many sites does to one sum in the ring: sensitivity of rounded updates, and Renyi
// differential privacy of the distributed discrete Gaussian and of Skellam noise.
#ifndef HILUM_PRIVACY_DISTRIBUTED_NOISE_H_
#define HILUM_PRIVACY_DISTRIBUTED_NOISE_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "kernels/discrete_gaussian.h"

namespace hilum::privacy {

// beta of conditional rounding: a rounding is drawn again with a probability of at most 1 - beta.
inline constexpr double kRoundingBeta = 0.60653065971263342360;  // e^(-1/2)

// An upper bound of the L2 norm, in ring units, of a vector of `n_params` coordinates of norm at
// most `clip_l2` that was scaled by `scale` and rounded stochastically, once roundings that are
// longer are drawn again:
//   min{(sC + sqrt d)^2, s^2 C^2 + d/4 + sqrt(2 ln(1/beta)) (sC + sqrt d / 2)}, its root.
// Kairouz, Liu, Steinke 2021, arXiv:2102.06387, proposition 22.
//   scale > 0; clip_l2 > 0; n_params >= 1
struct RoundedNorm {
  double scale = 0.0, clip_l2 = 0.0;
  uint64_t n_params = 0;
};
double RoundedNormBound(const RoundedNorm& norm);

// Noise of `n_sites` honest sites that were all counted, in one sum.
struct DistributedNoise {
  uint64_t n_sites = 1;   // N
  uint64_t n_params = 1;  // d
  double l2 = 0.0;        // Delta_2, ring units
};

// tau of the sum of n_sites discrete Gaussians of standard deviation `sigma`, which is not itself
// one: 10 * sum over k = 1..N-1 of exp(-2 pi^2 sigma^2 k / (k+1)). 0 for one site.
double DiscreteGaussianGap(uint64_t n_sites, double sigma);

// RDP at order alpha > 1, noise of standard deviation `sigma` (ring units) at each site. Kairouz,
// Liu, Steinke 2021, theorem 1: alpha/2 * min{Delta_2^2/(N sigma^2) + tau d / 2, (Delta_2/(sqrt N
// sigma) + tau sqrt d)^2}.
double DiscreteGaussianRdp(const DistributedNoise& noise, double sigma, double alpha);

// RDP at integer order alpha >= 2, Skellam noise of total variance `variance` (ring units squared).
// Agarwal, Kairouz, Liu 2021, arXiv:2110.04995, corollary 3.6, with
// Delta_1 = min(sqrt d Delta_2, Delta_2^2).
double SkellamRdp(const DistributedNoise& noise, double variance, int alpha);

// The variance of one site, as a fraction that is never below (sigma * l2)^2 / n_sites: noise may
// only be rounded up. InvalidArgument: sigma is not above 0, or a site's noise would have a
// standard deviation outside 1 to 2^27 ring units.
absl::StatusOr<kernels::Variance> SiteVariance(const DistributedNoise& noise, double sigma);

}  // namespace hilum::privacy

#endif  // HILUM_PRIVACY_DISTRIBUTED_NOISE_H_

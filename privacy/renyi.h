// Renyi differential privacy (RDP) of the Poisson-sampled Gaussian mechanism, add/remove adjacency,
// and its conversion to (epsilon, delta).
#ifndef HILUM_PRIVACY_RENYI_H_
#define HILUM_PRIVACY_RENYI_H_

namespace hilum::privacy {

// One mechanism: noise of standard deviation `sigma` times the sensitivity on a sum over samples
// that are drawn independently with probability `rate`.
struct SampledGaussian {
  double sigma = 0.0;  // noise multiplier, at least 0.05
  double rate = 1.0;   // q in (0, 1]; 1: no sampling
};

// RDP of one step at order `alpha`. Mironov, Talwar, Zhang 2019, arXiv:1908.10530, section 3.3:
// integer orders by the binomial sum, others by quadrature of the convex remainder
// (1+u)^alpha - 1 - alpha u, all of whose values are positive, so that small results keep their
// relative accuracy (1e-11).
//   1 < alpha <= 4096
// At integer orders the same number holds for the discrete Gaussian with an integer shift of
// length (sigma of the noise) / `sigma` in any dimension (docs/differential_privacy.md, section 4).
double SampledGaussianRdp(const SampledGaussian& mechanism, double alpha);

// The epsilon that `rdp` at order `alpha` gives: rdp + ln((alpha-1)/alpha) - (ln delta + ln alpha)
// / (alpha-1). Canonne, Kamath, Steinke 2020, arXiv:2004.00010, proposition 12. May be negative:
// then the true epsilon is 0.
//   alpha > 1; 0 < delta < 1
double EpsilonOfRdp(double rdp, double alpha, double delta);

}  // namespace hilum::privacy

#endif  // HILUM_PRIVACY_RENYI_H_

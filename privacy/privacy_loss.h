// The privacy loss distribution (PLD) of the Poisson-sampled Gaussian mechanism: a tighter epsilon
// than RDP gives, for add/remove adjacency.
#ifndef HILUM_PRIVACY_PRIVACY_LOSS_H_
#define HILUM_PRIVACY_PRIVACY_LOSS_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "privacy/renyi.h"

namespace hilum::privacy {

// The loss ln(P/Q) of `n_steps` uses under P, on a grid. Every figure errs to the safe side: losses
// are moved to grid points so that the curve delta(e^epsilon) is joined linearly between them
// (Doroshenko et al. 2022, arXiv:2207.04380, "connect the dots"), and what is cut off counts as
// infinite loss.
class PrivacyLoss {
 public:
  // InvalidArgument: sigma outside 0.3 to 1000, a rate outside 0 to 1, no steps or more than 10^7,
  // or a loss whose spread needs more than 2^23 grid points.
  static absl::StatusOr<PrivacyLoss> Create(const SampledGaussian& mechanism, int64_t n_steps);

  // The smallest epsilon >= 0 at which the steps are (epsilon, delta)-DP; infinity where `delta` is
  // below the mass that was cut off. With rate 1 the exact one (gaussian_privacy.h).
  //   0 < delta < 1
  double Epsilon(double delta) const;

 private:
  // Masses of the losses (first + i) * kGrid, and of infinite loss.
  struct Masses {
    int64_t first = 0;
    std::vector<double> mass;
    double infinite = 0.0;
  };
  static Masses OneStep(const SampledGaussian& mechanism, bool removed);
  static absl::StatusOr<Masses> Compose(const Masses& one, int64_t n_steps);
  static double EpsilonOf(const Masses& masses, double delta);

  double mu_ = 0.0;         // with rate 1 only
  Masses removed_, added_;  // a sample is taken out, or put in
};

}  // namespace hilum::privacy

#endif  // HILUM_PRIVACY_PRIVACY_LOSS_H_

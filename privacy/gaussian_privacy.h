// The exact privacy curve of the Gaussian mechanism without sampling.
#ifndef HILUM_PRIVACY_GAUSSIAN_PRIVACY_H_
#define HILUM_PRIVACY_GAUSSIAN_PRIVACY_H_

namespace hilum::privacy {

// The smallest delta at which n_steps adaptive uses of the mechanism are (epsilon, delta)-DP:
//   Phi(-epsilon/mu + mu/2) - e^epsilon Phi(-epsilon/mu - mu/2), mu = sqrt(n_steps) / sigma.
// Balle, Wang 2018, arXiv:1805.06530, theorem 8. Relative error below 1e-11.
//   mu > 0; epsilon >= 0
double GaussianDelta(double mu, double epsilon);

// The smallest epsilon >= 0 for which GaussianDelta(mu, epsilon) <= delta, to 1e-12 of itself.
//   mu > 0; 0 < delta < 1
double GaussianEpsilon(double mu, double delta);

}  // namespace hilum::privacy

#endif  // HILUM_PRIVACY_GAUSSIAN_PRIVACY_H_

// The weighted sum and mean of the updates of many sites: one pass over all of them.
#ifndef HILUM_KERNELS_WEIGHTED_MEAN_H_
#define HILUM_KERNELS_WEIGHTED_MEAN_H_

#include <span>

#include "absl/status/status.h"
#include "kernels/device.h"
#include "kernels/updates.h"

namespace hilum::kernels {

// sum[j] = float(weights[0] * updates[0][j] + weights[1] * updates[1][j] + ...), products and sums
// in double, in the order of the sites: same bits on every device and any number of threads. The
// rounding to float is the only one that matters: those before it add less than n_sites * 2^-51 of
// the largest partial sum.
//   updates  [n_sites][n_params] float32, 1 to kMaxSites sites; weights  [n_sites] finite
//   sum      [n_params]; on error its values are of no use
//   4 * (n_sites + 1) bytes of traffic and 2 * n_sites operations a coordinate; no memory beside
//   one mark a tile
// InvalidArgument: see CheckUpdates; the number of weights differs from that of the sites or one is
// not finite; a value is NaN or infinite (the sentence names site and coordinate); a sum leaves the
// range of float32. FailedPrecondition: no such device. Thread-safe on disjoint results.
absl::Status WeightedSum(Updates updates, std::span<const double> weights, std::span<float> sum,
                         Device device);

// The same divided by the sum of the weights, in double before the rounding to float: FedAvg with
// numbers of cases as weights (McMahan et al. 2017, arXiv:1602.05629, algorithm 1).
// InvalidArgument also: a weight below 0, or no weight above 0.
absl::Status WeightedMean(Updates updates, std::span<const double> weights, std::span<float> mean,
                          Device device);

// The specification: sum[j] = float(gain * (weights[0] * updates[0][j] + ...)). Preconditions not
// checked.
void WeightedSumReference(Updates updates, std::span<const double> weights, double gain,
                          std::span<float> sum);

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_WEIGHTED_MEAN_H_

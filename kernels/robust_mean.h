// Means that far updates cannot pull away: geometric median and centred clipping.
//
// Both are iterated weighted means. All points that they visit are weighted sums of the updates, so
// every distance follows from the Gram matrix: the iterations work on n_sites numbers, and the
// updates are read twice whatever the number of iterations (Gram, then WeightedSum). Same bits on
// every device and any number of threads.
#ifndef HILUM_KERNELS_ROBUST_MEAN_H_
#define HILUM_KERNELS_ROBUST_MEAN_H_

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "kernels/updates.h"

namespace hilum::kernels {

struct GeometricMedianOptions {
  int max_iterations = 100;       // 1..10,000
  double smoothing = 1e-6;        // nu > 0: a distance below it counts as nu
  double relative_change = 1e-6;  // >= 0: stops when no share b_i / sum of b changes by more
};

// How an iteration ended.
struct Iterations {
  int n_done = 0;
  bool converged = false;  // by relative_change, before max_iterations
};

// The point z with the least sum over i of weights[i] * |z - x_i|, by Weiszfeld's iteration,
// smoothed as by Pillutla et al. 2022 (arXiv:1912.13445, algorithm 2):
//   z <- sum of b_i x_i / sum of b_i, b_i = weights[i] / max(nu, |z - x_i|)
// Less than half of the weight may be arbitrary. So that huge values cost no iterations, the first
// z takes the distances from the update with the least weighted sum of distances (its own counts as
// that of its nearest neighbour). The stop rule looks at every share, because a far update makes
// the sum of distances blind for the others. A distance below the error that the Gram matrix leaves
// in it counts as the square root of that error.
//   updates  [n_sites][n_params]; weights  [n_sites] finite, >= 0, one above 0
// InvalidArgument: see WeightedMean and Gram; an option out of range. FailedPrecondition: no such
// device. Thread-safe on disjoint results.
absl::StatusOr<Iterations> GeometricMedian(Updates updates, std::span<const double> weights,
                                           const GeometricMedianOptions& options,
                                           std::span<float> median, Device device);

struct CentredClipOptions {
  double radius = 0.0;   // tau > 0, finite, in the unit of the weights
  int n_iterations = 1;  // L, 1..10,000
};

// v <- v + (1 / n_sites) * sum over i of (x_i - v) * min(1, radius / |x_i - v|), n_iterations times
// from v = `centre` (Karimireddy et al. 2021, ICML, arXiv:2012.10333, algorithm 2). No site moves
// the result by more than n_iterations * radius / n_sites.
//   updates  [n_sites][n_params], at most kMaxSites - 1 sites; centre  [n_params], usually the last
//   round's result; result  [n_params], may be the centre itself
// Errors as for GeometricMedian.
absl::Status CentredClip(Updates updates, std::span<const float> centre,
                         const CentredClipOptions& options, std::span<float> result, Device device);

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_ROBUST_MEAN_H_

// Coordinate by coordinate: the median, the trimmed mean and the mean around the median of many
// sites' updates (Yin et al. 2018, ICML, arXiv:1803.01498, definitions 1 and 2).
//
// A tile of all sites lies in a first-level cache and is sorted by a network of compare-exchanges
// (sorting_network.h), each over whole vectors. Values are sorted as integers in the total order in
// which -0 comes before +0, so the result does not depend on the order of the sites and has the
// same bits on every device and any number of threads.
//
// For all functions:
//   updates  [n_sites][n_params] float32, 1 to kMaxSites sites; each value is read once
//   result   [n_params]; on error its values are of no use
//   4 * (n_sites + 1) bytes of traffic a coordinate and about n_sites * log2(n_sites)^2 / 2
//   operations
// InvalidArgument: see CheckUpdates; a value is NaN or infinite (the sentence names site and
// coordinate); an option is out of range (the sentence gives the formula). FailedPrecondition: no
// such device. Thread-safe on disjoint results.
#ifndef HILUM_KERNELS_TRIMMED_MEAN_H_
#define HILUM_KERNELS_TRIMMED_MEAN_H_

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "kernels/device.h"
#include "kernels/updates.h"

namespace hilum::kernels {

// The middle value, or with an even number of sites float(half of the sum, in double, of the two).
absl::Status CoordinateMedian(Updates updates, std::span<float> median, Device device);

// The mean without the n_trimmed lowest and the n_trimmed highest values: float(sum in double from
// the lowest up, divided by n_sites - 2 * n_trimmed).
//   n_trimmed  >= 0, 2 * n_trimmed < n_sites
absl::Status TrimmedMean(Updates updates, int64_t n_trimmed, std::span<float> mean, Device device);

// The mean of the n_kept values nearest to the median: the second half of Bulyan. As long as there
// are more than n_kept, the value at that end goes which lies further from the median; of equally
// far ones the highest. Then a mean as of TrimmedMean.
//   n_kept  1..n_sites
absl::Status MeanAroundMedian(Updates updates, int64_t n_kept, std::span<float> mean,
                              Device device);

// The specifications. Preconditions not checked.
void CoordinateMedianReference(Updates updates, std::span<float> median);
void TrimmedMeanReference(Updates updates, int64_t n_trimmed, std::span<float> mean);
void MeanAroundMedianReference(Updates updates, int64_t n_kept, std::span<float> mean);

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_TRIMMED_MEAN_H_

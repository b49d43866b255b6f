// Which updates to believe: Krum, multi-Krum and the selection of Bulyan, from squared distances.
#ifndef HILUM_KERNELS_KRUM_H_
#define HILUM_KERNELS_KRUM_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/gram.h"

namespace hilum::kernels {

struct KrumOptions {
  int64_t n_faulty = 0;    // f, the most sites that may send anything; n_sites > 2f + 2
  int64_t n_selected = 1;  // m, 1..n_sites - f; 1 is Krum, more is multi-Krum
};

// score[i]: the sum of the n_sites - f - 2 smallest squared distances from site i to other sites,
// added from the smallest up.
// InvalidArgument: n_faulty < 0, or not n_sites > 2f + 2; the sentence gives the formula.
absl::StatusOr<std::vector<double>> KrumScores(const SiteMatrix& squared_distances,
                                               int64_t n_faulty);

// The n_selected sites with the lowest scores, lowest first; of equal scores the lower index first.
// The aggregate is their WeightedMean (Blanchard et al. 2017, NeurIPS 30, section 4).
// InvalidArgument: as for KrumScores, or n_selected out of range. Thread-safe.
absl::StatusOr<std::vector<int64_t>> KrumSelect(const SiteMatrix& squared_distances,
                                                const KrumOptions& options);

// The n_sites - 2f sites that Bulyan keeps: Krum again and again over the sites that are left, the
// chosen one taken out each time. The aggregate is their MeanAroundMedian (trimmed_mean.h) with
// n_sites - 4f values a coordinate (El Mhamdi et al. 2018, ICML, arXiv:1802.07927, section 4).
// InvalidArgument: n_faulty < 0, or not n_sites >= 4f + 3. O(n_sites^3 log n_sites). Thread-safe.
absl::StatusOr<std::vector<int64_t>> BulyanSelect(const SiteMatrix& squared_distances,
                                                  int64_t n_faulty);

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_KRUM_H_

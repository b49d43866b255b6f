// All scalar products of the updates of a round: what robust rules need to know of them.
#ifndef HILUM_KERNELS_GRAM_H_
#define HILUM_KERNELS_GRAM_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "kernels/updates.h"

namespace hilum::kernels {

// A symmetric matrix with one row a site.
class SiteMatrix {
 public:
  explicit SiteMatrix(int64_t n_sites)
      : n_sites_(n_sites), values_(static_cast<size_t>(n_sites * n_sites)) {}
  int64_t n_sites() const { return n_sites_; }
  double at(int64_t i, int64_t j) const { return values_[static_cast<size_t>(i * n_sites_ + j)]; }
  void Set(int64_t i, int64_t j, double value) {
    values_[static_cast<size_t>(i * n_sites_ + j)] = value;
    values_[static_cast<size_t>(j * n_sites_ + i)] = value;
  }

 private:
  int64_t n_sites_;
  std::vector<double> values_;
};

// |Gram - true| <= this * sum_k |x_ik * x_jk|, for up to 2^28 coordinates. A product of two floats
// is exact in double; a term then passes at most 256 additions in its lane, 3 in the tree, 8 over
// the tiles of a stretch and 2^14 over the stretches, each within 2^-53.
inline constexpr double kGramRelativeError = 0x1p-38;

// gram(i, j) = sum over k of updates[i][k] * updates[j][k], in double by a fixed tree: same bits on
// every device and any number of threads.
//   updates  [n_sites][n_params] float32, 1 to kMaxSites sites; each is read from memory once
//   4 * n_sites bytes of traffic and n_sites * (n_sites + 1) operations a coordinate; memory beside
//   the result: 8 * n_sites^2 / 2 bytes for each 16,384 coordinates
// InvalidArgument: see CheckUpdates; a value is NaN or infinite (the sentence names site and
// coordinate). FailedPrecondition: no such device. Thread-safe.
absl::StatusOr<SiteMatrix> Gram(Updates updates, Device device);

// distance(i, j) = |x_i - x_j|^2 = gram(i, i) + gram(j, j) - 2 * gram(i, j), never below 0. Two
// updates that are nearly equal cancel: the error is at most
//   SquaredDistanceError(gram, i, j) = 2 * (kGramRelativeError + 2^-52) * (g(i, i) + g(j, j)),
// that is, two updates of norm 1 cannot be told from equal ones below a distance of 4e-6.
SiteMatrix SquaredDistances(const SiteMatrix& gram);
double SquaredDistanceError(const SiteMatrix& gram, int64_t i, int64_t j);

// The specification: plain sums in long double. Preconditions not checked.
SiteMatrix GramReference(Updates updates);

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_GRAM_H_

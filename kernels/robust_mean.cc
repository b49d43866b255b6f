#include "kernels/robust_mean.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/gram.h"
#include "kernels/sum_of_squares.h"
#include "kernels/weighted_mean.h"

namespace hilum::kernels {
namespace {

constexpr int kMaxIterations = 10'000;

absl::Status CheckIterations(int n) {
  if (n >= 1 && n <= kMaxIterations) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(n, " iterations were asked for; needed is 1 to ", kMaxIterations));
}

size_t Index(int64_t i) { return static_cast<size_t>(i); }

// |sum of share[i] x_i - x_k|^2 for each k, of points whose shares add up to 1; a distance within
// its error counts as the square root of that error. The error is relative to the shares' own parts
// of the point, so a site that sends huge values does not drown the distances of the others.
std::vector<double> SquaredDistancesFrom(const std::vector<double>& share, const SiteMatrix& gram) {
  const int64_t n = gram.n_sites();
  std::vector<double> product(share.size(), 0.0);  // of the point with each update
  double square = 0.0, parts = 0.0;                // of the point with itself; sum of |share x|
  for (int64_t k = 0; k < n; ++k) {
    for (int64_t i = 0; i < n; ++i) product[Index(k)] += share[Index(i)] * gram.at(i, k);
    square += share[Index(k)] * product[Index(k)];
    parts += std::abs(share[Index(k)]) * std::sqrt(gram.at(k, k));
  }
  const double relative_error = kGramRelativeError + static_cast<double>(n) * 0x1p-52;
  std::vector<double> distances;
  for (int64_t k = 0; k < n; ++k) {
    const double norms = parts + std::sqrt(gram.at(k, k));
    distances.push_back(std::max(2.0 * relative_error * norms * norms,
                                 square + gram.at(k, k) - 2.0 * product[Index(k)]));
  }
  return distances;
}

// Shares that already forget what is far: by the inverse distance from the update with the least
// weighted sum of distances, the lowest index of equal ones. From the mean, each iteration would
// only divide the pull of a far update by a constant.
std::vector<double> StartingShares(const std::vector<double>& weight, const SiteMatrix& gram,
                                   double smoothing) {
  const int64_t n = gram.n_sites();
  const SiteMatrix squares = SquaredDistances(gram);
  int64_t medoid = 0;
  double least = INFINITY;
  for (int64_t i = 0; i < n; ++i) {
    double sum = 0.0;
    for (int64_t k = 0; k < n; ++k) sum += weight[Index(k)] * std::sqrt(squares.at(i, k));
    if (sum < least) least = sum, medoid = i;
  }
  double nearest = INFINITY;
  for (int64_t k = 0; k < n; ++k) {
    if (k != medoid) nearest = std::min(nearest, std::sqrt(squares.at(medoid, k)));
  }
  std::vector<double> share;
  for (int64_t k = 0; k < n; ++k) {
    const double distance = k == medoid ? nearest : std::sqrt(squares.at(medoid, k));
    share.push_back(n == 1 ? 1.0 : weight[Index(k)] / std::max(smoothing, distance));
  }
  const double sum = std::accumulate(share.begin(), share.end(), 0.0);
  for (double& part : share) part /= sum;
  return share;
}

// The weights divided by their sum. InvalidArgument as for WeightedMean.
absl::StatusOr<std::vector<double>> Shares(size_t n_sites, std::span<const double> weights) {
  if (weights.size() != n_sites) {
    return absl::InvalidArgumentError(
        absl::StrCat(weights.size(), " weights were given for updates of ", n_sites, " sites"));
  }
  double sum = 0.0;
  for (size_t site = 0; site < n_sites; ++site) {
    if (!(weights[site] >= 0.0 && std::isfinite(weights[site]))) {
      return absl::InvalidArgumentError(absl::StrCat("site ", site, "'s weight ", weights[site],
                                                     " is not a finite number of at least 0"));
    }
    sum += weights[site];
  }
  if (!(sum > 0.0 && std::isfinite(1.0 / sum) && std::isfinite(sum))) {
    return absl::InvalidArgumentError(absl::StrCat("the weights of ", n_sites, " sites add up to ",
                                                   sum, "; a median needs a finite sum above 0"));
  }
  std::vector<double> shares;
  for (const double weight : weights) shares.push_back(weight / sum);
  return shares;
}

absl::Status CheckOptions(const GeometricMedianOptions& options) {
  HILUM_RETURN_IF_ERROR(CheckIterations(options.max_iterations));
  if (!(options.smoothing > 0.0 && std::isfinite(options.smoothing))) {
    return absl::InvalidArgumentError(
        absl::StrCat("smoothing ", options.smoothing, " is not a finite number above 0"));
  }
  if (!(options.relative_change >= 0.0)) {
    return absl::InvalidArgumentError(
        absl::StrCat("relative change ", options.relative_change, " is not at least 0"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Iterations> GeometricMedian(Updates updates, std::span<const double> weights,
                                           const GeometricMedianOptions& options,
                                           std::span<float> median, Device device) {
  HILUM_RETURN_IF_ERROR(CheckUpdates(updates, median));
  HILUM_RETURN_IF_ERROR(CheckOptions(options));
  HILUM_ASSIGN_OR_RETURN(const std::vector<double> weight, Shares(updates.size(), weights));
  HILUM_ASSIGN_OR_RETURN(const SiteMatrix gram, Gram(updates, device));
  std::vector<double> share = StartingShares(weight, gram, options.smoothing);
  Iterations iterations;
  while (!iterations.converged && iterations.n_done < options.max_iterations) {
    const std::vector<double> distances = SquaredDistancesFrom(share, gram);
    std::vector<double> next;
    for (size_t i = 0; i < share.size(); ++i) {
      next.push_back(weight[i] / std::max(options.smoothing, std::sqrt(distances[i])));
    }
    const double sum = std::accumulate(next.begin(), next.end(), 0.0);
    iterations.converged = true;
    for (size_t i = 0; i < share.size(); ++i) {
      next[i] /= sum;
      iterations.converged &= std::abs(next[i] - share[i]) <= options.relative_change * next[i];
    }
    share = next;
    ++iterations.n_done;
  }
  HILUM_RETURN_IF_ERROR(WeightedSum(updates, share, median, device));
  return iterations;
}

absl::Status CentredClip(Updates updates, std::span<const float> centre,
                         const CentredClipOptions& options, std::span<float> result,
                         Device device) {
  HILUM_RETURN_IF_ERROR(CheckUpdates(updates, result));
  HILUM_RETURN_IF_ERROR(CheckIterations(options.n_iterations));
  if (!(options.radius > 0.0 && std::isfinite(options.radius))) {
    return absl::InvalidArgumentError(
        absl::StrCat("radius ", options.radius, " is not a finite number above 0"));
  }
  if (centre.size() != result.size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a centre of ", centre.size(), " parameters was given for updates of ", result.size()));
  }
  HILUM_ASSIGN_OR_RETURN(const Norms norms, MeasureNorms(centre, device));
  if (norms.first_not_finite >= 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("the centre holds ", centre[static_cast<size_t>(norms.first_not_finite)],
                     " at coordinate ", norms.first_not_finite, " of ", centre.size()));
  }
  // The centre is one more point, after the sites'.
  std::vector<std::span<const float>> points(updates.begin(), updates.end());
  points.push_back(centre);
  HILUM_RETURN_IF_ERROR(CheckUpdates(points));
  HILUM_ASSIGN_OR_RETURN(const SiteMatrix gram, Gram(points, device));
  const size_t n_sites = updates.size();
  std::vector<double> share(points.size(), 0.0);
  share.back() = 1.0;
  for (int iteration = 0; iteration < options.n_iterations; ++iteration) {
    const std::vector<double> distances = SquaredDistancesFrom(share, gram);
    std::vector<double> moved(n_sites);  // how far towards each site
    double sum = 0.0;
    for (size_t i = 0; i < n_sites; ++i) {
      moved[i] =
          std::min(1.0, options.radius / std::sqrt(distances[i])) / static_cast<double>(n_sites);
      sum += moved[i];
    }
    for (double& part : share) part *= 1.0 - sum;
    for (size_t i = 0; i < n_sites; ++i) share[i] += moved[i];
  }
  return WeightedSum(points, share, result, device);
}

}  // namespace hilum::kernels

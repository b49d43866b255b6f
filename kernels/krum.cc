#include "kernels/krum.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hilum::kernels {
namespace {

// The sum of the n_nearest smallest distances from `site` to the other sites that are left.
double Score(const SiteMatrix& squared_distances, int64_t site, std::span<const int64_t> left,
             int64_t n_nearest) {
  std::vector<double> distances;
  distances.reserve(left.size());
  for (const int64_t other : left) {
    if (other != site) distances.push_back(squared_distances.at(site, other));
  }
  const auto end = distances.begin() + std::min<int64_t>(n_nearest, std::ssize(distances));
  std::partial_sort(distances.begin(), end, distances.end());
  return std::accumulate(distances.begin(), end, 0.0);
}

std::vector<int64_t> AllSites(int64_t n_sites) {
  std::vector<int64_t> sites(static_cast<size_t>(n_sites));
  std::iota(sites.begin(), sites.end(), 0);
  return sites;
}

}  // namespace

absl::StatusOr<std::vector<double>> KrumScores(const SiteMatrix& squared_distances,
                                               int64_t n_faulty) {
  const int64_t n_sites = squared_distances.n_sites();
  if (n_faulty < 0 || n_sites <= 2 * n_faulty + 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("Krum with ", n_sites, " sites and ", n_faulty,
                     " faulty ones: needed is 0 <= f and n > 2f + 2",
                     n_faulty < 0 ? "" : absl::StrCat(" = ", 2 * n_faulty + 2)));
  }
  const std::vector<int64_t> sites = AllSites(n_sites);
  std::vector<double> scores;
  for (const int64_t site : sites) {
    scores.push_back(Score(squared_distances, site, sites, n_sites - n_faulty - 2));
  }
  return scores;
}

absl::StatusOr<std::vector<int64_t>> KrumSelect(const SiteMatrix& squared_distances,
                                                const KrumOptions& options) {
  HILUM_ASSIGN_OR_RETURN(const std::vector<double> scores,
                         KrumScores(squared_distances, options.n_faulty));
  const int64_t n_sites = squared_distances.n_sites();
  if (options.n_selected < 1 || options.n_selected > n_sites - options.n_faulty) {
    return absl::InvalidArgumentError(
        absl::StrCat("multi-Krum was to select ", options.n_selected, " of ", n_sites,
                     " sites with ", options.n_faulty,
                     " faulty ones: needed is 1 <= m <= n - f = ", n_sites - options.n_faulty));
  }
  std::vector<int64_t> order = AllSites(n_sites);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return scores[static_cast<size_t>(a)] < scores[static_cast<size_t>(b)];
  });
  order.resize(static_cast<size_t>(options.n_selected));
  return order;
}

absl::StatusOr<std::vector<int64_t>> BulyanSelect(const SiteMatrix& squared_distances,
                                                  int64_t n_faulty) {
  const int64_t n_sites = squared_distances.n_sites();
  if (n_faulty < 0 || n_sites < 4 * n_faulty + 3) {
    return absl::InvalidArgumentError(
        absl::StrCat("Bulyan with ", n_sites, " sites and ", n_faulty,
                     " faulty ones: needed is 0 <= f and n >= 4f + 3",
                     n_faulty < 0 ? "" : absl::StrCat(" = ", 4 * n_faulty + 3)));
  }
  std::vector<int64_t> left = AllSites(n_sites), selected;
  while (std::ssize(selected) < n_sites - 2 * n_faulty) {
    // With few left, f + 2 may be as many as there are: then the nearest one decides.
    const int64_t n_nearest = std::max<int64_t>(1, std::ssize(left) - n_faulty - 2);
    auto best = left.begin();
    double lowest = Score(squared_distances, *best, left, n_nearest);
    for (auto site = left.begin() + 1; site < left.end(); ++site) {
      const double score = Score(squared_distances, *site, left, n_nearest);
      if (score < lowest) lowest = score, best = site;
    }
    selected.push_back(*best);
    left.erase(best);
  }
  return selected;
}

}  // namespace hilum::kernels

#include "kernels/gram.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "base/status_macros.h"
#include "kernels/cuda_entry.h"
#include "kernels/gram_program.h"

namespace hilum::kernels {
namespace {

using Program = GramProgram;

// The sums over the stretches, in their order.
SiteMatrix Combine(std::span<const double> partial, std::span<const Program::Pair> pairs,
                   int64_t n_stretches, int64_t n_sites) {
  SiteMatrix gram(n_sites);
  const size_t per_stretch = pairs.size() * Program::kProducts;
  for (size_t k = 0; k < per_stretch; ++k) {
    const Program::Pair pair = pairs[k / Program::kProducts];
    const int64_t product = static_cast<int64_t>(k % Program::kProducts);
    const int64_t i = pair.row * Program::kGroup + product / Program::kGroup;
    const int64_t j = pair.column * Program::kGroup + product % Program::kGroup;
    if (i > j || j >= n_sites) continue;
    double sum = 0.0;
    for (int64_t stretch = 0; stretch < n_stretches; ++stretch) {
      sum += partial[static_cast<size_t>(stretch) * per_stretch + k];
    }
    gram.Set(i, j, sum);
  }
  return gram;
}

}  // namespace

absl::StatusOr<SiteMatrix> Gram(Updates updates, Device device) {
  HILUM_RETURN_IF_ERROR(CheckUpdates(updates));
  HILUM_RETURN_IF_ERROR(CheckDevice(device));
  const int64_t n_sites = static_cast<int64_t>(updates.size());
  const int64_t n = static_cast<int64_t>(updates[0].size());
  const int64_t n_stretches = BlocksFor(n, Program::kTile);
  const std::vector<Program::Pair> pairs = PairsOf(n_sites);
  std::vector<double> partial(static_cast<size_t>(n_stretches) * pairs.size() * Program::kProducts);
  bool done = false;
  if constexpr (kCudaBuild) {
    if (device.kind == Device::kCuda) {
      HILUM_RETURN_IF_ERROR(cuda::Gram(updates, partial, device.index));
      done = true;
    }
  }
  if (!done) {
    const std::vector<const float*> sites = Addresses(updates);
    Launch(Program{.sites = sites.data(),
                   .pairs = pairs.data(),
                   .partial = partial.data(),
                   .n_sites = n_sites,
                   .n = n,
                   .n_pairs = static_cast<int64_t>(pairs.size()),
                   .n_parts = 1},
           n_stretches);
  }
  SiteMatrix gram = Combine(partial, pairs, n_stretches, n_sites);
  for (int64_t site = 0; site < n_sites; ++site) {
    // Squares of floats do not overflow a double: only NaN or infinity ends here.
    if (!std::isfinite(gram.at(site, site))) HILUM_RETURN_IF_ERROR(CheckFinite(updates, 0, n));
  }
  return gram;
}

SiteMatrix SquaredDistances(const SiteMatrix& gram) {
  SiteMatrix distances(gram.n_sites());
  for (int64_t i = 0; i < gram.n_sites(); ++i) {
    for (int64_t j = i + 1; j < gram.n_sites(); ++j) {
      distances.Set(i, j, std::max(0.0, gram.at(i, i) + gram.at(j, j) - 2.0 * gram.at(i, j)));
    }
  }
  return distances;
}

double SquaredDistanceError(const SiteMatrix& gram, int64_t i, int64_t j) {
  return 2.0 * (kGramRelativeError + 0x1p-52) * (gram.at(i, i) + gram.at(j, j));
}

SiteMatrix GramReference(Updates updates) {
  SiteMatrix gram(static_cast<int64_t>(updates.size()));
  for (size_t i = 0; i < updates.size(); ++i) {
    for (size_t j = i; j < updates.size(); ++j) {
      long double sum = 0.0L;
      for (size_t k = 0; k < updates[i].size(); ++k) {
        sum += static_cast<long double>(updates[i][k]) * updates[j][k];
      }
      gram.Set(static_cast<int64_t>(i), static_cast<int64_t>(j), static_cast<double>(sum));
    }
  }
  return gram;
}

}  // namespace hilum::kernels

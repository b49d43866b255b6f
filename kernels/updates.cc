#include "kernels/updates.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hilum::kernels {

absl::Status CheckUpdates(Updates updates) {
  const int64_t n_sites = static_cast<int64_t>(updates.size());
  if (n_sites < 1 || n_sites > kMaxSites) {
    return absl::InvalidArgumentError(absl::StrCat(
        "updates of ", n_sites, " sites were given; needed is 1 <= n_sites <= ", kMaxSites));
  }
  if (updates[0].empty()) {
    return absl::InvalidArgumentError("site 0's update has 0 parameters; needed is at least 1");
  }
  for (size_t site = 1; site < updates.size(); ++site) {
    if (updates[site].size() != updates[0].size()) {
      return absl::InvalidArgumentError(absl::StrCat("site ", site, "'s update has ",
                                                     updates[site].size(), " parameters, site 0's ",
                                                     updates[0].size()));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckUpdates(Updates updates, std::span<const float> result) {
  HILUM_RETURN_IF_ERROR(CheckUpdates(updates));
  if (result.size() != updates[0].size()) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a result of ", result.size(), " parameters was given for updates of ", updates[0].size()));
  }
  return absl::OkStatus();
}

absl::Status CheckFinite(Updates updates, int64_t first, int64_t last) {
  for (size_t site = 0; site < updates.size(); ++site) {
    const std::span<const float> update = updates[site];
    const int64_t end = std::min(last, static_cast<int64_t>(update.size()));
    for (int64_t k = first; k < end; ++k) {
      const float value = update[static_cast<size_t>(k)];
      if (std::isfinite(value)) continue;
      return absl::InvalidArgumentError(absl::StrCat("site ", site, "'s update holds ", value,
                                                     " at coordinate ", k, " of ", update.size(),
                                                     "; only finite values can be combined"));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckMarkedTiles(Updates updates, std::span<const int32_t> marks, int64_t tile) {
  for (size_t i = 0; i < marks.size(); ++i) {
    if (marks[i] == 0) continue;
    const int64_t first = static_cast<int64_t>(i) * tile;
    HILUM_RETURN_IF_ERROR(CheckFinite(updates, first, first + tile));
  }
  return absl::OkStatus();
}

std::vector<const float*> Addresses(Updates updates) {
  std::vector<const float*> addresses;
  addresses.reserve(updates.size());
  for (const std::span<const float> update : updates) addresses.push_back(update.data());
  return addresses;
}

}  // namespace hilum::kernels

// The updates of a round's sites, as the kernels that see several sites at once take them.
#ifndef HILUM_KERNELS_UPDATES_H_
#define HILUM_KERNELS_UPDATES_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"

namespace hilum::kernels {

// One span a site, each its own allocation, all of one length. Site i is updates[i].
using Updates = std::span<const std::span<const float>>;

// Most sites of one call. The sorting network of trimmed_mean.h keeps a tile of all sites in the
// 32 KiB of a first-level cache: at 1,024 sites that is 8 coordinates, one vector.
inline constexpr int64_t kMaxSites = 1024;

// InvalidArgument: no site, more than kMaxSites, no coordinate, or sites that differ in length; the
// sentence names the site, the value and the limit.
absl::Status CheckUpdates(Updates updates);

// CheckUpdates, and a result of another length is InvalidArgument too.
absl::Status CheckUpdates(Updates updates, std::span<const float> result);

// Looks for the first value among the coordinates [first, last) that is NaN or infinite, lowest
// site first. InvalidArgument: there is one; the sentence names the site and the coordinate. The
// kernels mark the tiles in which one lies, so that only such tiles are searched.
absl::Status CheckFinite(Updates updates, int64_t first, int64_t last);

// CheckFinite of each tile of `tile` coordinates whose mark is not 0.
absl::Status CheckMarkedTiles(Updates updates, std::span<const int32_t> marks, int64_t tile);

// The addresses of the sites' values, in the order of the sites.
std::vector<const float*> Addresses(Updates updates);

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_UPDATES_H_

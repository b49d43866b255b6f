// The updates of many sites on a GPU, a stretch of coordinates at a time. For .cu files only.
#ifndef HILUM_KERNELS_CUDA_UPDATES_H_
#define HILUM_KERNELS_CUDA_UPDATES_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/cuda_memory.h"
#include "kernels/updates.h"

namespace hilum::kernels::cuda {

// What one stretch of all sites may take of a GPU's memory: all sites together need not fit.
inline constexpr int64_t kStretchBytes = int64_t{1} << 30;

// One stretch: the same coordinates of every site.
template <class T>
struct StretchOf {
  const T* const* sites;  // on the GPU, [n_sites] addresses of [n] values there
  int64_t first;          // its first coordinate in the whole update
  int64_t n;
};

using Stretch = StretchOf<float>;

// Calls run(stretch) for stretches that together are all coordinates, in order; each but the last
// has a multiple of `tile` coordinates, so that tiles fall where they fall on the CPU.
template <class T, class Run>
absl::Status ForEachStretch(std::span<const std::span<const T>> updates, int64_t tile, Run run) {
  const int64_t n_sites = static_cast<int64_t>(updates.size());
  const int64_t n = static_cast<int64_t>(updates[0].size());
  const int64_t fits = kStretchBytes / static_cast<int64_t>(sizeof(T)) / n_sites / tile * tile;
  const int64_t longest = std::min(n, std::max(fits, tile));
  HILUM_ASSIGN_OR_RETURN(const auto values,
                         DeviceArray<T>::Create(static_cast<size_t>(n_sites * longest)));
  std::vector<const T*> addresses;
  for (int64_t site = 0; site < n_sites; ++site) {
    addresses.push_back(values.data() + site * longest);
  }
  HILUM_ASSIGN_OR_RETURN(const auto sites, DeviceArray<const T*>::CopyOf(addresses));
  for (int64_t first = 0; first < n; first += longest) {
    const int64_t count = std::min(longest, n - first);
    for (int64_t site = 0; site < n_sites; ++site) {
      HILUM_RETURN_IF_ERROR(FromCuda(
          cudaMemcpyAsync(values.data() + site * longest,
                          updates[static_cast<size_t>(site)].data() + first,
                          static_cast<size_t>(count) * sizeof(T), cudaMemcpyHostToDevice, Stream()),
          "copy an update to the GPU"));
    }
    HILUM_RETURN_IF_ERROR(run(StretchOf<T>{.sites = sites.data(), .first = first, .n = count}));
  }
  return absl::OkStatus();
}

}  // namespace hilum::kernels::cuda

#endif  // HILUM_KERNELS_CUDA_UPDATES_H_

// covidnet-vol: a network of CT volumes like DeCoVNet (Wang et al. 2020, IEEE TMI 39(8); facts from
// its released code, no code of it). Internal to models/.
#ifndef HILUM_MODELS_VOLUME_H_
#define HILUM_MODELS_VOLUME_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "models/architecture.h"

namespace hilum::models {

// In pixels; the number of slices is free.
inline constexpr int kVolumeHeight = 192;
inline constexpr int kVolumeWidth = 288;
inline constexpr int64_t kMinSlices = 2;  // a pool of two leaves one
inline constexpr int64_t kMaxSlices = 1024;
inline constexpr int64_t kDescribedSlices = 64;  // for which MACs are counted

// What each step of the head pools to: slices, rows, columns. A convolution follows each.
inline constexpr std::array<std::array<int64_t, 3>, 3> kVolumeHeadPools = {
    {{16, 24, 36}, {4, 12, 18}, {1, 6, 9}}};

// As LayersOf. `options` with the defaults filled in.
std::vector<Layer> VolumeLayersOf(const Architecture& architecture,
                                  const ArchitectureOptions& options);

// InvalidArgument: `options` takes no volumes of these sizes.
absl::Status CheckVolume(const ArchitectureOptions& options, int channels, int64_t slices,
                         int height, int width);

}  // namespace hilum::models

#endif  // HILUM_MODELS_VOLUME_H_

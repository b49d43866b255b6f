#include "kernels/trimmed_mean.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/cuda_entry.h"
#include "kernels/sorting_network.h"
#include "kernels/trimmed_mean_program.h"

namespace hilum::kernels {
namespace {

using Program = TrimmedMeanProgram;
static_assert(kMaxSites * 8 <= Program::kCells);

// The mean of the n_kept values nearest to the median among the places [low, high).
absl::Status MeanOfPlaces(Updates updates, int64_t low, int64_t high, int64_t n_kept,
                          std::span<float> result, Device device) {
  HILUM_RETURN_IF_ERROR(CheckDevice(device));
  const int64_t n_sites = static_cast<int64_t>(updates.size());
  const SortingNetwork network = MakeSortingNetwork(n_sites, low, high);
  const std::vector<const float*> sites = Addresses(updates);
  Program program{.sites = sites.data(),
                  .comparators = network.comparators.data(),
                  .stage_ends = network.stage_ends.data(),
                  .result = result.data(),
                  .marks = nullptr,
                  .n_sites = n_sites,
                  .n_stages = std::ssize(network.stage_ends),
                  .n = static_cast<int64_t>(result.size()),
                  .width = Program::WidthFor(n_sites),
                  .low = low,
                  .high = high,
                  .n_kept = n_kept};
  std::vector<int32_t> marks(static_cast<size_t>(BlocksFor(program.n, program.width)));
  program.marks = marks.data();
  bool done = false;
  if constexpr (kCudaBuild) {
    if (device.kind == Device::kCuda) {
      HILUM_RETURN_IF_ERROR(
          cuda::TrimmedMean(updates, program, network, result, marks, device.index));
      done = true;
    }
  }
  if (!done) Launch(program, BlocksFor(program.n, program.width));
  return CheckMarkedTiles(updates, marks, program.width);
}

// The values of one coordinate, in their total order.
std::vector<float> Sorted(Updates updates, size_t coordinate) {
  std::vector<float> values;
  for (const std::span<const float> update : updates) values.push_back(update[coordinate]);
  std::sort(values.begin(), values.end(), [](float a, float b) {
    return a < b || (a == b && std::signbit(a) && !std::signbit(b));
  });
  return values;
}

float MeanOf(std::span<const float> values) {
  double sum = values[0];
  for (const float value : values.subspan(1)) sum += static_cast<double>(value);
  return static_cast<float>(sum / static_cast<double>(values.size()));
}

}  // namespace

absl::Status CoordinateMedian(Updates updates, std::span<float> median, Device device) {
  HILUM_RETURN_IF_ERROR(CheckUpdates(updates, median));
  const int64_t n_sites = static_cast<int64_t>(updates.size());
  const int64_t low = (n_sites - 1) / 2, high = n_sites / 2 + 1;
  return MeanOfPlaces(updates, low, high, high - low, median, device);
}

absl::Status TrimmedMean(Updates updates, int64_t n_trimmed, std::span<float> mean, Device device) {
  HILUM_RETURN_IF_ERROR(CheckUpdates(updates, mean));
  const int64_t n_sites = static_cast<int64_t>(updates.size());
  if (n_trimmed < 0 || n_trimmed > (n_sites - 1) / 2) {
    return absl::InvalidArgumentError(
        absl::StrCat("a mean without the ", n_trimmed, " lowest and the ", n_trimmed,
                     " highest values of ", n_sites, " sites: needed is 0 <= 2k < n"));
  }
  return MeanOfPlaces(updates, n_trimmed, n_sites - n_trimmed, n_sites - 2 * n_trimmed, mean,
                      device);
}

absl::Status MeanAroundMedian(Updates updates, int64_t n_kept, std::span<float> mean,
                              Device device) {
  HILUM_RETURN_IF_ERROR(CheckUpdates(updates, mean));
  const int64_t n_sites = static_cast<int64_t>(updates.size());
  if (n_kept < 1 || n_kept > n_sites) {
    return absl::InvalidArgumentError(absl::StrCat("a mean of the ", n_kept, " values of ", n_sites,
                                                   " sites nearest to the median: needed is 1 <= "
                                                   "k <= n"));
  }
  return MeanOfPlaces(updates, 0, n_sites, n_kept, mean, device);
}

void CoordinateMedianReference(Updates updates, std::span<float> median) {
  for (size_t k = 0; k < median.size(); ++k) {
    const std::vector<float> values = Sorted(updates, k);
    const size_t middle = values.size() / 2;
    median[k] =
        values.size() % 2 == 1
            ? values[middle]
            : static_cast<float>((static_cast<double>(values[middle - 1]) + values[middle]) / 2.0);
  }
}

void TrimmedMeanReference(Updates updates, int64_t n_trimmed, std::span<float> mean) {
  const size_t trimmed = static_cast<size_t>(n_trimmed);
  for (size_t k = 0; k < mean.size(); ++k) {
    const std::vector<float> values = Sorted(updates, k);
    mean[k] = MeanOf(std::span(values).subspan(trimmed, values.size() - 2 * trimmed));
  }
}

void MeanAroundMedianReference(Updates updates, int64_t n_kept, std::span<float> mean) {
  for (size_t k = 0; k < mean.size(); ++k) {
    std::vector<float> values = Sorted(updates, k);
    const size_t n = values.size();
    const double median = (static_cast<double>(values[(n - 1) / 2]) + values[n / 2]) / 2.0;
    while (std::ssize(values) > n_kept) {
      const bool lowest_is_further = median - values.front() > values.back() - median;
      values.erase(lowest_is_further ? values.begin() : values.end() - 1);
    }
    mean[k] = MeanOf(values);
  }
}

}  // namespace hilum::kernels

#include "kernels/sum_of_squares.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <vector>

#include "base/status_macros.h"
#include "kernels/cuda_entry.h"
#include "kernels/sum_of_squares_program.h"

namespace hilum::kernels {
namespace {

constexpr int32_t kInfinityBits = 0x7f800000;

// The first value of the first tile whose maximum is not finite.
int64_t FirstNotFinite(std::span<const float> values, std::span<const int32_t> largest) {
  const auto tile =
      std::find_if(largest.begin(), largest.end(), [](int32_t b) { return b >= kInfinityBits; });
  if (tile == largest.end()) return -1;
  int64_t position = (tile - largest.begin()) * SumOfSquaresProgram::kTile;
  while (std::isfinite(values[static_cast<size_t>(position)])) ++position;
  return position;
}

float FloatOf(int32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

}  // namespace

absl::StatusOr<Norms> MeasureNorms(std::span<const float> values, Device device) {
  HILUM_RETURN_IF_ERROR(CheckDevice(device));
  using Program = SumOfSquaresProgram;
  const int64_t n = static_cast<int64_t>(values.size());
  const int64_t n_tiles = BlocksFor(n, Program::kTile);
  std::vector<float> partial(static_cast<size_t>(n_tiles));
  std::vector<int32_t> largest(static_cast<size_t>(n_tiles));
  bool done = false;
  if constexpr (kCudaBuild) {
    if (device.kind == Device::kCuda) {
      HILUM_RETURN_IF_ERROR(cuda::SumOfSquares(values, partial, largest, device.index));
      done = true;
    }
  }
  if (!done) {
    Launch(
        Program{
            .values = values.data(), .partial = partial.data(), .largest = largest.data(), .n = n},
        n_tiles);
  }
  Norms norms;
  for (const float tile : partial) norms.sum_of_squares += tile;  // in this order on every device
  norms.max_abs =
      largest.empty() ? 0.0f : FloatOf(*std::max_element(largest.begin(), largest.end()));
  norms.first_not_finite = FirstNotFinite(values, largest);
  return norms;
}

Norms MeasureNormsReference(std::span<const float> values) {
  Norms norms;
  for (size_t j = 0; j < values.size(); ++j) {
    if (!std::isfinite(values[j]) && norms.first_not_finite < 0) {
      norms.first_not_finite = static_cast<int64_t>(j);
    }
    norms.sum_of_squares += static_cast<double>(values[j]) * values[j];
    norms.max_abs = std::max(norms.max_abs, std::abs(values[j]));
  }
  return norms;
}

}  // namespace hilum::kernels

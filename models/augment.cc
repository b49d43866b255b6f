#include "models/augment.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/seeded_random.h"

namespace hilum::models {
namespace {

// Grey value at a place between pixels; 0 outside.
float Sample(const float* image, int height, int width, float x, float y) {
  const float left = std::floor(x), top = std::floor(y);
  const float fx = x - left, fy = y - top;
  const int column = static_cast<int>(left), row = static_cast<int>(top);
  const auto at = [&](int r, int c) {
    return r < 0 || r >= height || c < 0 || c >= width ? 0.0f : image[r * width + c];
  };
  const float above = at(row, column) * (1 - fx) + at(row, column + 1) * fx;
  const float below = at(row + 1, column) * (1 - fx) + at(row + 1, column + 1) * fx;
  return above * (1 - fy) + below * fy;
}

void WarpChannel(const Warp& warp, int height, int width, const float* from, float* to) {
  const float half_w = 0.5f * static_cast<float>(width);
  const float half_h = 0.5f * static_cast<float>(height);
  for (int row = 0; row < height; ++row) {
    const float y = (static_cast<float>(row) + 0.5f) / half_h - 1;
    for (int column = 0; column < width; ++column) {
      const float x = (static_cast<float>(column) + 0.5f) / half_w - 1;
      const float source_x = (warp.xx * x + warp.xy * y + warp.x0 + 1) * half_w - 0.5f;
      const float source_y = (warp.yx * x + warp.yy * y + warp.y0 + 1) * half_h - 0.5f;
      const float value = Sample(from, height, width, source_x, source_y) * warp.brightness;
      to[row * width + column] = std::clamp(value, 0.0f, 1.0f);
    }
  }
}

}  // namespace

Augmentation NoAugmentation() { return {0, 0, 0, 0, 0, 0, 0}; }

Augmentation ScaledAugmentation(float strength) {
  if (strength == 0) return NoAugmentation();
  Augmentation scaled;
  for (float* range : {&scaled.aspect_ratio, &scaled.rotation_degrees, &scaled.shift, &scaled.zoom,
                       &scaled.brightness}) {
    *range *= strength;
  }
  return scaled;
}

Warp DrawWarp(const Augmentation& augmentation, uint64_t seed, uint64_t pass, uint64_t name) {
  SeededRandom random = SeededRandom::For({seed, pass, name});
  // Always the same number of draws, so that one option does not change what another draws.
  const bool stretched = random.Uniform() < augmentation.aspect_probability;
  const double aspect = random.Uniform(-augmentation.aspect_ratio, augmentation.aspect_ratio);
  const double angle = random.Uniform(-1, 1) * augmentation.rotation_degrees / 180;
  const double shift_x = 2 * random.Uniform(-augmentation.shift, augmentation.shift);
  const double shift_y = 2 * random.Uniform(-augmentation.shift, augmentation.shift);
  const double zoom = 1 + random.Uniform(-augmentation.zoom, augmentation.zoom);
  const double brightness = 1 + random.Uniform(-augmentation.brightness, augmentation.brightness);
  const bool flipped = random.Uniform() < augmentation.flip_probability;

  const double stretch = stretched ? std::sqrt(1 + aspect) : 1;  // width up, height down
  const double scale_x = (flipped ? -1 : 1) / (zoom * stretch);
  const double scale_y = stretch / zoom;
  const double cosine = std::cos(angle * std::numbers::pi);
  const double sine = std::sin(angle * std::numbers::pi);
  const auto f = [](double value) { return static_cast<float>(value); };
  return {f(scale_x * cosine), f(-scale_x * sine), f(shift_x),   f(scale_y * sine),
          f(scale_y * cosine), f(shift_y),         f(brightness)};
}

void ApplyWarp(const Warp& warp, int channels, int height, int width, std::span<float> pixels,
               std::vector<float>& scratch) {
  scratch.assign(pixels.begin(), pixels.end());
  for (int channel = 0; channel < channels; ++channel) {
    const int64_t at = int64_t{channel} * height * width;
    WarpChannel(warp, height, width, scratch.data() + at, pixels.data() + at);
  }
}

}  // namespace hilum::models

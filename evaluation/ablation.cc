#include "evaluation/ablation.h"

#include <algorithm>
#include <cstdint>
#include <vector>

#include "base/check.h"

namespace hilum::evaluation {
namespace {

constexpr int kMinSide = 4;            // pixels
constexpr double kLungsMargin = 0.15;  // of the side, left on each edge when the lungs go
constexpr double kBorder = 0.10;       // of the side, on each edge
constexpr int kThumbnailSide = 32;     // pixels

void CheckSizes(std::span<float> pixels, int height, int width) {
  HILUM_CHECK(height >= kMinSide && width >= kMinSide);
  HILUM_CHECK(pixels.size() == uint64_t{1} * height * width);
}

// Sets all pixels to 0 but a frame of `part` of each side, at least one pixel wide.
void KeepFrame(std::span<float> pixels, int height, int width, double part) {
  CheckSizes(pixels, height, width);
  const int edge_y = std::max(1, static_cast<int>(height * part));
  const int edge_x = std::max(1, static_cast<int>(width * part));
  for (int y = edge_y; y < height - edge_y; ++y) {
    std::fill_n(pixels.begin() + int64_t{y} * width + edge_x, width - 2 * edge_x, 0.0f);
  }
}

}  // namespace

void BlackOutLungs(std::span<float> pixels, int height, int width) {
  KeepFrame(pixels, height, width, kLungsMargin);
}

void KeepBorder(std::span<float> pixels, int height, int width) {
  KeepFrame(pixels, height, width, kBorder);
}

void ToThumbnail(std::span<float> pixels, int height, int width) {
  CheckSizes(pixels, height, width);
  const int rows = std::min(height, kThumbnailSide), columns = std::min(width, kThumbnailSide);
  for (int row = 0; row < rows; ++row) {
    const int top = height * row / rows, bottom = height * (row + 1) / rows;
    for (int column = 0; column < columns; ++column) {
      const int left = width * column / columns, right = width * (column + 1) / columns;
      double sum = 0;
      for (int y = top; y < bottom; ++y) {
        for (int x = left; x < right; ++x) sum += pixels[int64_t{y} * width + x];
      }
      const float mean = static_cast<float>(sum / ((bottom - top) * (right - left)));
      for (int y = top; y < bottom; ++y) {
        std::fill_n(pixels.begin() + int64_t{y} * width + left, right - left, mean);
      }
    }
  }
}

}  // namespace hilum::evaluation

// Random changes of a training image. Internal to models/.
#ifndef HILUM_MODELS_AUGMENT_H_
#define HILUM_MODELS_AUGMENT_H_

#include <cstdint>
#include <span>
#include <vector>

#include "models/train.h"

namespace hilum::models {

// An affine map from places in the changed image to places in the original, both in units of half a
// side from the centre (x to the right, y down), and a factor for the grey values.
struct Warp {
  float xx = 1, xy = 0, x0 = 0;  // x_original = xx * x + xy * y + x0
  float yx = 0, yy = 1, y0 = 0;
  float brightness = 1;
};

// The warp of the sample `name` (TrainingSet::names, or its place) in pass `pass` over the samples.
Warp DrawWarp(const Augmentation& augmentation, uint64_t seed, uint64_t pass, uint64_t name);

// Applies `warp` to pixels [channels, height, width] in place: bilinear, 0 outside the original,
// result cut to [0, 1]. `scratch` is overwritten.
void ApplyWarp(const Warp& warp, int channels, int height, int width, std::span<float> pixels,
               std::vector<float>& scratch);

}  // namespace hilum::models

#endif  // HILUM_MODELS_AUGMENT_H_

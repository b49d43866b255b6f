// GroupNorm with an optional ReLU behind it, on channels-last images. Internal to models/.
//
// LibTorch's own kernel is slow backwards where a group has few channels, and reads the image once
// more for the ReLU (docs/models.md has the times). Wu and He 2018, arXiv:1803.08494.
#ifndef HILUM_MODELS_GROUP_NORM_H_
#define HILUM_MODELS_GROUP_NORM_H_

#include <cstdint>

namespace hilum::models {

// Channels must be a multiple of 8 and of `groups`; images are [pixels, channels], row-major.
struct NormShape {
  int64_t pixels = 0;
  int channels = 0;
  int groups = 0;
  bool relu = false;
};

// What backward needs of one image: y = x * scale + shift before the ReLU.
//   scale, shift  [channels]
//   mean, rstd    [groups]; rstd = 1 / sqrt(variance + epsilon)
struct NormStatistics {
  float* scale;
  float* shift;
  float* mean;
  float* rstd;
};

// One image: fills `statistics` and y [pixels, channels].
void GroupNormForward(const NormShape& shape, const float* x, const float* gamma, const float* beta,
                      float epsilon, const NormStatistics& statistics, float* y);

// One image: dx [pixels, channels] and this image's share of the gradients of gamma and beta
// ([channels], overwritten).
void GroupNormBackward(const NormShape& shape, const float* x, const float* dy, const float* gamma,
                       const NormStatistics& statistics, float* dx, float* dgamma, float* dbeta);

// The slow obvious loops in double; they are the specification.
void GroupNormForwardReference(const NormShape& shape, const float* x, const float* gamma,
                               const float* beta, float epsilon, float* y);

}  // namespace hilum::models

#endif  // HILUM_MODELS_GROUP_NORM_H_

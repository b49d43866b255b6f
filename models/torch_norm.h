// models/group_norm.h as an operation that LibTorch can differentiate. Internal to models/.
#ifndef HILUM_MODELS_TORCH_NORM_H_
#define HILUM_MODELS_TORCH_NORM_H_

#include <ATen/core/Tensor.h>

namespace hilum::models {

//   x            [n, channels, h, w], any memory format; the result is channels-last
//   gamma, beta  [channels]
at::Tensor GroupNorm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta,
                     bool relu);

}  // namespace hilum::models

#endif  // HILUM_MODELS_TORCH_NORM_H_

// models/group_norm.h as operations that LibTorch can differentiate. Internal to models/.
#ifndef HILUM_MODELS_TORCH_NORM_H_
#define HILUM_MODELS_TORCH_NORM_H_

#include <ATen/core/Tensor.h>

#include "models/architecture.h"

namespace hilum::models {

// GroupNorm, then ReLU where `relu`.
//   x            [n, channels, h, w], any memory format; the result is channels-last
//   gamma, beta  [channels]
at::Tensor GroupNorm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta,
                     bool relu);

// How a 1x1 convolution is computed: as a product of matrices (MKL), or as oneDNN's convolution.
// MKL has its fast kernels for Intel's processors only: there a product is the faster one, since it
// spares the set-up of each convolution; on AMD's it takes twice as long (docs/models.md).
enum class Pointwise : int64_t { kProduct, kConvolution };
Pointwise FastestPointwise();

// A convolution without bias and its GroupNorm as one step: half as many nodes to differentiate.
//   layer   the convolution
//   weight  [layer.out, channels of x / layer.groups, kernel, kernel]
at::Tensor ConvolveAndNormalise(const Layer& layer, const at::Tensor& x, const at::Tensor& weight,
                                const at::Tensor& gamma, const at::Tensor& beta, bool relu,
                                Pointwise pointwise = FastestPointwise());

}  // namespace hilum::models

#endif  // HILUM_MODELS_TORCH_NORM_H_

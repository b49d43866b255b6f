// The forward pass, from the same layers as the layer table.
#include <ATen/TensorOperators.h>
#include <ATen/ops/adaptive_max_pool3d.h>
#include <ATen/ops/batch_norm.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/conv3d.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/max_pool2d.h>
#include <ATen/ops/max_pool3d.h>
#include <ATen/ops/relu.h>

#include <array>
#include <tuple>

#include "base/check.h"
#include "models/layers.h"
#include "models/torch_network.h"
#include "models/torch_norm.h"
#include "models/volume.h"

namespace hilum::models {
namespace {

// How far a batch moves BatchNorm's statistics; as in PyTorch.
constexpr double kBatchMomentum = 0.1;

// Takes layers and their tensors one after the other.
class Walk {
 public:
  Walk(const Network::Impl& network, size_t layer, size_t tensor)
      : network_(network), layer_(layer), tensor_(tensor) {}

  // A convolution without bias, and its norm.
  at::Tensor ConvolveAndNormalise(const at::Tensor& x, bool relu) {
    const Layer& layer = Next(LayerKind::kConvolution);
    const Layer& norm = Next(LayerKind::kNorm);
    at::Tensor weight = Tensor();
    // Three equal channels: the sum of the weights over them does the same for a third of the work.
    if (x.size(1) == 1 && layer.in == 3) weight = weight.sum({1}, /*keepdim=*/true);
    const at::Tensor gamma = Tensor();
    if (norm.groups == 0) {
      const at::Tensor y =
          at::conv2d(x, weight, {}, layer.stride, layer.kernel / 2, 1, layer.groups);
      return BatchNorm(y, gamma, Tensor(), relu);
    }
    return models::ConvolveAndNormalise(layer, x, weight, gamma, Tensor(), relu);
  }
  // A convolution with bias.
  at::Tensor Convolve(const at::Tensor& x) {
    const Layer& layer = Next(LayerKind::kConvolution);
    const at::Tensor weight = Tensor();
    return at::conv2d(x, weight, Tensor(), layer.stride, layer.kernel / 2, 1, layer.groups);
  }
  at::Tensor Normalise(const at::Tensor& x, bool relu) {
    const Layer& norm = Next(LayerKind::kNorm);
    const at::Tensor gamma = Tensor();
    return norm.groups == 0 ? BatchNorm(x, gamma, Tensor(), relu)
                            : GroupNorm(x, gamma, Tensor(), relu);
  }
  // The same on volumes: with a bias, or with a norm.
  at::Tensor ConvolveVolume(const at::Tensor& x, bool relu) {
    const Layer& layer = Next(LayerKind::kConvolution);
    const at::Tensor weight = Tensor();
    const at::Tensor bias = layer.bias ? Tensor() : at::Tensor();
    const std::array<int64_t, 3> stride{1, layer.stride, layer.stride};
    const std::array<int64_t, 3> padding{layer.kernel_slices / 2, layer.kernel / 2,
                                         layer.kernel / 2};
    const at::Tensor y = at::conv3d(x, weight, bias, stride, padding);
    if (layer.bias) return relu ? at::relu(y) : y;
    const Layer& norm = Next(LayerKind::kNorm);
    const at::Tensor gamma = Tensor();
    if (norm.groups == 0) return BatchNorm(y, gamma, Tensor(), relu);
    // To a group all voxels are alike: the slices one below the other.
    const at::Tensor rows =
        y.contiguous().view({y.size(0), y.size(1), y.size(2) * y.size(3), y.size(4)});
    return GroupNorm(rows, gamma, Tensor(), relu).contiguous().view(y.sizes());
  }
  at::Tensor Connect(const at::Tensor& x) {
    Next(LayerKind::kLinear);
    const at::Tensor weight = Tensor();
    return at::linear(x, weight, Tensor());
  }
  bool done() const { return layer_ == network_.layers.size(); }
  // The next layer stands beside the block it follows.
  bool AtShortcut() const {
    return !done() && network_.layers[layer_].name.find(".shortcut") != std::string::npos;
  }

 private:
  const Layer& Next(LayerKind kind) {
    const Layer& layer = network_.layers[layer_++];
    HILUM_CHECK(layer.kind == kind);
    return layer;
  }
  const at::Tensor& Tensor() { return network_.tensors[tensor_++]; }
  at::Tensor BatchNorm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta,
                       bool relu) {
    const at::Tensor& mean = network_.statistics[statistic_++];
    const at::Tensor& variance = network_.statistics[statistic_++];
    const at::Tensor y = at::batch_norm(x, gamma, beta, mean, variance, network_.training,
                                        kBatchMomentum, kNormEpsilon, /*cudnn_enabled=*/false);
    return relu ? at::relu(y) : y;
  }

  const Network::Impl& network_;
  size_t layer_;
  size_t tensor_;
  size_t statistic_ = 0;  // the head, the other start of a walk, has no norm
};

// project1, expand, depthwise, project2, extend; each with its own norm.
at::Tensor Pepx(Walk& walk, at::Tensor x) {
  for (int step = 0; step < 5; ++step) x = walk.ConvolveAndNormalise(x, /*relu=*/step < 4);
  return x;
}

// The published form: biases, ReLU after the middle convolutions, one norm at the end.
at::Tensor PlainPepx(Walk& walk, const at::Tensor& x) {
  at::Tensor y = at::relu(walk.Convolve(walk.Convolve(x)));
  y = at::relu(walk.Convolve(y));
  return walk.Normalise(walk.Convolve(walk.Convolve(y)), /*relu=*/true);
}

// Channel j of the depth-wise convolution reads channel j mod (width / 4).
at::Tensor Prpe(Walk& walk, const at::Tensor& x) {
  at::Tensor y = at::relu(walk.Convolve(x)).repeat({1, 4, 1, 1});
  y = walk.Convolve(walk.Convolve(at::relu(walk.Convolve(y))));
  y = walk.Normalise(y, /*relu=*/false);
  return at::relu(y + (walk.AtShortcut() ? walk.Convolve(x) : x));
}

at::Tensor Basic(Walk& walk, const at::Tensor& x) {
  at::Tensor y = walk.ConvolveAndNormalise(x, /*relu=*/true);
  y = walk.ConvolveAndNormalise(y, /*relu=*/false);
  return at::relu(y + (walk.AtShortcut() ? walk.ConvolveAndNormalise(x, /*relu=*/false) : x));
}

at::Tensor Stage(Walk& walk, Block block, int n_blocks, at::Tensor x) {
  if (HasShortcuts(block)) {
    for (int i = 0; i < n_blocks; ++i) x = block == Block::kPrpe ? Prpe(walk, x) : Basic(walk, x);
    return x;
  }
  const bool plain = block == Block::kPlainPepx;
  at::Tensor sum = plain ? PlainPepx(walk, x) : Pepx(walk, x);
  for (int i = 1; i < n_blocks; ++i) {
    sum = sum + (plain ? PlainPepx(walk, sum) : Pepx(walk, at::relu(sum)));
  }
  return sum;
}

at::Tensor Bottleneck(Walk& walk, const at::Tensor& x) {
  at::Tensor y = walk.ConvolveVolume(x, /*relu=*/true);
  y = walk.ConvolveVolume(y, /*relu=*/true);
  y = walk.ConvolveVolume(y, /*relu=*/false);
  return at::relu(y + walk.ConvolveVolume(x, /*relu=*/false));
}

at::Tensor VolumeFeatures(Walk walk, const at::Tensor& volumes) {
  at::Tensor x = walk.ConvolveVolume(volumes, /*relu=*/true);
  x = at::max_pool3d(x, {1, 3, 3}, {1, 2, 2}, {0, 1, 1});
  x = at::max_pool3d(Bottleneck(walk, x), {2, 1, 1});
  return Bottleneck(walk, x);
}

at::Tensor VolumeHead(Walk walk, at::Tensor x) {
  for (const auto& extents : kVolumeHeadPools) {
    x = std::get<0>(at::adaptive_max_pool3d(x, extents));
    x = walk.ConvolveVolume(x, /*relu=*/true);
  }
  x = std::get<0>(at::adaptive_max_pool3d(x, {1, 1, 1})).flatten(1);
  return walk.Connect(at::relu(walk.Connect(x)));
}

}  // namespace

at::Tensor Network::Impl::Features(const at::Tensor& images) const {
  Walk walk(*this, 0, 0);
  if (architecture.block == Block::kVolume) return VolumeFeatures(walk, images);
  at::Tensor x = walk.ConvolveAndNormalise(images.contiguous(at::MemoryFormat::ChannelsLast),
                                           /*relu=*/true);
  const Block block = architecture.block;
  x = block == Block::kBasic ? at::max_pool2d(x, 3, 2, 1) : at::max_pool2d(x, 2);
  for (size_t stage = 0; stage < architecture.stage_blocks.size(); ++stage) {
    if (stage > 0 && !HasShortcuts(block)) x = at::max_pool2d(x, 2);
    x = Stage(walk, block, architecture.stage_blocks[stage], x);
  }
  return x;
}

at::Tensor Network::Impl::Head(const at::Tensor& features) const {
  const size_t n_linear = architecture.head_hidden.size() + 1;
  if (architecture.block == Block::kVolume) {
    const size_t n_head = kVolumeHeadPools.size() + n_linear;
    return VolumeHead(Walk(*this, layers.size() - n_head, tensors.size() - 2 * n_head), features);
  }
  Walk walk(*this, layers.size() - n_linear, tensors.size() - 2 * n_linear);
  at::Tensor x = architecture.fixed_input
                     ? features.contiguous(at::MemoryFormat::Contiguous).flatten(1)
                     : features.mean(at::IntArrayRef{2, 3});
  while (true) {
    x = walk.Connect(x);
    if (walk.done()) return x;
    x = at::relu(x);
  }
}

}  // namespace hilum::models

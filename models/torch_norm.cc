#include "models/torch_norm.h"

#include <ATen/Parallel.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/convolution_backward.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mm.h>
#include <torch/csrc/autograd/custom_function.h>

#include <array>
#include <tuple>

#include "models/group_norm.h"
#include "models/layers.h"

namespace hilum::models {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

NormShape ShapeOf(const at::Tensor& x, bool relu) {
  return {x.size(2) * x.size(3), static_cast<int>(x.size(1)), kNormGroups, relu};
}

// Row `image` of a tensor [n, 2 * channels + 2 * groups].
NormStatistics StatisticsAt(const at::Tensor& all, int64_t image, int channels) {
  float* row = all.data_ptr<float>() + image * all.size(1);
  return {row, row + channels, row + 2 * channels, row + 2 * channels + kNormGroups};
}

// x is channels-last. Returns y and the statistics that NormBackward needs.
std::tuple<at::Tensor, at::Tensor> NormForward(const at::Tensor& x, const at::Tensor& gamma,
                                               const at::Tensor& beta, bool relu) {
  const NormShape shape = ShapeOf(x, relu);
  const at::Tensor y = at::empty_like(x);
  const at::Tensor statistics =
      at::empty({x.size(0), 2 * shape.channels + 2 * kNormGroups}, x.options());
  const int64_t size = shape.pixels * shape.channels;
  at::parallel_for(0, x.size(0), 1, [&](int64_t begin, int64_t end) {
    for (int64_t image = begin; image < end; ++image) {
      GroupNormForward(shape, x.const_data_ptr<float>() + image * size,
                       gamma.const_data_ptr<float>(), beta.const_data_ptr<float>(), kNormEpsilon,
                       StatisticsAt(statistics, image, shape.channels),
                       y.data_ptr<float>() + image * size);
    }
  });
  return {y, statistics};
}

// Returns the gradients of x, gamma and beta. Images are added in their order, so the number of
// threads does not change the bits.
std::array<at::Tensor, 3> NormBackward(const at::Tensor& x, const at::Tensor& gamma,
                                       const at::Tensor& statistics, const at::Tensor& gradient,
                                       bool relu) {
  const at::Tensor dy = gradient.contiguous(at::MemoryFormat::ChannelsLast);
  const NormShape shape = ShapeOf(x, relu);
  const at::Tensor dx = at::empty_like(x);
  const at::Tensor shares = at::empty({2, x.size(0), shape.channels}, x.options());
  const int64_t size = shape.pixels * shape.channels;
  at::parallel_for(0, x.size(0), 1, [&](int64_t begin, int64_t end) {
    for (int64_t image = begin; image < end; ++image) {
      float* dgamma = shares.data_ptr<float>() + image * shape.channels;
      GroupNormBackward(shape, x.const_data_ptr<float>() + image * size,
                        dy.const_data_ptr<float>() + image * size, gamma.const_data_ptr<float>(),
                        StatisticsAt(statistics, image, shape.channels),
                        dx.data_ptr<float>() + image * size, dgamma,
                        dgamma + x.size(0) * shape.channels);
    }
  });
  const at::Tensor sums = shares.sum(1);
  return {dx, sums[0], sums[1]};
}

class GroupNormFunction : public torch::autograd::Function<GroupNormFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& input,
                            const at::Tensor& gamma, const at::Tensor& beta, bool relu) {
    const at::Tensor x = input.contiguous(at::MemoryFormat::ChannelsLast);
    auto [y, statistics] = NormForward(x, gamma, beta, relu);
    context->save_for_backward({x, gamma, statistics});
    context->saved_data["relu"] = relu;
    return y;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    auto [dx, dgamma, dbeta] = NormBackward(saved[0], saved[1], saved[2], gradients[0],
                                            context->saved_data["relu"].toBool());
    return {dx, dgamma, dbeta, at::Tensor()};
  }
};

// LibTorch gives a 1x1 convolution on one thread to oneDNN only from this many images on; its other
// path takes twice as long.
constexpr int64_t kOneDnnImages = 16;

// [n, channels, h, w] in channels-last memory, also where an extent of 1 leaves the format open.
at::Tensor ChannelsLast(const at::Tensor& x, int64_t n, int64_t height, int64_t width) {
  const int64_t channels = x.size(1);
  return x.contiguous(at::MemoryFormat::ChannelsLast)
      .as_strided({n, channels, height, width},
                  {height * width * channels, 1, width * channels, channels});
}

at::Tensor ChannelsLast(const at::Tensor& x) {
  return ChannelsLast(x, x.size(0), x.size(2), x.size(3));
}

// To a 1x1 convolution all pixels are alike: the same memory seen as enough images of one row.
at::Tensor AsManyImages(const at::Tensor& x) {
  const int64_t n = x.size(0), height = x.size(2), width = x.size(3);
  if (n >= kOneDnnImages) return ChannelsLast(x);
  if (n * height * width % kOneDnnImages != 0) return ChannelsLast(x, n * height, 1, width);
  return ChannelsLast(x, kOneDnnImages, 1, n * height * width / kOneDnnImages);
}

// The same memory as a matrix: a row of channels for each pixel.
at::Tensor AsRows(const at::Tensor& x) {
  return x.contiguous(at::MemoryFormat::ChannelsLast)
      .as_strided({x.size(0) * x.size(2) * x.size(3), x.size(1)}, {x.size(1), 1});
}

// What either of them made of it back to images of the extents of `like`.
at::Tensor AsImages(const at::Tensor& seen, const at::Tensor& like) {
  const int64_t channels = seen.size(1), height = like.size(2), width = like.size(3);
  const at::Tensor memory = seen.dim() == 2 ? seen.contiguous() : ChannelsLast(seen);
  return memory.as_strided({like.size(0), channels, height, width},
                           {height * width * channels, 1, width * channels, channels});
}

// A convolution without bias, from channels-last to channels-last.
struct Convolution {
  int64_t kernel, stride, groups;
  Pointwise pointwise;

  bool IsPointwise() const { return kernel == 1 && stride == 1 && groups == 1; }
  bool IsProduct() const { return IsPointwise() && pointwise == Pointwise::kProduct; }
  at::Tensor Seen(const at::Tensor& x) const {
    return IsPointwise() ? AsManyImages(x) : ChannelsLast(x);
  }

  at::Tensor Forward(const at::Tensor& x, const at::Tensor& weight) const {
    if (IsProduct()) return AsImages(at::mm(AsRows(x), AsRows(weight).t()), x);
    const at::Tensor y =
        at::convolution(Seen(x), weight, {}, {stride, stride}, {kernel / 2, kernel / 2}, {1, 1},
                        /*transposed=*/false, {0, 0}, groups);
    return IsPointwise() ? AsImages(y, x) : ChannelsLast(y);
  }

  // The gradients of x (undefined unless it is needed) and of the weight.
  std::array<at::Tensor, 2> Backward(const at::Tensor& x, const at::Tensor& weight,
                                     const at::Tensor& dy, bool needs_dx) const {
    if (IsProduct()) {
      const at::Tensor rows = AsRows(dy);
      const at::Tensor dweight = at::mm(rows.t(), AsRows(x)).view(weight.sizes());
      if (!needs_dx) return {at::Tensor(), dweight};
      return {AsImages(at::mm(rows, AsRows(weight)), x), dweight};
    }
    auto [dx, dweight, dbias] = at::convolution_backward(
        Seen(dy), Seen(x), weight, c10::nullopt, {stride, stride}, {kernel / 2, kernel / 2}, {1, 1},
        /*transposed=*/false, {0, 0}, groups, {needs_dx, true, false});
    if (needs_dx) dx = IsPointwise() ? AsImages(dx, x) : ChannelsLast(dx);
    return {dx, dweight};
  }
};

class ConvolveAndNormaliseFunction
    : public torch::autograd::Function<ConvolveAndNormaliseFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& weight,
                            const at::Tensor& gamma, const at::Tensor& beta, int64_t stride,
                            int64_t groups, bool relu, Pointwise pointwise) {
    const Convolution convolution{weight.size(2), stride, groups, pointwise};
    const at::Tensor convolved = convolution.Forward(x, weight);
    auto [y, statistics] = NormForward(convolved, gamma, beta, relu);
    context->save_for_backward({x, weight, convolved, gamma, statistics});
    context->saved_data["stride"] = stride;
    context->saved_data["groups"] = groups;
    context->saved_data["pointwise"] = static_cast<int64_t>(pointwise);
    context->saved_data["relu"] = relu;
    return y;
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &weight = saved[1];
    auto [dconvolved, dgamma, dbeta] = NormBackward(saved[2], saved[3], saved[4], gradients[0],
                                                    context->saved_data["relu"].toBool());
    const Convolution convolution{weight.size(2), context->saved_data["stride"].toInt(),
                                  context->saved_data["groups"].toInt(),
                                  Pointwise(context->saved_data["pointwise"].toInt())};
    const auto [dx, dweight] =
        convolution.Backward(x, weight, dconvolved, context->needs_input_grad(0));
    return {dx, dweight, dgamma, dbeta, at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

}  // namespace

Pointwise FastestPointwise() {
  static const Pointwise fastest =
      __builtin_cpu_is("intel") ? Pointwise::kProduct : Pointwise::kConvolution;
  return fastest;
}

at::Tensor GroupNorm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta,
                     bool relu) {
  return GroupNormFunction::apply(x, gamma, beta, relu);
}

at::Tensor ConvolveAndNormalise(const Layer& layer, const at::Tensor& x, const at::Tensor& weight,
                                const at::Tensor& gamma, const at::Tensor& beta, bool relu,
                                Pointwise pointwise) {
  return ConvolveAndNormaliseFunction::apply(x, weight, gamma, beta, int64_t{layer.stride},
                                             int64_t{layer.groups}, relu, pointwise);
}

}  // namespace hilum::models

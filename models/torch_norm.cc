#include "models/torch_norm.h"

#include <ATen/Parallel.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

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

class GroupNormFunction : public torch::autograd::Function<GroupNormFunction> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& input,
                            const at::Tensor& gamma, const at::Tensor& beta, bool relu) {
    const at::Tensor x = input.contiguous(at::MemoryFormat::ChannelsLast);
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
    context->save_for_backward({x, gamma, statistics});
    context->saved_data["relu"] = relu;
    return y;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const variable_list saved = context->get_saved_variables();
    const at::Tensor &x = saved[0], &gamma = saved[1], &statistics = saved[2];
    const at::Tensor dy = gradients[0].contiguous(at::MemoryFormat::ChannelsLast);
    const NormShape shape = ShapeOf(x, context->saved_data["relu"].toBool());
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
    return {dx, sums[0], sums[1], at::Tensor()};
  }
};

}  // namespace

at::Tensor GroupNorm(const at::Tensor& x, const at::Tensor& gamma, const at::Tensor& beta,
                     bool relu) {
  return GroupNormFunction::apply(x, gamma, beta, relu);
}

}  // namespace hilum::models

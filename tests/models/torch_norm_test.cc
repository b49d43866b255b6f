// Convolution and norm as one node, against LibTorch's own in double precision, both ways to
// compute a 1x1 convolution.
#include "models/torch_norm.h"

#include <gtest/gtest.h>

#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/ops/convolution.h>
#include <ATen/ops/group_norm.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/relu.h>

#include <vector>

#include "models/layers.h"

namespace hilum::models {
namespace {

struct Results {
  at::Tensor y, dx, dweight, dgamma, dbeta;
};

struct Case {
  int64_t n, in, out, height, width;
  int kernel = 1, stride = 1, groups = 1;
};

struct Inputs {
  at::Tensor x, weight, gamma, beta, dy;
};

at::Tensor Leaf(const at::Tensor& values, at::ScalarType type) {
  return values.to(type).clone().requires_grad_(true);
}

template <class Compute>
Results Differentiate(const Inputs& inputs, at::ScalarType type, const Compute& compute) {
  const at::Tensor x = Leaf(inputs.x, type), weight = Leaf(inputs.weight, type);
  const at::Tensor gamma = Leaf(inputs.gamma, type), beta = Leaf(inputs.beta, type);
  const at::Tensor y = compute(x, weight, gamma, beta);
  (y * inputs.dy.to(type)).sum().backward();
  return {y.detach(), x.grad(), weight.grad(), gamma.grad(), beta.grad()};
}

double Distance(const at::Tensor& ours, const at::Tensor& theirs) {
  return (ours.to(at::kDouble) - theirs).abs().max().item<double>() /
         (theirs.abs().max().item<double>() + 1e-9);
}

TEST(ConvolveAndNormalise, GivesWhatLibTorchGivesInDoublePrecision) {
  const std::vector<Case> cases = {{2, 16, 32, 8, 8},            // as 16 images
                                   {3, 16, 8, 5, 3},             // not divisible by 16
                                   {17, 8, 16, 2, 2},            // more than 16 images
                                   {1, 64, 64, 1, 1},            // one pixel
                                   {2, 16, 16, 6, 6, 3, 1, 16},  // depthwise
                                   {2, 3, 16, 9, 9, 7, 2}};      // the stem
  at::manual_seed(1);
  for (const Case& c : cases) {
    const int64_t height = (c.height - 1) / c.stride + 1, width = (c.width - 1) / c.stride + 1;
    const Inputs inputs{at::rand({c.n, c.in, c.height, c.width}) - 0.3,
                        at::rand({c.out, c.in / c.groups, c.kernel, c.kernel}) - 0.5,
                        at::rand({c.out}) + 0.5, at::rand({c.out}) - 0.5,
                        at::rand({c.n, c.out, height, width}) - 0.5};
    Layer layer;
    layer.stride = c.stride;
    layer.groups = c.groups;
    const Results reference = Differentiate(
        inputs, at::kDouble,
        [&](const auto& x, const auto& weight, const auto& gamma, const auto& beta) {
          const at::Tensor convolved =
              at::convolution(x, weight, {}, {c.stride, c.stride}, {c.kernel / 2, c.kernel / 2},
                              {1, 1}, false, {0, 0}, c.groups);
          return at::relu(at::group_norm(convolved, kNormGroups, gamma, beta, kNormEpsilon));
        });
    for (const Pointwise pointwise : {Pointwise::kProduct, Pointwise::kConvolution}) {
      const Results ours = Differentiate(
          inputs, at::kFloat,
          [&](const auto& x, const auto& weight, const auto& gamma, const auto& beta) {
            return ConvolveAndNormalise(layer, x, weight, gamma, beta, true, pointwise);
          });
      SCOPED_TRACE(testing::Message() << c.n << " images of " << c.in << " channels, kernel "
                                      << c.kernel << ", way " << static_cast<int>(pointwise));
      EXPECT_LT(Distance(ours.y, reference.y), 1e-4);
      EXPECT_LT(Distance(ours.dx, reference.dx), 1e-3);
      EXPECT_LT(Distance(ours.dweight, reference.dweight), 1e-3);
      EXPECT_LT(Distance(ours.dgamma, reference.dgamma), 1e-3);
      EXPECT_LT(Distance(ours.dbeta, reference.dbeta), 1e-3);
    }
  }
}

}  // namespace
}  // namespace hilum::models

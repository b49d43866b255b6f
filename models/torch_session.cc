#include "models/torch_session.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Reduction.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/zeros_like.h>

#include <algorithm>

namespace hilum::models {
namespace {

constexpr int64_t kNoLabelIsIgnored = -100;  // PyTorch's default

std::span<float> Values(const at::Tensor& tensor) {
  return {tensor.data_ptr<float>(), static_cast<size_t>(tensor.numel())};
}

}  // namespace

Session::Session(Network::Impl& network)
    : network_(network),
      start_(network.flat.clone()),
      start_statistics_(Statistics()),
      gradient_(at::zeros_like(network.flat)) {
  for (size_t i = 0; i < network.tensors.size(); ++i) {
    const TensorSpec& spec = network.layout.trained[i];
    network.tensors[i].requires_grad_(true);
    network.tensors[i].mutable_grad() =
        gradient_.narrow(0, spec.offset, spec.size).view(spec.shape);
  }
  network.training = true;
}

Session::~Session() {
  network_.training = false;
  for (at::Tensor& tensor : network_.tensors) {
    tensor.mutable_grad() = at::Tensor();
    tensor.requires_grad_(false);
  }
  if (kept_) return;
  std::ranges::copy(start(), weights().begin());
  SetStatistics(start_statistics_);
}

double Session::Backward(BatchReader& batch, double label_smoothing, int64_t n_at_once) {
  std::ranges::fill(gradient(), 0.0f);
  const TrainingSet& set = batch.set();
  std::vector<int64_t> shape{batch.n(), set.channels, set.height, set.width};
  if (set.slices > 0) shape.insert(shape.begin() + 2, set.slices);
  const at::Tensor pixels = at::from_blob(batch.pixels().data(), shape, at::kFloat);
  const at::Tensor labels = at::from_blob(batch.labels().data(), {batch.n()}, at::kLong);
  double sum = 0;
  for (int64_t first = 0, n = 0; first < batch.n(); first += n) {
    n = std::min(n_at_once, batch.n() - first);
    const int64_t rest = batch.n() - first - n;
    if (rest < smallest_part()) n += rest;
    const at::Tensor logits = network_.Head(network_.Features(pixels.narrow(0, first, n)));
    at::Tensor loss =
        at::cross_entropy_loss(logits, labels.narrow(0, first, n), {}, at::Reduction::Mean,
                               kNoLabelIsIgnored, label_smoothing);
    sum += static_cast<double>(loss.item<float>()) * static_cast<double>(n);
    if (n < batch.n()) loss = loss * (static_cast<double>(n) / static_cast<double>(batch.n()));
    loss.backward();
  }
  return sum;
}

std::span<float> Session::weights() { return Values(network_.flat); }
std::span<float> Session::gradient() { return Values(gradient_); }
std::span<const float> Session::start() const { return Values(start_); }

std::vector<float> Session::All() {
  std::vector<float> all(weights().begin(), weights().end());
  const std::vector<float> statistics = Statistics();
  all.insert(all.end(), statistics.begin(), statistics.end());
  return all;
}

void Session::SetAll(std::span<const float> values) {
  std::ranges::copy(values.first(weights().size()), weights().begin());
  SetStatistics(values.subspan(weights().size()));
}

std::vector<float> Session::Statistics() const {
  std::vector<float> all;
  for (const at::Tensor& tensor : network_.statistics) {
    const std::span<const float> values = Values(tensor);
    all.insert(all.end(), values.begin(), values.end());
  }
  return all;
}

void Session::SetStatistics(std::span<const float> values) {
  for (const at::Tensor& tensor : network_.statistics) {
    const std::span<float> to = Values(tensor);
    std::ranges::copy(values.first(to.size()), to.begin());
    values = values.subspan(to.size());
  }
}

}  // namespace hilum::models

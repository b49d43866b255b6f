// The network as LibTorch sees it. Internal to models/.
#ifndef HILUM_MODELS_TORCH_NETWORK_H_
#define HILUM_MODELS_TORCH_NETWORK_H_

#include <ATen/core/Tensor.h>

#include <span>
#include <vector>

#include "models/layers.h"
#include "models/network.h"

namespace hilum::models {

struct Network::Impl {
  ArchitectureOptions options;
  Architecture architecture;
  Layout layout;
  std::vector<Layer> layers;  // in forward order
  at::Tensor flat;            // [layout.n_trained] float32; every tensor below is a part of it
  std::vector<at::Tensor> tensors;     // as layout.trained
  std::vector<at::Tensor> statistics;  // of BatchNorm: mean and variance of each, in forward order
  bool training = false;               // BatchNorm goes by the batch and moves its statistics

  // `weights` [layout.shared.n_params()] and `local` [layout.local.n_params()] are copied.
  Impl(const Description& description, Architecture plan, Layout places,
       std::span<const float> weights, std::span<const float> local);

  // images [n, 1 or 3, h, w] -> the output of the last stage [n, c, h', w'].
  at::Tensor Features(const at::Tensor& images) const;
  // -> logits [n, n_classes].
  at::Tensor Head(const at::Tensor& features) const;
};

// The batch as a tensor that shares its memory. InvalidArgument, DataLoss: as Network::Predict.
absl::StatusOr<at::Tensor> ToTensor(const Network::Impl& network, const ImageBatch& batch);

// Sets the threads of LibTorch for the whole process. InvalidArgument: n_threads outside 1...1024.
absl::Status UseThreads(int n_threads);

}  // namespace hilum::models

#endif  // HILUM_MODELS_TORCH_NETWORK_H_

// The network as LibTorch sees it. Internal to models/.
#ifndef HILUM_MODELS_TORCH_NETWORK_H_
#define HILUM_MODELS_TORCH_NETWORK_H_

#include <ATen/core/Tensor.h>

#include <span>
#include <vector>

#include "models/network.h"

namespace hilum::models {

struct Network::Impl {
  ArchitectureOptions options;
  Architecture architecture;
  ModelSpec spec;
  std::vector<Layer> layers;  // in forward order; their tensors in the order of the spec
  at::Tensor flat;            // [n_params] float32; every tensor below is a part of it
  std::vector<at::Tensor> tensors;

  // `weights` [n_params] are copied.
  Impl(const Description& description, Architecture plan, ModelSpec layout,
       std::span<const float> weights);

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

// A network while it is trained. Internal to models/.
#ifndef HILUM_MODELS_TORCH_SESSION_H_
#define HILUM_MODELS_TORCH_SESSION_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

#include "models/batch_reader.h"
#include "models/torch_network.h"

namespace hilum::models {

// While it lives, the network's tensors collect their gradients in one flat vector. Unless the
// training was kept, weights and statistics are put back.
class Session {
 public:
  explicit Session(Network::Impl& network);
  ~Session();
  Session(const Session&) = delete;

  // The sum of the batch's losses; afterwards gradient() holds the gradient of their mean. At most
  // `n_at_once` samples are in memory at a time.
  double Backward(BatchReader& batch, double label_smoothing, int64_t n_at_once);

  std::span<float> weights();   // all that are trained: shared, then local
  std::span<float> gradient();  // of weights()
  std::span<const float> start() const;
  int64_t n_shared() const { return network_.layout.shared.n_params(); }

  // weights() and the statistics of BatchNorm: Network::Flat, then Network::Local.
  std::vector<float> All();
  void SetAll(std::span<const float> values);

  void Keep() { kept_ = true; }

 private:
  Network::Impl& network_;
  at::Tensor start_;
  std::vector<at::Tensor> start_statistics_;
  at::Tensor gradient_;
  bool kept_ = false;
};

}  // namespace hilum::models

#endif  // HILUM_MODELS_TORCH_SESSION_H_

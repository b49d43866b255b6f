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
  // `n_at_once` samples, at least smallest_part(), are in memory at a time; where fewer than that
  // would be left over, they go with the part before.
  double Backward(BatchReader& batch, double label_smoothing, int64_t n_at_once);

  // To BatchNorm a lone sample has no variance.
  int64_t smallest_part() const { return network_.statistics.empty() ? 1 : 2; }

  std::span<float> weights();   // all that are trained: shared, then local
  std::span<float> gradient();  // of weights()
  std::span<const float> start() const;
  int64_t n_shared() const { return network_.layout.shared.n_params(); }

  // weights() and the statistics of BatchNorm: Network::Flat, then Network::Local.
  std::vector<float> All();
  void SetAll(std::span<const float> values);

  // BatchNorm's statistics alone. Backward moves them, also where it fails.
  std::vector<float> Statistics() const;
  void SetStatistics(std::span<const float> values);

  void Keep() { kept_ = true; }

 private:
  Network::Impl& network_;
  at::Tensor start_;
  std::vector<float> start_statistics_;
  at::Tensor gradient_;
  bool kept_ = false;
};

}  // namespace hilum::models

#endif  // HILUM_MODELS_TORCH_SESSION_H_

// The layers of a network in forward order: what the layer table, the flat layout, the first
// weights and the LibTorch network are all made from. Internal to models/.
#ifndef HILUM_MODELS_LAYERS_H_
#define HILUM_MODELS_LAYERS_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "base/model_spec.h"
#include "models/architecture.h"

namespace hilum::models {

inline constexpr int kNormGroups = 8;
inline constexpr float kNormEpsilon = 1e-5f;  // as in PyTorch

// Blocks with a shortcut of their own: a stride opens each stage but the first. The others are
// summed over the stage, and a pool opens each.
inline bool HasShortcuts(Block block) { return block == Block::kPrpe || block == Block::kBasic; }

// `options` with the defaults filled in. The tensors of a layer follow each other: weight, then
// bias if it has one.
std::vector<Layer> LayersOf(const Architecture& architecture, const ArchitectureOptions& options);

// Where each tensor of a network lies.
struct Layout {
  ModelSpec shared;  // SpecOf
  ModelSpec local;   // LocalSpecOf: `n_local_weights` tensors that are trained, then statistics
  size_t n_local_weights = 0;
  // Every tensor that is trained, in forward order; its offset is in one vector of what is shared,
  // then what is local.
  std::vector<TensorSpec> trained;
  int64_t n_trained = 0;  // values of that vector
};
// Errors as SpecOf.
absl::StatusOr<Layout> LayoutOf(const Description& description);

}  // namespace hilum::models

#endif  // HILUM_MODELS_LAYERS_H_

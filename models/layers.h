// The layers of a network in forward order: what the layer table, the flat layout, the first
// weights and the LibTorch network are all made from. Internal to models/.
#ifndef HILUM_MODELS_LAYERS_H_
#define HILUM_MODELS_LAYERS_H_

#include <vector>

#include "models/architecture.h"

namespace hilum::models {

inline constexpr int kNormGroups = 8;
inline constexpr float kNormEpsilon = 1e-5f;  // as in PyTorch

// Blocks with a shortcut of their own: a stride opens each stage but the first. The others are
// summed over the stage, and a pool opens each.
inline bool HasShortcuts(Block block) { return block == Block::kPrpe || block == Block::kBasic; }

// `input_size` in pixels. The tensors of a layer follow each other: weight, then bias if it has
// one.
std::vector<Layer> LayersOf(const Architecture& architecture, int n_classes, int input_size);

}  // namespace hilum::models

#endif  // HILUM_MODELS_LAYERS_H_

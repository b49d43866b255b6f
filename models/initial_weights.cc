#include "models/initial_weights.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/match.h"
#include "base/seeded_random.h"
#include "base/status_macros.h"
#include "models/layers.h"

namespace hilum::models {
namespace {

// The norm after `extend` of a block that has a skip beside it.
bool StartsAtZero(const Layer& layer) {
  if (!absl::EndsWith(layer.name, ".extend.norm")) return false;
  const size_t end = layer.name.size() - absl::string_view(".extend.norm").size();
  const size_t block = layer.name.rfind('.', end - 1) + 1;
  return layer.name.substr(block, end - block) != "0";
}

void AppendUniform(std::vector<float>& flat, const Layer& layer, SeededRandom& random) {
  const int64_t fan_in =
      int64_t{layer.in / layer.groups} * layer.kernel * layer.kernel * layer.kernel_slices;
  const double bound = std::sqrt(6.0 / static_cast<double>(fan_in));
  for (int64_t i = 0; i < fan_in * layer.out; ++i) {
    flat.push_back(static_cast<float>(random.Uniform(-bound, bound)));
  }
}

// All weights that are trained: what is shared, then what is local.
std::vector<float> DrawWeights(const Description& description, const Layout& layout,
                               uint64_t seed) {
  SeededRandom random = SeededRandom::For({seed});
  std::vector<float> drawn;  // in forward order
  drawn.reserve(description.n_params);
  for (const Layer& layer : description.layers) {
    if (layer.kind == LayerKind::kNorm) {
      drawn.insert(drawn.end(), layer.out, StartsAtZero(layer) ? 0.0f : 1.0f);
    } else {
      AppendUniform(drawn, layer, random);
    }
    if (layer.bias) drawn.insert(drawn.end(), layer.out, 0.0f);
  }
  std::vector<float> placed(drawn.size());
  auto from = drawn.begin();
  for (const TensorSpec& tensor : layout.trained) {
    std::copy_n(from, tensor.size, placed.begin() + tensor.offset);
    from += tensor.size;
  }
  return placed;
}

}  // namespace

absl::StatusOr<std::vector<float>> InitialWeights(const ArchitectureOptions& options,
                                                  uint64_t seed) {
  HILUM_ASSIGN_OR_RETURN(const Description description, Describe(options));
  HILUM_ASSIGN_OR_RETURN(const Layout layout, LayoutOf(description));
  std::vector<float> weights = DrawWeights(description, layout, seed);
  weights.resize(layout.shared.n_params());
  return weights;
}

absl::StatusOr<std::vector<float>> InitialLocal(const ArchitectureOptions& options) {
  HILUM_ASSIGN_OR_RETURN(const Description description, Describe(options));
  HILUM_ASSIGN_OR_RETURN(const Layout layout, LayoutOf(description));
  std::vector<float> local = DrawWeights(description, layout, 0);
  local.erase(local.begin(), local.begin() + layout.shared.n_params());
  for (size_t i = layout.n_local_weights; i < layout.local.tensors.size(); ++i) {
    const TensorSpec& tensor = layout.local.tensors[i];
    local.insert(local.end(), tensor.size,
                 absl::EndsWith(tensor.name, ".running_var") ? 1.0f : 0.0f);
  }
  return local;
}

}  // namespace hilum::models

#include "models/initial_weights.h"

#include <cmath>

#include "absl/strings/match.h"
#include "base/seeded_random.h"
#include "base/status_macros.h"

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
  const int64_t fan_in = int64_t{layer.in / layer.groups} * layer.kernel * layer.kernel;
  const double bound = std::sqrt(6.0 / static_cast<double>(fan_in));
  for (int64_t i = 0; i < fan_in * layer.out; ++i) {
    flat.push_back(static_cast<float>(random.Uniform(-bound, bound)));
  }
}

}  // namespace

absl::StatusOr<std::vector<float>> InitialWeights(const ArchitectureOptions& options,
                                                  uint64_t seed) {
  HILUM_ASSIGN_OR_RETURN(const Description description, Describe(options));
  SeededRandom random = SeededRandom::For({seed});
  std::vector<float> flat;
  flat.reserve(description.n_params);
  for (const Layer& layer : description.layers) {
    if (layer.kind == LayerKind::kNorm) {
      flat.insert(flat.end(), layer.out, StartsAtZero(layer) ? 0.0f : 1.0f);
    } else {
      AppendUniform(flat, layer, random);
    }
    if (layer.bias) flat.insert(flat.end(), layer.out, 0.0f);
  }
  return flat;
}

}  // namespace hilum::models

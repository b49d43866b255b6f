// Version 0 of a model: random weights that follow from a seed alone.
#ifndef HILUM_MODELS_INITIAL_WEIGHTS_H_
#define HILUM_MODELS_INITIAL_WEIGHTS_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "models/architecture.h"

namespace hilum::models {

// The shared vector of a network that has learned nothing, in the order of SpecOf(options).
// Convolutions and linear layers: uniform in +-sqrt(6 / fan_in) (He et al. 2015,
// arXiv:1502.01852); biases 0; norm scales 1, but 0 after `extend` in blocks 2, 3, ... of a stage,
// so that such a block starts as the identity.
// The same bits on every computer: integer generator, and only exactly rounded operations.
// Errors as SpecOf.
absl::StatusOr<std::vector<float>> InitialWeights(const ArchitectureOptions& options,
                                                  uint64_t seed);

// What stays at a site, before its first round there, in the order of LocalSpecOf(options): the
// weights as above with seed 0, so that all sites start alike; means 0 and variances 1.
absl::StatusOr<std::vector<float>> InitialLocal(const ArchitectureOptions& options);

}  // namespace hilum::models

#endif  // HILUM_MODELS_INITIAL_WEIGHTS_H_

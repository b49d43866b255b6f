// The door through which weights enter a network. Only client/network.cc includes this header,
// and it loads nothing but what the ledger proved.
#ifndef HILUM_MODELS_LOAD_H_
#define HILUM_MODELS_LOAD_H_

#include <span>

#include "absl/status/statusor.h"
#include "base/model_spec.h"
#include "models/architecture.h"
#include "models/network.h"

namespace hilum::models {

// Builds the network and copies `flat` and `local` into it.
//   spec   the layout that `flat` came with; must equal SpecOf(options) in every name and shape
//   flat   [spec.n_params()] float32, finite
//   local  what stays at the site, [LocalSpecOf(options).n_params()] float32, finite; variances
//          are not below 0
// NotFound, InvalidArgument: as SpecOf; or spec differs from the architecture's, the sentence names
// the first tensor that differs; or flat or local has another length. DataLoss: a weight is NaN or
// infinite, or a variance below 0; the sentence names its tensor.
absl::StatusOr<Network> Load(const ArchitectureOptions& options, const ModelSpec& spec,
                             std::span<const float> flat, std::span<const float> local = {});

}  // namespace hilum::models

#endif  // HILUM_MODELS_LOAD_H_

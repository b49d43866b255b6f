// What Train asks of its arguments before the first step. Internal to models/.
#ifndef HILUM_MODELS_TRAIN_CHECKS_H_
#define HILUM_MODELS_TRAIN_CHECKS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "models/network.h"
#include "models/train.h"

namespace hilum::models {

// `memory` may be null. `n_trained` values of the network are trained. Errors as Train.
absl::Status CheckTraining(const Network& network, int64_t n_trained, const TrainingSet& set,
                           const TrainOptions& options, const TrainHooks& hooks,
                           const OptimizerMemory* memory);

}  // namespace hilum::models

#endif  // HILUM_MODELS_TRAIN_CHECKS_H_

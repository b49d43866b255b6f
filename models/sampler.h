// Which samples each step sees. Internal to models/.
#ifndef HILUM_MODELS_SAMPLER_H_
#define HILUM_MODELS_SAMPLER_H_

#include <cstdint>
#include <span>
#include <vector>

#include "models/train.h"

namespace hilum::models {

struct Draw {
  int64_t index = 0;  // of the sample
  int64_t pass = 0;   // how often its group was seen whole before
};

// Every step's batch follows from (labels, balance, batch, seed) and the step's number, so a round
// can start anywhere in the schedule. An epoch of n samples draws n times; its batches differ by at
// most one in size. Each group (all samples, or one class) is walked in a new order in each pass;
// with Balance::kClasses the classes take turns.
class Sampler {
 public:
  Sampler(std::span<const int32_t> labels, Balance balance, int batch, uint64_t seed);

  std::vector<Draw> Batch(int64_t step);

 private:
  struct Group {
    std::vector<int64_t> members;
    std::vector<int64_t> order;  // members in the order of `pass`
    int64_t pass = -1;
  };

  int64_t n_;
  int64_t steps_per_epoch_;
  uint64_t seed_;
  std::vector<Group> groups_;
};

}  // namespace hilum::models

#endif  // HILUM_MODELS_SAMPLER_H_

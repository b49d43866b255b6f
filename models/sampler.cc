#include "models/sampler.h"

#include <map>
#include <utility>

#include "base/check.h"
#include "base/seeded_random.h"

namespace hilum::models {

int64_t StepsPerEpoch(int64_t n_samples, int batch) { return (n_samples + batch - 1) / batch; }

Sampler::Sampler(std::span<const int32_t> labels, Balance balance, int batch, uint64_t seed)
    : n_(static_cast<int64_t>(labels.size())),
      steps_per_epoch_(StepsPerEpoch(n_, batch)),
      seed_(seed) {
  HILUM_CHECK(n_ > 0 && batch > 0);
  std::map<int32_t, Group> by_label;
  for (int64_t i = 0; i < n_; ++i) {
    by_label[balance == Balance::kClasses ? labels[i] : 0].members.push_back(i);
  }
  for (auto& [label, group] : by_label) groups_.push_back(std::move(group));
}

std::vector<Draw> Sampler::Batch(int64_t step) {
  const int64_t epoch = step / steps_per_epoch_, part = step % steps_per_epoch_;
  const int64_t begin = epoch * n_ + n_ * part / steps_per_epoch_;
  const int64_t end = epoch * n_ + n_ * (part + 1) / steps_per_epoch_;
  const int64_t n_groups = static_cast<int64_t>(groups_.size());
  std::vector<Draw> draws;
  for (int64_t slot = begin; slot < end; ++slot) {
    Group& group = groups_[slot % n_groups];
    const int64_t size = static_cast<int64_t>(group.members.size());
    const int64_t pass = slot / n_groups / size;
    if (pass != group.pass) {
      group.order = group.members;
      SeededRandom random = SeededRandom::For(
          {seed_, static_cast<uint64_t>(slot % n_groups), static_cast<uint64_t>(pass)});
      random.Shuffle(std::span<int64_t>(group.order));
      group.pass = pass;
    }
    draws.push_back({group.order[slot / n_groups % size], pass});
  }
  return draws;
}

}  // namespace hilum::models

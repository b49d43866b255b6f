// The samples of one step, read and changed. Internal to models/.
#ifndef HILUM_MODELS_BATCH_READER_H_
#define HILUM_MODELS_BATCH_READER_H_

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "base/status_macros.h"
#include "models/augment.h"
#include "models/sampler.h"
#include "models/train.h"

namespace hilum::models {

// Set and options must outlive it.
class BatchReader {
 public:
  BatchReader(const TrainingSet& set, const TrainOptions& options)
      : set_(set),
        options_(options),
        sampler_(set.labels, options.balance, options.batch, options.seed),
        n_planes_(static_cast<int>(set.channels * std::max<int64_t>(set.slices, 1))),
        size_(int64_t{1} * n_planes_ * set.height * set.width) {}

  absl::Status Read(int64_t step) { return ReadDraws(sampler_.Batch(step)); }

  // One sample by itself, changed as in pass `pass`.
  absl::Status ReadOne(int64_t index, int64_t pass) { return ReadDraws({{index, pass}}); }

  int64_t n() const { return static_cast<int64_t>(labels_.size()); }
  std::span<float> pixels() { return pixels_; }  // [n, channels, height, width]
  std::span<int64_t> labels() { return labels_; }
  const TrainingSet& set() const { return set_; }

 private:
  absl::Status ReadDraws(const std::vector<Draw>& draws) {
    pixels_.resize(draws.size() * size_);
    labels_.clear();
    for (size_t i = 0; i < draws.size(); ++i) {
      const std::span<float> sample(pixels_.data() + i * size_, size_);
      HILUM_RETURN_IF_ERROR(set_.read(draws[i].index, sample));
      const int64_t at = draws[i].index;
      const uint64_t name = set_.names.empty() ? static_cast<uint64_t>(at) : set_.names[at];
      const Warp warp = DrawWarp(options_.augmentation, options_.seed, draws[i].pass, name);
      ApplyWarp(warp, n_planes_, set_.height, set_.width, sample, scratch_);
      labels_.push_back(set_.labels[draws[i].index]);
    }
    return absl::OkStatus();
  }

  const TrainingSet& set_;
  const TrainOptions& options_;
  Sampler sampler_;
  int n_planes_;  // of a sample: its channels, for each slice
  int64_t size_;  // values of a sample
  std::vector<float> pixels_;
  std::vector<int64_t> labels_;
  std::vector<float> scratch_;
};

}  // namespace hilum::models

#endif  // HILUM_MODELS_BATCH_READER_H_

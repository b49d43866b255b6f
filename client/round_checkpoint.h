// Where a round's training goes on after this program was killed (docs/models.md, "Training").
#ifndef HILUM_CLIENT_ROUND_CHECKPOINT_H_
#define HILUM_CLIENT_ROUND_CHECKPOINT_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "base/file.h"
#include "client/pseudonym.h"
#include "client/state.h"
#include "models/train.h"

namespace hilum::client {

// What a checkpoint belongs to: with the same, the training would take the same steps again.
struct TrainingFacts {
  std::string job;
  uint64_t round = 0;
  Digest plan{};        // SHA-256 of the canonical bytes
  Digest base_model{};  // of the round
  Digest films{};       // those that are trained on, with their labels
  uint64_t seed = 0;    // SeedOf
};

// One sealed file a job, SITE/training/JOB/checkpoint: the newest checkpoint.
class RoundCheckpoint {
 public:
  // `secret` must outlive this.
  RoundCheckpoint(const fs::path& root, const TrainingFacts& facts, const SiteSecret& secret);

  // The checkpoint of exactly this training. One of another training, for example of films of a
  // patient who has withdrawn since, and one that is damaged are deleted: the round then starts at
  // its first step.
  //   n_values   of the network, with what stays at the site
  //   n_trained  of them
  std::optional<models::TrainCheckpoint> Read(int64_t n_values, int64_t n_trained) const;

  // Takes the place of the one before, which stays until then.
  // ResourceExhausted: the disk is full. Unavailable: the folder cannot be written. DataLoss: a
  // value is not finite.
  absl::Status Write(const models::TrainCheckpoint& checkpoint) const;

  // The training is over.
  void Remove() const;

 private:
  fs::path folder_;
  std::string purpose_;
  TrainingFacts facts_;
  const SiteSecret& secret_;
};

// Deletes the folders of `root` whose job is over or unknown to this site: what a training left
// that was killed and never went on. Errors: as State::Jobs.
absl::Status CleanTraining(const fs::path& root, State& state);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_ROUND_CHECKPOINT_H_

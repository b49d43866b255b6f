// Local training: from a verified model and a consented data set to a delta.
#ifndef HILUM_CLIENT_TRAIN_H_
#define HILUM_CLIENT_TRAIN_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/dataset.h"
#include "client/ledger_gate.h"
#include "models/train.h"
#include "privacy/model_delta.h"
#include "proto/round_plan.h"

namespace hilum::client {

// Weights after a round's training at this site. Only TrainLocally makes one. Movable only.
class LocalWeights {
 public:
  LocalWeights(LocalWeights&&) = default;
  LocalWeights& operator=(LocalWeights&&) = default;

  double mean_loss() const { return mean_loss_; }
  uint64_t n_films() const { return n_films_; }  // the site's weight in the mean
  // What stays at this site (local_layers.h).
  const std::vector<float>& layers() const { return layers_; }

 private:
  friend absl::StatusOr<LocalWeights> TrainLocally(const VerifiedModel& model,
                                                   const proto::RoundPlan& plan,
                                                   const LocalDataset& dataset,
                                                   const struct LocalTraining& training);
  friend absl::StatusOr<privacy::ModelDelta> Difference(const LocalWeights& local,
                                                        const VerifiedModel& global);
  LocalWeights() = default;
  std::vector<float> flat_;
  std::vector<float> layers_;
  double mean_loss_ = 0;
  uint64_t n_films_ = 0;
  double scale_ = 1;  // what the difference is multiplied by
};

// What is this site's own, beside the plan.
struct LocalTraining {
  uint64_t round = 1;
  uint64_t seed = 0;  // SeedOf
  int threads = 1;
  // Of the plan's steps, or of its time_limit_s where that is nearer; may be empty.
  std::function<void(uint32_t percent)> on_progress;
  const std::atomic<bool>* cancel = nullptr;
  models::OptimizerMemory* memory = nullptr;  // models::Train
  std::vector<float> layers{};                // what stays at this site, as models::Load takes it
  // As in models::TrainHooks.
  std::function<absl::Status(const models::TrainCheckpoint&)> on_checkpoint{};
  int64_t checkpoint_steps = 0;
  const models::TrainCheckpoint* resume = nullptr;
  std::optional<models::RecordPrivacy>
      privacy{};  // record_noise.h, where the plan's unit is record
};

// Local steps of a round on `n_samples` samples. DP-SGD has as many at every site: the number of
// films is not told.
int64_t StepsPerRound(const proto::RoundPlan& plan, int64_t n_samples);

// The plan's recipe for rounds first_round ... first_round + n_rounds - 1 on `n_samples` samples.
// InvalidArgument: a name that models/ does not know.
struct Slice {
  uint64_t first_round = 1;
  uint64_t n_rounds = 1;
  int64_t n_samples = 0;
  uint64_t seed = 0;
  int threads = 1;
};
absl::StatusOr<models::TrainOptions> TrainOptionsOf(const proto::RoundPlan& plan,
                                                    const Slice& slice);

// Order of samples and augmentation of one round at one site. With a job seed it follows from the
// seed, the round and the site's name; without one, and with privacy unit record, from the site's
// own secret, so that a restart repeats the same training and nobody else can.
uint64_t SeedOf(const proto::RoundPlan& plan, uint64_t round, absl::string_view site,
                const SiteSecret& secret);

// The samples as models/ reads them; they must outlive the set.
models::TrainingSet SetOf(std::span<const Sample> samples, int height, int width);

// Training ends after the plan's time_limit_s; at least one step is taken, and what was trained
// counts. With strategy fednova the difference is brought to the plan's number of steps.
// With unit record training is DP-SGD; PermissionDenied: `privacy` is not there then, and nothing
// is trained without the noise that the plan promises. DataLoss: a loss or weight became NaN or
// infinite; nothing of it is used. Cancelled: the flag was set. InvalidArgument: plan and data set
// do not fit the network. Errors of `on_checkpoint` are passed on.
absl::StatusOr<LocalWeights> TrainLocally(const VerifiedModel& model, const proto::RoundPlan& plan,
                                          const LocalDataset& dataset,
                                          const LocalTraining& training);

// Local minus global, of what is shared. InvalidArgument: different lengths.
absl::StatusOr<privacy::ModelDelta> Difference(const LocalWeights& local,
                                               const VerifiedModel& global);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_TRAIN_H_

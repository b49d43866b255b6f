#include "client/round_checkpoint.h"

#include <sys/resource.h>

#include <csignal>

#include "tests/client/films.h"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

using absl::StatusCode;

constexpr int64_t kValues = 7, kTrained = 5;  // two of BatchNorm

models::TrainCheckpoint Checkpoint(int64_t n_steps) {
  const auto value = static_cast<float>(n_steps);
  return {.n_steps = n_steps,
          .n_samples_seen = 8 * n_steps,
          .loss_sum = 0.1 + 0.2,
          .seconds = 1.0 / 3,
          .weights = std::vector<float>(kValues, value),
          .memory = {.n_steps = 100 + n_steps,
                     .first = std::vector<float>(kTrained, value + 1),
                     .second = std::vector<float>(kTrained, value + 2)}};
}

class RoundCheckpointTest : public testing::Test {
 protected:
  RoundCheckpoint Of(uint64_t round = 3, uint8_t films = 1) const {
    TrainingFacts facts{.job = "cxr-1", .round = round, .seed = 11};
    facts.films[0] = films;
    return {root_, facts, secret_};
  }
  fs::path File() const { return root_ / "cxr-1" / "checkpoint"; }
  const fs::path root_ = NewFolder("training") / "training";
  const SiteSecret secret_ = TestSecret();
};

TEST_F(RoundCheckpointTest, ComesBackBitForBit) {
  EXPECT_FALSE(Of().Read(kValues, kTrained).has_value());
  HILUM_ASSERT_OK(Of().Write(Checkpoint(1)));
  HILUM_ASSERT_OK(Of().Write(Checkpoint(2)));
  const std::optional<models::TrainCheckpoint> read = Of().Read(kValues, kTrained);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->n_steps, 2);
  EXPECT_EQ(read->n_samples_seen, 16);
  EXPECT_EQ(read->loss_sum, 0.1 + 0.2);
  EXPECT_EQ(read->seconds, 1.0 / 3);
  EXPECT_EQ(read->weights, Checkpoint(2).weights);
  EXPECT_EQ(read->memory.n_steps, 102);
  EXPECT_EQ(read->memory.first, Checkpoint(2).memory.first);
  EXPECT_EQ(read->memory.second, Checkpoint(2).memory.second);
  Of().Remove();
  EXPECT_FALSE(fs::exists(root_ / "cxr-1"));
}

TEST_F(RoundCheckpointTest, OfMomentumHasOnePart) {
  models::TrainCheckpoint checkpoint = Checkpoint(1);
  checkpoint.memory.second.clear();
  HILUM_ASSERT_OK(Of().Write(checkpoint));
  EXPECT_TRUE(Of().Read(kValues, kTrained)->memory.second.empty());
}

TEST_F(RoundCheckpointTest, OfAnotherTrainingIsDeleted) {
  HILUM_ASSERT_OK(Of().Write(Checkpoint(1)));
  EXPECT_FALSE(Of(3, /*films=*/2).Read(kValues, kTrained).has_value()) << "a patient has withdrawn";
  EXPECT_FALSE(fs::exists(File()));
  HILUM_ASSERT_OK(Of().Write(Checkpoint(1)));
  EXPECT_FALSE(Of(4).Read(kValues, kTrained).has_value());
  HILUM_ASSERT_OK(Of().Write(Checkpoint(1)));
  EXPECT_FALSE(Of().Read(kValues + 1, kTrained).has_value());
  HILUM_ASSERT_OK(Of().Write(Checkpoint(1)));
  std::string text = ReadText(File());
  text.back() ^= 1;
  WriteText(File(), text);
  EXPECT_FALSE(Of().Read(kValues, kTrained).has_value());
}

TEST_F(RoundCheckpointTest, AFullDiskLeavesTheOneBefore) {
  HILUM_ASSERT_OK(Of().Write(Checkpoint(1)));
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  rlimit small = before;
  small.rlim_cur = 100;
  setrlimit(RLIMIT_FSIZE, &small);
  const absl::Status status = Of().Write(Checkpoint(2));
  setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_THAT(status, StatusIs(StatusCode::kResourceExhausted,
                               "the checkpoint of round 3 of job cxr-1 after 2 steps is not kept"));
  const std::optional<models::TrainCheckpoint> read = Of().Read(kValues, kTrained);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->n_steps, 1);
}

TEST_F(RoundCheckpointTest, WhatIsLeftOfJobsThatAreOverIsCleaned) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto state, State::Open(root_.parent_path() / "state.sqlite"));
  for (const char* job : {"cxr-1", "done-1", "unknown-1"}) {
    const TrainingFacts facts{.job = job, .round = 1, .seed = 1};
    HILUM_ASSERT_OK(RoundCheckpoint(root_, facts, secret_).Write(Checkpoint(1)));
  }
  JobRecord job;
  job.job = "cxr-1";
  job.server_state = "running";
  HILUM_ASSERT_OK(state->PutJob(job));
  job.job = "done-1";
  job.server_state = "done";
  HILUM_ASSERT_OK(state->PutJob(job));
  HILUM_ASSERT_OK(CleanTraining(root_, *state));
  EXPECT_TRUE(fs::exists(root_ / "cxr-1"));
  EXPECT_FALSE(fs::exists(root_ / "done-1"));
  EXPECT_FALSE(fs::exists(root_ / "unknown-1"));
  HILUM_EXPECT_OK(CleanTraining(root_ / "absent", *state));
}

}  // namespace
}  // namespace hilum::client

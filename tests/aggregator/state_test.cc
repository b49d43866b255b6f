#include "aggregator/state.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "absl/strings/match.h"
#include "base/bytes.h"
#include "base/file.h"
#include "tests/aggregator/test_federation.h"
#include "tests/status_matchers.h"

namespace hilum::aggregator {
namespace {

using absl::StatusCode;

RoundRow MakeRound(uint64_t number) {
  RoundRow row{.job = {"cxr"}, .round = {number}, .attempt = 1, .status = "ok"};
  row.config = {1, 2, 3};
  row.roster = {{.site = {"site-a"}}, {.site = {"site-b"}}};
  row.roster[1].entry_key.bytes[5] = 9;
  row.dropped = {"site-b"};
  row.base_model[0] = 1;
  row.opened_s = 100;
  row.open_entry = "{\"open\":1}";
  row.open_index = 5;
  row.open_leaf[1] = 2;
  row.close_entry = "{\"close\":1}";
  row.close_leaf[2] = 3;
  row.closed_s = 200;
  row.model[3] = 4;
  row.total_weight = 33;
  row.mean_loss = 0.25;
  row.received_bytes = 1 << 20;
  row.reason = "why";
  return row;
}

TEST(State, KeepsEveryFieldOfARoundAcrossARestart) {
  const TempFolder folder;
  {
    HILUM_ASSERT_OK_AND_ASSIGN(const auto state, State::Open(folder.path() / "s.sqlite"));
    HILUM_ASSERT_OK(state->PutRound(MakeRound(2)));
    HILUM_ASSERT_OK(state->PutRound(MakeRound(1)));
  }
  HILUM_ASSERT_OK_AND_ASSIGN(const auto state, State::Open(folder.path() / "s.sqlite"));
  HILUM_ASSERT_OK_AND_ASSIGN(const auto rounds, state->Rounds({"cxr"}));
  ASSERT_EQ(rounds.size(), 2u);
  const RoundRow expected = MakeRound(1);
  const RoundRow& row = rounds[0];
  EXPECT_EQ(row.round.number, 1u);
  EXPECT_EQ(row.attempt, expected.attempt);
  EXPECT_EQ(row.status, expected.status);
  EXPECT_EQ(row.config, expected.config);
  EXPECT_EQ(row.roster, expected.roster);
  EXPECT_EQ(row.dropped, expected.dropped);
  EXPECT_EQ(row.base_model, expected.base_model);
  EXPECT_EQ(row.opened_s, expected.opened_s);
  EXPECT_EQ(row.open_entry, expected.open_entry);
  EXPECT_EQ(row.open_index, expected.open_index);
  EXPECT_EQ(row.open_leaf, expected.open_leaf);
  EXPECT_EQ(row.close_entry, expected.close_entry);
  EXPECT_EQ(row.close_index, std::nullopt);
  EXPECT_EQ(row.close_leaf, expected.close_leaf);
  EXPECT_EQ(row.closed_s, expected.closed_s);
  EXPECT_EQ(row.model, expected.model);
  EXPECT_EQ(row.total_weight, expected.total_weight);
  EXPECT_EQ(row.mean_loss, expected.mean_loss);
  EXPECT_EQ(row.received_bytes, expected.received_bytes);
  EXPECT_EQ(row.reason, expected.reason);
}

// Whether a file of the database holds these bytes.
bool Holds(const std::filesystem::path& file, absl::string_view bytes) {
  if (!std::filesystem::exists(file)) return false;
  const absl::StatusOr<Bytes> read = ReadFile(file, 1 << 26);
  EXPECT_TRUE(read.ok()) << read.status();
  return read.ok() && absl::StrContains(AsText(*read), bytes);
}

TEST(State, NoMessageOfARoundOutlivesItsClose) {
  const TempFolder folder;
  const std::filesystem::path path = folder.path() / "s.sqlite";
  HILUM_ASSERT_OK_AND_ASSIGN(const auto state, State::Open(path));
  FlightRow sealed{.attempt = 0, .flight = 2, .sender = 3, .message = {}};
  AppendText(sealed.message, "sealed shares of round one");
  HILUM_ASSERT_OK(state->PutFlight({"cxr"}, {1}, sealed));
  sealed.attempt = 1;
  HILUM_ASSERT_OK(state->PutFlight({"cxr"}, {1}, sealed));
  HILUM_ASSERT_OK(state->PutFlight({"cxr"}, {2}, {.flight = 1, .sender = 0, .message = {7}}));
  EXPECT_TRUE(Holds(folder.path() / "s.sqlite-wal", "sealed shares"));
  HILUM_ASSERT_OK(state->CloseRound(MakeRound(1), {.job = {"cxr"}, .plan = "{}"}));
  EXPECT_TRUE(state->Flights({"cxr"}, {1}, 0)->empty());
  EXPECT_TRUE(state->Flights({"cxr"}, {1}, 1)->empty());
  EXPECT_EQ(state->Flights({"cxr"}, {2}, 0)->size(), 1u);
  EXPECT_EQ(state->Rounds({"cxr"})->size(), 1u);
  EXPECT_FALSE(Holds(path, "sealed shares"));
  EXPECT_FALSE(Holds(folder.path() / "s.sqlite-wal", "sealed shares"));
}

// The power goes between the commit of a close and the cut of the log.
TEST(State, AStartLeavesNothingInTheWriteAheadLog) {
  const TempFolder folder;
  const TempFolder copy;
  {
    HILUM_ASSERT_OK_AND_ASSIGN(const auto state, State::Open(folder.path() / "s.sqlite"));
    HILUM_ASSERT_OK(state->PutFlight({"cxr"}, {1}, {.flight = 1, .sender = 0, .message = {7}}));
    for (const char* name : {"s.sqlite", "s.sqlite-wal"}) {
      std::filesystem::copy_file(folder.path() / name, copy.path() / name);
    }
  }
  ASSERT_GT(std::filesystem::file_size(copy.path() / "s.sqlite-wal"), 0u);
  HILUM_ASSERT_OK_AND_ASSIGN(const auto state, State::Open(copy.path() / "s.sqlite"));
  EXPECT_EQ(std::filesystem::file_size(copy.path() / "s.sqlite-wal"), 0u);
  EXPECT_EQ(state->Flights({"cxr"}, {1}, 0)->size(), 1u);
}

TEST(State, KeepsJobsInOrderOfLaunchAndTheirAnswers) {
  const TempFolder folder;
  HILUM_ASSERT_OK_AND_ASSIGN(const auto state, State::Open(folder.path() / "s.sqlite"));
  JobRow job{.job = {"zebra"}, .plan = "{}", .state = JobState::kRunning, .message = "m"};
  job.model[0] = 7;
  job.closed_round = 3;
  job.last_ok_round = 2;
  job.aborted_in_row = 1;
  HILUM_ASSERT_OK(state->PutJob(job));
  HILUM_ASSERT_OK(state->PutJob({.job = {"ant"}, .plan = "{}"}));
  job.state = JobState::kDone;
  job.release_entry = "{}";
  job.release_index = 12;
  HILUM_ASSERT_OK(state->PutJob(job));  // an update keeps its place
  HILUM_ASSERT_OK(state->PutAnswer({"ant"}, {.site = {"b"}, .approved = false, .reason = "no"}));
  HILUM_ASSERT_OK(state->PutAnswer({"ant"}, {.site = {"a"}, .approved = true}));
  HILUM_ASSERT_OK(state->PutAnswer({"ant"}, {.site = {"b"}, .approved = true}));
  HILUM_ASSERT_OK_AND_ASSIGN(const auto jobs, state->Jobs());
  ASSERT_EQ(jobs.size(), 2u);
  EXPECT_EQ(jobs[0].job.name, "zebra");
  EXPECT_EQ(jobs[0].state, JobState::kDone);
  EXPECT_EQ(jobs[0].release_index, 12u);
  EXPECT_EQ(jobs[0].model[0], 7);
  EXPECT_EQ(jobs[0].aborted_in_row, 1u);
  HILUM_ASSERT_OK_AND_ASSIGN(const auto answers, state->Answers({"ant"}));
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_TRUE(answers[1].approved);
}

TEST(State, KeepsUpdatesAndTheFirstReasonOfADrop) {
  const TempFolder folder;
  HILUM_ASSERT_OK_AND_ASSIGN(const auto state, State::Open(folder.path() / "s.sqlite"));
  StoredUpdate stored{
      .update = {.site_index = 3}, .statistics = {.weight = 7, .loss = 0.5}, .size_bytes = 4012};
  stored.update.root[0] = 1;
  stored.update.signature.bytes[63] = 2;
  stored.update.object[31] = 3;
  HILUM_ASSERT_OK(state->PutUpdate({"cxr"}, {1}, stored));
  HILUM_ASSERT_OK_AND_ASSIGN(const auto updates, state->Updates({"cxr"}, {1}));
  ASSERT_EQ(updates.size(), 1u);
  EXPECT_EQ(updates[0].update, stored.update);
  EXPECT_EQ(updates[0].statistics.weight, 7u);
  EXPECT_EQ(updates[0].size_bytes, 4012u);
  EXPECT_TRUE(state->Updates({"cxr"}, {2})->empty());
  HILUM_ASSERT_OK(state->PutDrop({"cxr"}, {1}, {.site_index = 0, .reason = "away"}));
  HILUM_ASSERT_OK(state->PutDrop({"cxr"}, {1}, {.site_index = 0, .reason = "late"}));
  HILUM_ASSERT_OK_AND_ASSIGN(const auto drops, state->Drops({"cxr"}, {1}));
  ASSERT_EQ(drops.size(), 1u);
  EXPECT_EQ(drops[0].reason, "away");
}

TEST(State, AnInvitationIsSpentOnceEvenByTwoProcesses) {
  const TempFolder folder;
  HILUM_ASSERT_OK_AND_ASSIGN(const auto one, State::Open(folder.path() / "s.sqlite"));
  HILUM_ASSERT_OK_AND_ASSIGN(const auto two, State::Open(folder.path() / "s.sqlite"));
  const Digest secret{1};
  HILUM_ASSERT_OK(one->PutInvite({.secret_hash = secret, .member = "a", .role = "site"}));
  HILUM_ASSERT_OK(two->FindInvite(secret).status());
  HILUM_ASSERT_OK(two->UseInvite(secret, {.name = "a", .role = "site"}));
  EXPECT_THAT(one->UseInvite(secret, {.name = "b", .role = "site"}),
              StatusIs(StatusCode::kNotFound, "was used"));
  EXPECT_THAT(one->FindMember("b"), StatusIs(StatusCode::kNotFound, "no member b"));
  EXPECT_THAT(one->FindInvite(secret), StatusIs(StatusCode::kNotFound, ""));
}

}  // namespace
}  // namespace hilum::aggregator

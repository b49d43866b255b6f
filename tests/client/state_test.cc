#include "client/state.h"

#include "tests/client/films.h"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

TEST(State, KeepsFilmsOverAReopening) {
  const fs::path file = NewFolder("state") / "state.sqlite";
  FilmRecord film;
  film.file = {"/data/a", "films/x.dcm", 12, 34};
  film.pid = "pid";
  film.issuer = "issuer";
  film.sop = "sop";
  film.label = "normal";
  film.origin = "nih";
  film.age_years = 45.5;
  film.profile = "cxr128";
  film.profile_digest.fill(1);
  film.cache_digest.fill(2);
  {
    HILUM_ASSERT_OK_AND_ASSIGN(const auto state, State::Open(file));
    HILUM_ASSERT_OK(state->PutFilm(film));
  }
  HILUM_ASSERT_OK_AND_ASSIGN(const auto state, State::Open(file));
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<FilmRecord> films, state->Films());
  ASSERT_EQ(films.size(), 1u);
  EXPECT_EQ(films[0].file.path, film.file.path);
  EXPECT_EQ(films[0].file.modified_ns, 34);
  EXPECT_EQ(films[0].pid, "pid");
  EXPECT_EQ(films[0].issuer, "issuer");
  EXPECT_EQ(films[0].label, "normal");
  EXPECT_EQ(films[0].origin, "nih");
  EXPECT_EQ(films[0].age_years, 45.5);
  EXPECT_EQ(films[0].profile_digest, film.profile_digest);
  EXPECT_EQ(films[0].cache_digest, film.cache_digest);
  HILUM_ASSERT_OK(state->RemoveFilm(film.file));
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<FilmRecord> none, state->Films());
  EXPECT_TRUE(none.empty());
}

TEST(State, AVoteIsOnRecordOnce) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto state, State::Open(NewFolder("once") / "s.sqlite"));
  MaskedRow row{.job = "j", .round = 1, .attempt = 0, .kind = "vote", .record = {1, 2}};
  HILUM_ASSERT_OK(state->PutMasked(row));
  HILUM_EXPECT_OK(state->PutMasked(row));
  row.record = {1, 3};
  EXPECT_THAT(state->PutMasked(row),
              StatusIs(absl::StatusCode::kFailedPrecondition, "a second one is not made"));
  row.attempt = 1;
  HILUM_EXPECT_OK(state->PutMasked(row));
}

// An answer of a masked round holds shares: once erased, no file of the database has it.
TEST(State, WhatIsErasedIsInNoFile) {
  const fs::path folder = NewFolder("erased");
  HILUM_ASSERT_OK_AND_ASSIGN(const auto state, State::Open(folder / "state.sqlite"));
  const std::string text = "shares that nobody may find on the disk later";
  Bytes record;
  for (int i = 0; i < 500; ++i) AppendText(record, text);  // several pages
  const MaskedRow row{.job = "j", .round = 1, .attempt = 0, .kind = "answer", .record = record};
  const auto is_on_disk = [&] {
    for (const auto& file : fs::directory_iterator(folder)) {
      const Bytes bytes = ReadFile(file.path(), 1 << 24).value();
      if (AsText(bytes).find(text.substr(0, 20)) != absl::string_view::npos) return true;
    }
    return false;
  };
  HILUM_ASSERT_OK(state->PutMasked(row));
  EXPECT_TRUE(is_on_disk());
  HILUM_ASSERT_OK(state->EraseMasked(row));
  EXPECT_FALSE(is_on_disk());
}

TEST(State, KeepsRoundsAndJobs) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto state, State::Open(NewFolder("state") / "s.sqlite"));
  RoundRecord round;
  round.job = "j";
  round.round = 3;
  round.attempt = 1;
  round.phase = "sent";
  round.cfg_hash.fill(3);
  round.signature = {1, 2, 3};
  round.site_index = 65535;
  round.n_bytes = 1'000'000'000'000;
  round.loss = 0.25;
  round.sent_at_s = 99;
  HILUM_ASSERT_OK(state->PutRound(round));
  round.phase = "accepted";
  HILUM_ASSERT_OK(state->PutRound(round));
  HILUM_ASSERT_OK_AND_ASSIGN(const std::optional<RoundRecord> found, state->Round("j", 3, 1));
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->phase, "accepted");
  EXPECT_EQ(found->cfg_hash, round.cfg_hash);
  EXPECT_EQ(found->signature, round.signature);
  EXPECT_EQ(found->site_index, 65535);
  EXPECT_EQ(found->n_bytes, 1'000'000'000'000u);
  EXPECT_EQ(found->loss, 0.25);
  HILUM_ASSERT_OK_AND_ASSIGN(const auto other, state->Round("j", 3, 0));
  EXPECT_FALSE(other.has_value());

  JobRecord job;
  job.job = "j";
  job.plan = "{\"a\":1}";
  job.answer = Answer::kApproved;
  job.answered_by = "operator";
  HILUM_ASSERT_OK(state->PutJob(job));
  HILUM_ASSERT_OK_AND_ASSIGN(const auto known, state->Job("j"));
  ASSERT_TRUE(known.has_value());
  EXPECT_EQ(known->plan, job.plan);
  EXPECT_EQ(known->answer, Answer::kApproved);
}

TEST(State, AtomicallyKeepsAllOrNothing) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto state, State::Open(NewFolder("state") / "s.sqlite"));
  EXPECT_THAT(state->Atomically([&]() -> absl::Status {
    HILUM_RETURN_IF_ERROR(state->PutValue("x", "1"));
    return absl::CancelledError("no");
  }),
              StatusIs(absl::StatusCode::kCancelled, "no"));
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string value, state->Value("x"));
  EXPECT_EQ(value, "");
}

TEST(State, AnotherProcessSeesAnAnswerAtOnce) {
  const fs::path file = NewFolder("state") / "s.sqlite";
  HILUM_ASSERT_OK_AND_ASSIGN(const auto agent, State::Open(file));
  HILUM_ASSERT_OK_AND_ASSIGN(const auto command, State::Open(file));
  HILUM_ASSERT_OK(command->PutValue("x", "1"));
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string value, agent->Value("x"));
  EXPECT_EQ(value, "1");
}

TEST(State, ADatabaseOfANewerProgramIsRefused) {
  const fs::path file = NewFolder("state") / "s.sqlite";
  {
    HILUM_ASSERT_OK_AND_ASSIGN(const auto state, State::Open(file));
    HILUM_ASSERT_OK(state->PutValue("state_version", "999"));
  }
  EXPECT_THAT(State::Open(file),
              StatusIs(absl::StatusCode::kFailedPrecondition, "has version 999"));
}

TEST(State, WhatIsNoDatabaseIsDataLoss) {
  const fs::path file = NewFolder("state") / "s.sqlite";
  WriteText(file, std::string(4096, 'x'));
  EXPECT_THAT(State::Open(file), StatusIs(absl::StatusCode::kDataLoss, "not a database"));
}

TEST(State, OnlyItsOwnerMayReadTheDatabase) {
  const fs::path file = NewFolder("state") / "s.sqlite";
  HILUM_ASSERT_OK_AND_ASSIGN(const auto state, State::Open(file));
  EXPECT_EQ(fs::status(file).permissions() & fs::perms::all,
            fs::perms::owner_read | fs::perms::owner_write);
}

}  // namespace
}  // namespace hilum::client

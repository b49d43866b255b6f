// Evaluations and incidents of a site, with a ledger in memory for a server.
#include "client/own_entry.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <utility>
#include <vector>

#include "client/incident.h"
#include "client/site_evaluation.h"
#include "client/state.h"
#include "tests/client/films.h"
#include "tests/client/release.h"
#include "tests/ledger_anchor/federation.h"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

using absl::StatusCode;
using ledger_anchor::Evaluation;
using ledger_anchor::Federation;
using ledger_anchor::Incident;

constexpr int64_t kNow = 1767000000;

// A server over `ledger` that compares clocks as aggregator/submissions does.
LogEntry ServerOf(Federation& ledger, int64_t now_s) {
  return [&ledger, now_s](const std::string& text) -> absl::StatusOr<uint64_t> {
    for (size_t i = 0; i < ledger.texts.size(); ++i) {
      if (ledger.texts[i] == text) return i;
    }
    const auto entry = ledger_anchor::ParseEntry(text);
    if (!entry.ok()) return absl::InvalidArgumentError(entry.status().message());
    if (std::abs(static_cast<int64_t>(entry->t) - now_s) > 86'400) {
      return absl::InvalidArgumentError("they may differ by one day");
    }
    const auto admitted = ledger.state.Admit(text);
    if (!admitted.ok()) return absl::FailedPreconditionError(admitted.status().message());
    ledger.texts.push_back(text);
    return ledger.texts.size() - 1;
  };
}

class OwnEntries : public ::testing::Test {
 protected:
  void SetUp() override {
    ledger_.Start();
    folder_.root = NewFolder("own-entries");
    state_ = State::Open(folder_.database()).value();
  }
  absl::StatusOr<uint64_t> Log(const OwnEntry& own, int64_t now_s = kNow) {
    return LogOwnEntry(*state_, own,
                       {.site = site_, .origin = origin_, .key = key_, .now_s = now_s},
                       is_away_ ? LogEntry([](const std::string&) -> absl::StatusOr<uint64_t> {
                         return absl::UnavailableError("away");
                       })
                                : ServerOf(ledger_, now_s));
  }
  OwnEntry Fork(const std::string& evidence = "two notes") {
    return MakeIncident(
               folder_,
               {.kind = "fork", .about = "server", .study = "", .round = 0, .evidence = evidence})
        .value()
        .entry;
  }

  Federation ledger_;
  SiteFolder folder_;
  std::unique_ptr<State> state_;
  const std::string site_ = "hospital-a";
  const std::string origin_ = Federation::kOrigin;
  crypto::SigningKey key_ = ledger_.SiteKey("hospital-a");
  bool is_away_ = false;
};

TEST_F(OwnEntries, AnIncidentKeepsItsEvidenceAtTheSite) {
  HILUM_ASSERT_OK_AND_ASSIGN(const IncidentEntry made,
                             MakeIncident(folder_, {.kind = "bad-sum",
                                                    .about = "server",
                                                    .study = Federation::kStudy,
                                                    .round = 0,
                                                    .evidence = "what was seen"}));
  EXPECT_EQ(ReadText(made.evidence), "what was seen");
  EXPECT_EQ(made.evidence.filename().string(), ToHex(crypto::Sha256("what was seen")));
  HILUM_ASSERT_OK_AND_ASSIGN(const uint64_t index, Log(made.entry));
  const auto entry = ledger_anchor::ParseEntry(ledger_.texts.at(index)).value();
  EXPECT_EQ(entry.by, site_);
  EXPECT_EQ(entry.study, Federation::kStudy);
  EXPECT_EQ(std::get<Incident>(entry.body).evidence, crypto::Sha256("what was seen"));
  EXPECT_EQ(ledger_.texts.at(index).find("what was seen"), std::string::npos);
  const std::string long_text(kEvidenceLimitBytes + 1, 'x');
  EXPECT_THAT(
      MakeIncident(
          folder_,
          {.kind = "fork", .about = "server", .study = "", .round = 0, .evidence = long_text}),
      StatusIs(StatusCode::kInvalidArgument, "16777216"));
}

TEST_F(OwnEntries, HoldCodesAndNoFreeText) {
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"gossip", "server"}, {"fork", "Mrs Smith of ward 3"}, {"fork", ""}};
  for (const auto& [kind, about] : bad) {
    HILUM_ASSERT_OK_AND_ASSIGN(
        const IncidentEntry made,
        MakeIncident(folder_,
                     {.kind = kind, .about = about, .study = "", .round = 0, .evidence = "x"}));
    EXPECT_THAT(Log(made.entry), StatusIs(StatusCode::kInvalidArgument, "")) << kind << about;
  }
  EXPECT_EQ(ledger_.texts.size(), 3u);
}

TEST_F(OwnEntries, TheSameAgainIsTheSameEntry) {
  is_away_ = true;
  EXPECT_THAT(Log(Fork()), StatusIs(StatusCode::kUnavailable, "away"));
  is_away_ = false;
  HILUM_ASSERT_OK_AND_ASSIGN(const uint64_t index, Log(Fork(), kNow + 60));
  EXPECT_EQ(ledger_anchor::ParseEntry(ledger_.texts.at(index)).value().t, uint64_t{kNow});
  EXPECT_EQ(Log(Fork(), kNow + 600).value(), index);
  // Long after: what stands in the ledger is never judged by the clock again.
  EXPECT_EQ(Log(Fork(), kNow + 30 * 86'400).value(), index);
  EXPECT_EQ(Log(Fork("other notes"), kNow).value(), index + 1);
}

TEST_F(OwnEntries, WhatNeverCameThereIsSignedAgainADayLater) {
  is_away_ = true;
  EXPECT_THAT(Log(Fork()), StatusIs(StatusCode::kUnavailable, "away"));
  is_away_ = false;
  HILUM_ASSERT_OK_AND_ASSIGN(const uint64_t index, Log(Fork(), kNow + 3 * 86'400));
  EXPECT_EQ(ledger_anchor::ParseEntry(ledger_.texts.at(index)).value().t,
            uint64_t{kNow + 3 * 86'400});
}

TEST_F(OwnEntries, WhatNeverCameThereIsSignedAgainAfterARotation) {
  is_away_ = true;
  EXPECT_THAT(Log(Fork()), StatusIs(StatusCode::kUnavailable, "away"));
  is_away_ = false;
  auto next = crypto::SigningKey::FromSeed({91});
  ledger_.AddText(ledger_.SignAs(ledger_.RotateDraft(site_, key_, next), site_));
  for (const uint64_t t : {uint64_t{kNow}, uint64_t{kNow} + ledger_anchor::kRotationDelayS}) {
    ledger_anchor::Entry open = ledger_.OpenDraft();
    open.t = t;
    ledger_.Add(open);
    ledger_anchor::Entry close = ledger_.CloseDraft();
    close.t = t;
    ledger_.Add(close);
  }
  key_ = std::move(next);
  HILUM_ASSERT_OK_AND_ASSIGN(const uint64_t index, Log(Fork(), kNow + 3600));
  EXPECT_EQ(ledger_anchor::ParseEntry(ledger_.texts.at(index)).value().key,
            crypto::KeyDigest(key_.public_key()));
}

// A released model, judged on films of the demo.
class SiteEvaluations : public ::testing::Test {
 protected:
  static constexpr uint64_t kFilms = 14;  // enough of each class for every interval
  void SetUp() override {
    MakeRelease(release_);
    data_ = MakeSource("hospital-a", kFilms);
  }
  absl::StatusOr<SiteEvaluation> Judge(const ActiveSet& consents, const SiteSecret& secret) {
    HILUM_ASSIGN_OR_RETURN(const VerifiedModel model, Admit(release_));
    return EvaluateForLedger({.model = model,
                              .data = data_,
                              .site = site_,
                              .secret = secret,
                              .consents = consents,
                              .threads = 1});
  }
  absl::StatusOr<SiteEvaluation> Judge(const ActiveSet& consents = ActiveSet()) {
    return Judge(consents, TestSecret());
  }

  Release release_;
  fs::path data_;
  const std::string site_ = "hospital-a";
};

TEST_F(SiteEvaluations, AreTakenByTheLedger) {
  HILUM_ASSERT_OK_AND_ASSIGN(const SiteEvaluation evaluation, Judge());
  EXPECT_EQ(evaluation.n_films, kFilms);
  EXPECT_EQ(evaluation.body().model, crypto::Sha256(release_.site.base));
  EXPECT_EQ(evaluation.body().round, 1u);
  EXPECT_EQ(evaluation.body().operating_point, "0");
  ASSERT_FALSE(evaluation.body().metrics.items.empty());
  EXPECT_EQ(evaluation.body().metrics.items[0].name, "balanced_accuracy");
  Federation& ledger = release_.site.federation;
  const std::string origin = Federation::kOrigin;
  const crypto::SigningKey key = ledger.SiteKey(site_);
  const EntrySigner signer{.site = site_, .origin = origin, .key = key, .now_s = kNow};
  HILUM_ASSERT_OK_AND_ASSIGN(
      const uint64_t index,
      LogOwnEntry(*release_.site.state, evaluation.entry, signer, ServerOf(ledger, kNow)));
  EXPECT_EQ(ledger_anchor::EntryType(ledger_anchor::ParseEntry(ledger.texts.at(index)).value()),
            "evaluation");
  // Computed again, it says the same: it stands there once.
  HILUM_ASSERT_OK_AND_ASSIGN(const SiteEvaluation again, Judge());
  EXPECT_EQ(LogOwnEntry(*release_.site.state, again.entry, signer, ServerOf(ledger, kNow)).value(),
            index);
  // Of another model than the round made.
  OwnEntry other = evaluation.entry;
  std::get<Evaluation>(other.body).model = Digest{};
  EXPECT_THAT(LogOwnEntry(*release_.site.state, other, signer, ServerOf(ledger, kNow)),
              StatusIs(StatusCode::kFailedPrecondition, "names model"));
}

TEST_F(SiteEvaluations, NobodyElseCanTryOutTheSetOfFilms) {
  HILUM_ASSERT_OK_AND_ASSIGN(const SiteEvaluation evaluation, Judge());
  EXPECT_EQ(Judge()->body().dataset, evaluation.body().dataset);
  SiteSecret other;
  other.bytes.fill(9);
  EXPECT_NE(Judge(ActiveSet(), other)->body().dataset, evaluation.body().dataset);
}

TEST_F(SiteEvaluations, OfAFewFilmsDoNotLeaveTheSite) {
  data_ = MakeSource("hospital-a", 9);
  EXPECT_THAT(Judge(), StatusIs(StatusCode::kFailedPrecondition, "9 films may be judged"));
}

TEST_F(SiteEvaluations, LeaveOutWhoDoesNotPermit) {
  const std::vector<FilmRecord> films = release_.site.state->Films().value();
  ASSERT_FALSE(films.empty());  // the release's site has imported the first film of the same folder
  ConsentRecord denied;
  denied.pid = films[0].pid;
  denied.consent.permits = false;
  denied.consent.reason = "status inactive";
  const std::vector<ConsentRecord> records = {denied};
  const ActiveSet consents = ActiveSet::Build(records, kNow);
  HILUM_ASSERT_OK_AND_ASSIGN(const SiteEvaluation evaluation, Judge(consents));
  EXPECT_GE(evaluation.n_left_out, 1u);
  EXPECT_EQ(evaluation.n_films + evaluation.n_left_out, kFilms);
  EXPECT_NE(evaluation.body().dataset, Judge()->body().dataset);
}

}  // namespace
}  // namespace hilum::client

#include "client/participate.h"

#include "client/ledger_gate.h"
#include "crypto/labels.h"
#include "privacy/quantize.h"
#include "privacy/transcript.h"
#include "tests/client/films.h"
#include "tests/client/round_site.h"
#include "tests/client/server.h"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

using absl::StatusCode;

std::vector<uint32_t> WordsOf(const SignedUpdate& update) {
  return {update.words().begin(), update.words().end()};
}

TEST(TakePart, MakesASignedUpdateWithItsExtras) {
  RoundSite site;
  site.OpenRound();
  HILUM_ASSERT_OK_AND_ASSIGN(const SignedUpdate update, site.Take());
  const privacy::RoundConfig& config = site.config;
  ASSERT_EQ(update.words().size(), config.n_params + 3);
  EXPECT_EQ(update.words()[config.n_params], 6u);      // weight: films
  EXPECT_EQ(update.words()[config.n_params + 1], 1u);  // count
  EXPECT_EQ(update.words()[config.n_params + 2],
            static_cast<uint32_t>(std::lround(site.Record().loss * 65536)));
  EXPECT_EQ(update.root(), privacy::UpdateRoot(update.words(), privacy::LayoutOf(config)));
  const Bytes message =
      privacy::UpdateMessage({.root = update.root(), .n_coords = config.n_coords()});
  HILUM_EXPECT_OK(crypto::VerifyLabelled(site.Key().public_key(),
                                         {.label = crypto::kLabelR2Root,
                                          .rid = privacy::RidOf(config, 0),
                                          .sender = 0,
                                          .cfg_hash = privacy::HashConfig(config),
                                          .message = message},
                                         update.signature()));
  const RoundRecord record = site.Record();
  EXPECT_EQ(record.phase, "stored");
  EXPECT_EQ(record.n_films, 6u);
  EXPECT_EQ(record.masking, "none (open mode)");
  EXPECT_EQ(record.n_bytes, 4 * config.n_coords());
  EXPECT_EQ(record.sha256, update.Sha256());
  EXPECT_GT(record.update_norm, 0);
  EXPECT_EQ(record.sent_at_s, 0);
}

TEST(TakePart, ResendIsByteIdentical) {
  RoundSite site;
  site.OpenRound();
  HILUM_ASSERT_OK_AND_ASSIGN(const SignedUpdate first, site.Take());
  const int n_steps = site.n_steps;
  site.ReopenState();
  HILUM_ASSERT_OK_AND_ASSIGN(const SignedUpdate second, site.Take());
  EXPECT_EQ(WordsOf(first), WordsOf(second));
  EXPECT_EQ(first.signature(), second.signature());
  EXPECT_EQ(site.n_steps, n_steps) << "it trained again";
}

TEST(TakePart, WithoutAJobSeedAResendIsByteIdenticalToo) {
  RoundSite site;
  site.plan.seed.reset();
  site.plan_bytes = proto::EncodeRoundPlan(site.plan).value();
  site.Approve(site.plan_bytes);
  site.OpenRound();
  HILUM_ASSERT_OK_AND_ASSIGN(const SignedUpdate first, site.Take());
  HILUM_ASSERT_OK_AND_ASSIGN(const SignedUpdate second, site.Take());
  EXPECT_EQ(WordsOf(first), WordsOf(second));  // rounding is random, so this is the stored one
}

TEST(TakePart, ALostCopyThatHasNotLeftIsMadeAgain) {
  RoundSite site;
  site.OpenRound();
  HILUM_ASSERT_OK_AND_ASSIGN(const SignedUpdate first, site.Take());
  fs::remove_all(site.folder.outbox());
  HILUM_ASSERT_OK_AND_ASSIGN(const SignedUpdate second, site.Take());
  EXPECT_EQ(WordsOf(first), WordsOf(second));  // a seeded job repeats its training
}

TEST(TakePart, ASecondUpdateIsNeverMadeOnceOneHasLeft) {
  RoundSite site;
  site.OpenRound();
  HILUM_ASSERT_OK(site.Take());
  RoundRecord record = site.Record();
  record.phase = "sent";
  record.sent_at_s = 1;
  HILUM_ASSERT_OK(site.state->PutRound(record));
  for (const auto& file : fs::directory_iterator(site.folder.outbox())) {
    std::string text = ReadText(file.path());
    text[100] ^= 1;
    WriteText(file.path(), text);
  }
  EXPECT_THAT(site.Take(), StatusIs(StatusCode::kDataLoss, "a second one is not sent"));
}

TEST(TakePart, TheSecondRoundFollowsTheFirst) {
  RoundSite site;
  site.OpenRound();
  HILUM_ASSERT_OK(site.Take());
  site.CloseRound();
  site.OpenRound();
  EXPECT_EQ(site.config.round, 2u);
  HILUM_ASSERT_OK(site.Take());
  EXPECT_EQ(site.n_fetched, 1) << "the model was on the site's disk";
  RoundNotice notice = site.Notice();
  notice.close_proof.clear();
  EXPECT_THAT(site.Take(notice), StatusIs(StatusCode::kDataLoss, ""));
  notice = site.Notice();
  notice.close_proof = notice.open_proof;
  EXPECT_THAT(site.Take(notice), StatusIs(StatusCode::kDataLoss, ""));
}

// A job whose sites keep their optimizer; its first round is taken and closed, its second is open.
void OpenSecondRound(RoundSite& site, bool keep) {
  site.plan.training.keep_optimizer = keep;
  site.plan_bytes = proto::EncodeRoundPlan(site.plan).value();
  site.Approve(site.plan_bytes);
  site.OpenRound();
  HILUM_EXPECT_OK(site.Take());
  site.CloseRound();
  site.OpenRound();
}

TEST(TakePart, AKeptOptimizerGoesOnFromTheRoundBefore) {
  RoundSite kept, fresh;
  OpenSecondRound(kept, true);
  OpenSecondRound(fresh, false);
  HILUM_ASSERT_OK_AND_ASSIGN(const SignedUpdate first, kept.Take());
  HILUM_ASSERT_OK_AND_ASSIGN(const SignedUpdate other, fresh.Take());
  EXPECT_NE(WordsOf(first), WordsOf(other));
  EXPECT_FALSE(fs::exists(fresh.folder.optimizer()));
  // After a crash the second round is trained from where the first one ended, not the second.
  fs::remove_all(kept.folder.outbox());
  HILUM_ASSERT_OK_AND_ASSIGN(const SignedUpdate again, kept.Take());
  EXPECT_EQ(WordsOf(first), WordsOf(again));
}

TEST(TakePart, ARevokedPatientLeavesNoTraceInTheOptimizer) {
  const auto second_round = [](bool keep) {
    RoundSite site;
    OpenSecondRound(site, keep);
    std::vector<ConsentRecord> consents = site.state->Consents().value();
    consents[0].consent.permits = false;
    HILUM_EXPECT_OK(site.state->PutConsent(consents[0]));
    return WordsOf(site.Take().value());
  };
  EXPECT_EQ(second_round(true), second_round(false));
}

TEST(TakePart, OldModelsDoNotPileUp) {
  RoundSite site(2);
  site.plan.rounds = 4;
  site.plan_bytes = proto::EncodeRoundPlan(site.plan).value();
  site.Approve(site.plan_bytes);
  for (int round = 1; round <= 4; ++round) {
    site.OpenRound();
    HILUM_ASSERT_OK(site.Take());
    site.base.back() ^= 1;  // another model comes out of each round
    site.CloseRound();
  }
  size_t n_files = 0;
  for (const auto& file : fs::directory_iterator(site.folder.models())) {
    n_files += file.is_regular_file() ? 1 : 0;
  }
  EXPECT_EQ(n_files, 2u);
}

TEST(TakePart, ADamagedModelOnDiskIsFetchedAgain) {
  RoundSite site;
  site.OpenRound();
  HILUM_ASSERT_OK(site.Take());
  site.CloseRound();
  site.OpenRound();
  for (const auto& file : fs::directory_iterator(site.folder.models())) {
    std::string text = ReadText(file.path());
    text.back() ^= 1;
    WriteText(file.path(), text);
  }
  HILUM_ASSERT_OK(site.Take());
  EXPECT_EQ(site.n_fetched, 2);
}

TEST(TakePart, AJobThatNobodyApprovedIsRefused) {
  RoundSite site;
  site.OpenRound();
  JobRecord job = site.state->Job(site.plan.job).value().value();
  job.answer = Answer::kPending;
  HILUM_ASSERT_OK(site.state->PutJob(job));
  EXPECT_THAT(site.Take(), StatusIs(StatusCode::kPermissionDenied, "is not approved"));
  EXPECT_EQ(site.n_steps, 0);
}

TEST(TakePart, AnApprovalIsForOnePlanAndItsExtensions) {
  RoundSite site;
  proto::RoundPlan approved = site.plan;
  approved.rounds = 1;
  site.Approve(proto::EncodeRoundPlan(approved).value());
  site.OpenRound();
  HILUM_ASSERT_OK(site.Take());  // two rounds where one was approved
  approved.rounds = 3;
  site.Approve(proto::EncodeRoundPlan(approved).value());
  EXPECT_THAT(site.Take(), StatusIs(StatusCode::kPermissionDenied, "is not the one"));
  approved = site.plan;
  approved.training.learning_rate = 0.5;
  site.Approve(proto::EncodeRoundPlan(approved).value());
  EXPECT_THAT(site.Take(), StatusIs(StatusCode::kPermissionDenied, "is not the one"));
}

TEST(TakePart, EachFloorOfTheSiteHolds) {
  struct Case {
    void (*tighten)(SiteOptions&);
    const char* reason;
  };
  const Case cases[] = {
      {[](SiteOptions& o) { o.allow_open = false; }, "open mode"},
      {[](SiteOptions& o) { o.min_cohort = 3; }, "min_cohort"},
      {[](SiteOptions& o) { o.max_clip_l2 = 1; }, "max_clip"},
      {[](SiteOptions& o) { o.max_weight = 10; }, "max_weight"},
      {[](SiteOptions& o) { o.architectures = {"covidnet-s"}; }, "architectures"},
  };
  RoundSite site;
  site.OpenRound();
  const SiteOptions loose = site.options;
  for (const Case& c : cases) {
    site.options = loose;
    c.tighten(site.options);
    EXPECT_THAT(site.Take(), StatusIs(StatusCode::kPermissionDenied, c.reason));
  }
  EXPECT_EQ(site.n_steps, 0);
  EXPECT_EQ(site.n_fetched, 0);
}

TEST(TakePart, TooFewFilmsAreRefused) {
  RoundSite site;
  site.OpenRound();
  site.options.min_films = 7;
  EXPECT_THAT(site.Take(),
              StatusIs(StatusCode::kFailedPrecondition, "its policy asks for at least 7"));
}

TEST(TakePart, PatientsWithoutConsentAreLeftOutAndCounted) {
  RoundSite site;
  site.OpenRound();
  HILUM_ASSERT_OK_AND_ASSIGN(std::vector<ConsentRecord> consents, site.state->Consents());
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<FilmRecord> films, site.state->Films());
  for (ConsentRecord& consent : consents) {
    if (consent.pid == films[0].pid) {
      consent.consent.permits = false;
      HILUM_ASSERT_OK(site.state->PutConsent(consent));
    }
    if (consent.pid == films[1].pid) {
      HILUM_ASSERT_OK(site.state->RemoveConsent(consent.file));
    }
  }
  HILUM_ASSERT_OK_AND_ASSIGN(const SignedUpdate update, site.Take());
  EXPECT_EQ(update.words()[site.config.n_params], 4u);
  EXPECT_EQ(site.Record().n_left_out, 2u);
  for (const ConsentRecord& consent : consents) {
    HILUM_ASSERT_OK(site.state->RemoveConsent(consent.file));
  }
  site.CloseRound();
  site.OpenRound();
  EXPECT_THAT(site.Take(), StatusIs(StatusCode::kFailedPrecondition, "6 patients lack consent"));
}

TEST(TakePart, PatientsBelowTheJobsAgeAreNotUsed) {
  RoundSite site;
  site.plan.model.min_age_years = 18;  // the films are of children
  site.plan_bytes = proto::EncodeRoundPlan(site.plan).value();
  site.Approve(site.plan_bytes);
  site.OpenRound();
  EXPECT_THAT(site.Take(),
              StatusIs(StatusCode::kFailedPrecondition, "6 are outside the age range"));
}

TEST(TakePart, AnotherModelThanTheLedgersIsDataLoss) {
  RoundSite site;
  site.OpenRound();
  site.base[site.base.size() - 3] ^= 1;
  EXPECT_THAT(site.Take(), StatusIs(StatusCode::kDataLoss, "the ledger says"));
  EXPECT_EQ(site.n_steps, 0);
}

TEST(TakePart, AnotherConfigurationThanTheLedgersIsDataLoss) {
  RoundSite site;
  site.OpenRound();
  RoundNotice notice = site.Notice();
  privacy::RoundConfig changed = site.config;
  changed.audit_days += 1;
  notice.config = privacy::EncodeRoundConfig(changed);
  EXPECT_THAT(site.Take(notice), StatusIs(StatusCode::kDataLoss, "not the one in the ledger"));
}

TEST(TakePart, AConfigurationThatContradictsThePlanIsDataLoss) {
  struct Case {
    void (*change)(privacy::RoundConfig&);
    const char* reason;
  };
  const Case cases[] = {
      {[](privacy::RoundConfig& c) { c.clip_l2 = 49; }, "another clip"},
      {[](privacy::RoundConfig& c) { c.max_weight = 999; }, "weight limit"},
      {[](privacy::RoundConfig& c) { c.plan[0] ^= 1; }, "another plan"},
      {[](privacy::RoundConfig& c) { c.n_extras = 4; }, "4 extra coordinates"},
      {[](privacy::RoundConfig& c) { c.mode = privacy::RoundMode::kMaskedMean; },
       "aggregation mode"},
      {[](privacy::RoundConfig& c) { c.federation_id[0] ^= 1; }, "another federation"},
  };
  for (const Case& c : cases) {
    RoundSite site(2);
    privacy::RoundConfig config = site.Config();
    c.change(config);
    site.OpenRoundWith(config);
    EXPECT_THAT(site.Take(), StatusIs(StatusCode::kDataLoss, c.reason));
  }
}

TEST(TakePart, ABrokenNoticeIsInvalid) {
  RoundSite site(2);
  site.OpenRound();
  RoundNotice notice = site.Notice();
  notice.config.pop_back();
  EXPECT_THAT(site.Take(notice), StatusIs(StatusCode::kInvalidArgument, ""));
  notice = site.Notice();
  notice.attempt = 256;
  EXPECT_THAT(site.Take(notice), StatusIs(StatusCode::kDataLoss, "attempt is above 255"));
  notice = site.Notice();
  notice.round = 7;
  EXPECT_THAT(site.Take(notice), StatusIs(StatusCode::kDataLoss, "of another round"));
}

TEST(TakePart, ASecondAttemptOfAnOpenRoundGetsNoSecondUpdate) {
  RoundSite site(2);
  site.OpenRound();
  HILUM_ASSERT_OK(site.Take());
  const int n_steps = site.n_steps;
  RoundNotice notice = site.Notice();
  notice.attempt = 1;
  EXPECT_THAT(site.Take(notice), StatusIs(StatusCode::kDataLoss, "one attempt only"));
  EXPECT_EQ(site.n_steps, n_steps);
}

TEST(TakePart, ARoundBeyondThePlansIsRefused) {
  RoundSite site(2);
  site.plan.rounds = 1;
  site.plan_bytes = proto::EncodeRoundPlan(site.plan).value();
  site.Approve(site.plan_bytes);
  site.OpenRound();
  HILUM_ASSERT_OK(site.Take());
  site.CloseRound();
  site.OpenRound();
  EXPECT_THAT(site.Take(), StatusIs(StatusCode::kPermissionDenied, "beyond the 1 rounds"));
}

TEST(TakePart, ARoundBeforeOneThatTheSiteTookPartInIsRefused) {
  RoundSite site(2);
  site.OpenRound();
  const RoundNotice first = site.Notice();  // the site is away
  site.CloseRound();
  site.OpenRound();
  HILUM_ASSERT_OK(site.Take());
  EXPECT_THAT(site.Take(first), StatusIs(StatusCode::kPermissionDenied, "comes after round 2"));
}

TEST(TakePart, ARosterWithoutThisSiteIsRefused) {
  RoundSite site(2);
  privacy::RoundConfig config = site.Config();
  config.roster[0].key = crypto::SigningKey::Generate().public_key();
  site.OpenRoundWith(config);
  EXPECT_THAT(site.Take(), StatusIs(StatusCode::kPermissionDenied, "this site's key"));
}

TEST(TakePart, AMembersKeyStaysTheFirstOneSeen) {
  RoundSite site(2);
  site.OpenRound();
  HILUM_ASSERT_OK(site.Take());
  site.CloseRound();
  privacy::RoundConfig config = site.Config();
  config.roster[1].key = crypto::SigningKey::Generate().public_key();
  site.OpenRoundWith(config);
  EXPECT_THAT(site.Take(), StatusIs(StatusCode::kPermissionDenied, "has pinned"));
}

TEST(TakePart, AChangedProofIsDataLoss) {
  RoundSite site(2);
  site.OpenRound();
  RoundNotice notice = site.Notice();
  for (const size_t at : {notice.open_proof.size() / 3, notice.open_proof.size() - 10}) {
    notice = site.Notice();
    notice.open_proof[at] = notice.open_proof[at] == 'A' ? 'B' : 'A';
    EXPECT_THAT(site.Take(notice), StatusIs(StatusCode::kDataLoss, ""));
  }
  EXPECT_EQ(site.n_steps, 0);
}

TEST(TakePart, AShorterLedgerThanTheAcceptedOneIsDataLoss) {
  RoundSite site(2);
  site.OpenRound();
  HILUM_ASSERT_OK(site.Take());
  const size_t size = site.federation.texts.size();
  site.CloseRound();
  site.OpenRound();
  HILUM_ASSERT_OK(site.Take());
  // Round 1's proofs again, as a server that was set back would show them.
  RoundNotice notice = site.Notice();
  notice.open_proof = site.Proof(site.open_index - 2, size);
  notice.close_proof.clear();
  notice.round = 1;
  EXPECT_FALSE(site.Take(notice).ok());
  HILUM_ASSERT_OK_AND_ASSIGN(const LedgerGate gate, LedgerGate::Open(site.folder.ledger(), {}));
  EXPECT_EQ(gate.accepted_size(), site.federation.texts.size());
}

TEST(TakePart, StopsWhenItIsCancelled) {
  RoundSite site;
  site.OpenRound();
  site.cancel = true;
  EXPECT_THAT(site.Take(), StatusIs(StatusCode::kCancelled, ""));
  EXPECT_EQ(site.Record().n_bytes, 0u);
}

TEST(TakePart, ADamagedImageStopsTheRound) {
  RoundSite site;
  site.OpenRound();
  for (const auto& file : fs::recursive_directory_iterator(site.folder.cache())) {
    if (!file.is_regular_file()) continue;
    std::string text = ReadText(file.path());
    text.back() ^= 1;
    WriteText(file.path(), text);
  }
  EXPECT_THAT(site.Take(), StatusIs(StatusCode::kDataLoss, "is damaged"));
}

TEST(TakePart, WhatAReasonSaysOfFilmsIsNotForTheServer) {
  RoundSite site;
  site.OpenRound();
  site.options.min_films = 7;
  std::vector<std::string> reasons = {std::string(site.Take().status().message())};
  HILUM_ASSERT_OK_AND_ASSIGN(std::vector<FilmRecord> films, site.state->Films());
  films[0].profile_digest[0] ^= 1;
  HILUM_ASSERT_OK(site.state->PutFilm(films[0]));
  reasons.emplace_back(site.Take().status().message());
  EXPECT_NE(reasons.back().find(films[0].file.path), std::string::npos);
  films[0].profile_digest[0] ^= 1;
  HILUM_ASSERT_OK(site.state->PutFilm(films[0]));
  site.options.min_films = 1;
  fs::remove_all(site.folder.cache());
  reasons.emplace_back(site.Take().status().message());
  EXPECT_NE(reasons.back().find(films[0].sop), std::string::npos);
  reasons.push_back("cannot write " + site.folder.outbox().string() + "/x");
  for (const std::string& reason : reasons) {
    EXPECT_EQ(ReasonForServer(reason, site.folder),
              "films or files of the site itself do not permit it; its own status says why")
        << reason;
  }
  const std::string of_the_round = "the round's roster does not hold this site's key.";
  EXPECT_EQ(ReasonForServer(of_the_round, site.folder), of_the_round);
}

TEST(CheckPlan, RefusesAnotherNetworkOrProfile) {
  SiteOptions options;
  options.allow_open = true;
  proto::RoundPlan plan = SmallPlan("job");
  plan.spec.tensors[0].name += "x";
  EXPECT_THAT(CheckPlan(proto::EncodeRoundPlan(plan).value(), options),
              StatusIs(StatusCode::kInvalidArgument, "another layout"));
  EXPECT_THAT(CheckPlan("{}", options), StatusIs(StatusCode::kInvalidArgument, ""));
}

TEST(LedgerGate, PinsNeverChange) {
  const fs::path folder = NewFolder("pins") / "ledger";
  const ledger_anchor::Federation federation;
  const std::string policy = ledger_anchor::MakePolicyWithoutWitnesses(federation.LogVkey());
  const crypto::PublicKey key = federation.ServerKey().public_key();
  EXPECT_THAT(LedgerGate::Open(folder, {}), StatusIs(StatusCode::kNotFound, ""));
  HILUM_ASSERT_OK(LedgerGate::Pin(folder, policy, key));
  EXPECT_THAT(LedgerGate::Pin(folder, policy, key),
              StatusIs(StatusCode::kAlreadyExists, "never change"));
  HILUM_ASSERT_OK_AND_ASSIGN(const LedgerGate gate, LedgerGate::Open(folder, {}));
  EXPECT_EQ(gate.origin(), ledger_anchor::Federation::kOrigin);
  WriteText(folder / "checkpoint", "something else\n");
  EXPECT_THAT(LedgerGate::Open(folder, {}), StatusIs(StatusCode::kDataLoss, ""));
}

}  // namespace
}  // namespace hilum::client

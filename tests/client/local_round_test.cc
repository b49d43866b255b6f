// Rounds of a site that keeps layers, is killed while it trains, or has little time.
#include "client/ledger_gate.h"
#include "client/local_layers.h"
#include "client/network.h"
#include "client/participate.h"
#include "models/architecture.h"
#include "privacy/round_config.h"
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

// The job as `change` makes it, approved anew.
void Change(RoundSite& site, void (*change)(proto::RoundPlan&)) {
  change(site.plan);
  site.plan.spec = *models::SpecOf(*ArchitectureOf(site.plan.model));
  site.plan_bytes = proto::EncodeRoundPlan(site.plan).value();
  site.base = VersionZero(site.plan);
  site.Approve(site.plan_bytes);
}

void KeepNorms(proto::RoundPlan& plan) { plan.model.norm = "batch_local"; }
void FiveEpochs(proto::RoundPlan& plan) { plan.training.local_epochs = 5; }

void NextRound(RoundSite& site) {
  site.CloseRound();
  site.OpenRound();
}

fs::path LayersOf(const RoundSite& site, int round) {
  return site.folder.local() / site.plan.job / (std::to_string(round) + ".layers");
}

TEST(LocalLayersInARound, StayAtTheSiteAndGoOnFromTheRoundBefore) {
  RoundSite site;
  Change(site, KeepNorms);
  site.OpenRound();
  HILUM_ASSERT_OK_AND_ASSIGN(const SignedUpdate first, site.Take());
  EXPECT_EQ(static_cast<int64_t>(first.words().size()), site.plan.spec.n_params() + 3);
  for (const TensorSpec& tensor : site.plan.spec.tensors) {
    EXPECT_EQ(tensor.name.find(".norm."), std::string::npos) << tensor.name;
  }
  EXPECT_TRUE(fs::exists(LayersOf(site, 1)));
  NextRound(site);
  HILUM_ASSERT_OK_AND_ASSIGN(const SignedUpdate second, site.Take());
  EXPECT_NE(WordsOf(first), WordsOf(second));
  // After a crash the second round is trained from where the first one ended, not the second.
  fs::remove_all(site.folder.outbox());
  HILUM_ASSERT_OK_AND_ASSIGN(const SignedUpdate again, site.Take());
  EXPECT_EQ(WordsOf(second), WordsOf(again));
  // Without the layers of the first round it is another one.
  fs::remove_all(site.folder.outbox());
  fs::remove_all(site.folder.local());
  HILUM_ASSERT_OK_AND_ASSIGN(const SignedUpdate afresh, site.Take());
  EXPECT_NE(WordsOf(second), WordsOf(afresh));
}

TEST(LocalLayersInARound, AWrongFileIsRefusedOnce) {
  RoundSite site;
  Change(site, KeepNorms);
  site.OpenRound();
  HILUM_ASSERT_OK(site.Take());
  NextRound(site);
  std::string text = ReadText(LayersOf(site, 1));
  text[100] ^= 1;
  WriteText(LayersOf(site, 1), text);
  const int n_steps = site.n_steps;
  EXPECT_THAT(site.Take(),
              StatusIs(StatusCode::kDataLoss, "that stay at this site cannot be used"));
  EXPECT_EQ(site.n_steps, n_steps) << "nothing was trained";
  HILUM_EXPECT_OK(site.Take());
}

TEST(LocalLayersInARound, AModelByItselfIsNotWhole) {
  RoundSite site;
  Change(site, KeepNorms);
  site.OpenRound();
  HILUM_ASSERT_OK(site.Take());
  NextRound(site);
  HILUM_ASSERT_OK_AND_ASSIGN(LedgerGate gate, LedgerGate::Open(site.folder.ledger(), {}));
  const RoundNotice notice = site.Notice();
  HILUM_ASSERT_OK_AND_ASSIGN(
      const ProvenRound proven,
      gate.CheckRound(
          {.job = notice.job,
           .round = notice.round,
           .open_proof = notice.open_proof,
           .close_proof = notice.close_proof,
           .now_s = 1767000500},
          [&](uint64_t old_size, uint64_t new_size) -> absl::StatusOr<ledger_anchor::HashList> {
            return site.Consistency(old_size, new_size);
          }));
  HILUM_ASSERT_OK_AND_ASSIGN(const VerifiedModel model,
                             LedgerGate::AdmitBase(proven, site.base, site.plan));
  EXPECT_THAT(LoadNetwork(model).status(),
              StatusIs(StatusCode::kFailedPrecondition, "by itself it is not whole"));
  EXPECT_THAT(LayersFor(model, "").status(),
              StatusIs(StatusCode::kFailedPrecondition, "name a site's folder with --site"));
  fs::create_directories(site.folder.pseudonym_secret().parent_path());
  HILUM_ASSERT_OK(WriteFileDurably(site.folder.pseudonym_secret(),
                                   AsBytes(ToHex(TestSecret().bytes) + "\n"), FileMode::kPrivate));
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<float> layers, LayersFor(model, site.folder.root));
  HILUM_EXPECT_OK(LoadNetwork(model, layers).status());
  fs::remove_all(site.folder.local());
  EXPECT_THAT(LayersFor(model, site.folder.root).status(),
              StatusIs(StatusCode::kFailedPrecondition, "holds none of round 1 or before"));
}

TEST(ARoundThatWasKilled, GoesOnFromItsCheckpointWithTheSameBits) {
  RoundSite killed, undisturbed;
  for (RoundSite* site : {&killed, &undisturbed}) {
    Change(*site, FiveEpochs);  // five steps: all films fit into one batch
    site->options.checkpoint_steps = 1;
    site->OpenRound();
  }
  HILUM_ASSERT_OK_AND_ASSIGN(const SignedUpdate whole, undisturbed.Take());
  killed.cancel_at = 3;
  EXPECT_THAT(killed.Take(), StatusIs(StatusCode::kCancelled, ""));
  EXPECT_TRUE(fs::exists(killed.folder.training() / killed.plan.job / "checkpoint"));
  killed.cancel = false;
  killed.ReopenState();
  HILUM_ASSERT_OK_AND_ASSIGN(const SignedUpdate rest, killed.Take());
  EXPECT_EQ(WordsOf(rest), WordsOf(whole));
  EXPECT_EQ(killed.n_steps, 5) << "three before the kill, two after it";
  EXPECT_FALSE(fs::exists(killed.folder.training() / killed.plan.job));
}

TEST(ARoundThatWasKilled, DoesNotGoOnWithAPatientWhoHasWithdrawn) {
  RoundSite site;
  Change(site, FiveEpochs);
  site.options.checkpoint_steps = 1;
  site.OpenRound();
  site.cancel_at = 3;
  EXPECT_THAT(site.Take(), StatusIs(StatusCode::kCancelled, ""));
  site.cancel = false;
  std::vector<ConsentRecord> consents = site.state->Consents().value();
  consents[0].consent.permits = false;
  HILUM_ASSERT_OK(site.state->PutConsent(consents[0]));
  HILUM_ASSERT_OK(site.Take());
  EXPECT_EQ(site.n_steps, 3 + 5) << "it began again";
}

TEST(ARoundThatWasKilled, DoesNotGoOnWithALabelThatWasWrong) {
  RoundSite site;
  Change(site, FiveEpochs);
  site.options.checkpoint_steps = 1;
  site.OpenRound();
  site.cancel_at = 3;
  EXPECT_THAT(site.Take(), StatusIs(StatusCode::kCancelled, ""));
  site.cancel = false;
  std::vector<FilmRecord> films = site.state->Films().value();
  films[0].label = films[0].label == "normal" ? "pneumonia" : "normal";
  HILUM_ASSERT_OK(site.state->PutFilm(films[0]));
  HILUM_ASSERT_OK(site.Take());
  EXPECT_EQ(site.n_steps, 3 + 5) << "it began again";
}

TEST(ARoundThatWasKilled, LeavesNothingOfJobsThatAreOver) {
  RoundSite site;
  fs::create_directories(site.folder.training() / "another-job");
  site.OpenRound();
  HILUM_ASSERT_OK(site.Take());
  EXPECT_FALSE(fs::exists(site.folder.training() / "another-job"));
}

void AMillionSteps(proto::RoundPlan& plan) {
  plan.training.optimizer = "sgd";
  plan.training.learning_rate = 1e-4;
  plan.training.momentum = 0;
  plan.training.local_steps = 1'000'000;
  plan.training.time_limit_s = 1;
}

void StretchedToAMillionSteps(proto::RoundPlan& plan) {
  AMillionSteps(plan);
  plan.strategy.name = "fednova";
}

// However fast the computer is, it takes between 1 and 10,000 of these steps in a second.
TEST(ASlowSite, SendsWhatItHasWhenItsTimeIsOver) {
  RoundSite slow, stretched;
  Change(slow, AMillionSteps);
  Change(stretched, StretchedToAMillionSteps);
  for (RoundSite* site : {&slow, &stretched}) {
    site->OpenRound();
    HILUM_ASSERT_OK(site->Take());
    EXPECT_GE(site->n_steps, 1);
    EXPECT_LT(site->n_steps, 1'000'000);
    EXPECT_GE(site->percent, 90u) << "the server hears of time, not of steps";
    EXPECT_GT(site->Record().update_norm, 0);
  }
  EXPECT_GT(stretched.Record().update_norm, 100 * slow.Record().update_norm);
}

void FourSteps(proto::RoundPlan& plan) { plan.training.local_steps = 4; }
void FourStepsOfFedNova(proto::RoundPlan& plan) {
  FourSteps(plan);
  plan.strategy.name = "fednova";
}

TEST(FedNova, IsFedAvgWhereAllStepsAreTaken) {
  RoundSite average, nova;
  Change(average, FourSteps);
  Change(nova, FourStepsOfFedNova);
  average.OpenRound();
  nova.OpenRound();
  HILUM_ASSERT_OK_AND_ASSIGN(const SignedUpdate of_average, average.Take());
  HILUM_ASSERT_OK_AND_ASSIGN(const SignedUpdate of_nova, nova.Take());
  EXPECT_EQ(average.n_steps, 4) << "whatever the number of films";
  EXPECT_EQ(WordsOf(of_average), WordsOf(of_nova));
}

}  // namespace
}  // namespace hilum::client

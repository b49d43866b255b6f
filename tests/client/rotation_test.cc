// Entry keys that change in the middle of a job, and what passes for one that did not.
#include "client/rotation.h"

#include <gtest/gtest.h>

#include "aggregator/membership.h"
#include "tests/client/films.h"
#include "tests/client/ledger_view.h"
#include "tests/client/round_site.h"
#include "tests/client/two_hospitals.h"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

using absl::StatusCode;
using ledger_anchor::ConsentBatch;
using ledger_anchor::Entry;
using ledger_anchor::Federation;
using ledger_anchor::KeyRotate;

constexpr int64_t kNow = 1767000500;

// hospital-a looks at a rotation of hospital-b.
class FollowedRotations : public ::testing::Test {
 protected:
  absl::Status Check(const crypto::PublicKey& shown) {
    HILUM_ASSIGN_OR_RETURN(LedgerGate gate, LedgerGate::Open(site_.folder.ledger(), {}));
    return CheckRotated(
        gate, {.member = kB, .pinned = Old().public_key(), .shown = shown, .now_s = kNow},
        [this](uint64_t old_size, uint64_t new_size) -> absl::StatusOr<ledger_anchor::HashList> {
          return site_.Consistency(old_size, new_size);
        },
        Fetcher());
  }
  // What a server answers: the proofs of `rotations_`, in order.
  FetchRotation Fetcher() {
    return [this](const std::string&, uint64_t nth) -> absl::StatusOr<std::string> {
      if (nth > rotations_.size()) return absl::NotFoundError("no such key-rotate");
      return site_.Proof(rotations_[nth - 1]);
    };
  }
  // The log of an honest server takes it.
  void Rotate(const crypto::SigningKey& now, const crypto::SigningKey& next) {
    rotations_.push_back(site_.federation.texts.size());
    site_.federation.AddText(
        site_.federation.SignAs(site_.federation.RotateDraft(kB, now, next), kB, now));
  }
  // A lying server logs what no admission would take.
  void Lie(const std::string& text) {
    rotations_.push_back(site_.federation.texts.size());
    site_.federation.texts.push_back(text);
  }
  crypto::SigningKey Old() const { return site_.federation.SiteKey(kB); }
  static crypto::SigningKey Key(uint8_t seed) { return crypto::SigningKey::FromSeed({seed}); }

  const std::string kB = "hospital-b";
  RoundSite site_{1};
  std::vector<size_t> rotations_;
};

TEST_F(FollowedRotations, LeadFromThePinnedKeyToTheOneShown) {
  Rotate(Old(), Key(91));
  HILUM_EXPECT_OK(Check(Key(91).public_key()));
  EXPECT_THAT(Check(Key(92).public_key()),
              StatusIs(StatusCode::kPermissionDenied, "no key-rotate"));
}

TEST_F(FollowedRotations, AreFollowedOneAfterTheOther) {
  Rotate(Old(), Key(91));
  // The first one counts after a completed round a day later; then the next.
  for (const uint64_t t : {uint64_t{1767000000}, uint64_t{1767000000} + 86'400}) {
    Entry open = site_.federation.OpenDraft();
    open.t = t;
    site_.federation.Add(open);
    Entry close = site_.federation.CloseDraft();
    close.t = t;
    site_.federation.Add(close);
  }
  Rotate(Key(91), Key(92));
  HILUM_EXPECT_OK(Check(Key(92).public_key()));
  HILUM_EXPECT_OK(Check(Key(91).public_key()));
}

TEST_F(FollowedRotations, AForgedOneIsRefused) {
  // A server that has no key of hospital-b signs for it.
  const Entry draft = site_.federation.RotateDraft(kB, Old(), Key(93));
  Lie(site_.federation.SignAs(draft, kB, Key(93)));
  EXPECT_THAT(Check(Key(93).public_key()), StatusIs(StatusCode::kDataLoss, "key"));
  // With the signature of the next key taken from another rotation.
  rotations_.clear();
  Entry other = site_.federation.RotateDraft(kB, Old(), Key(93));
  std::get<KeyRotate>(other.body).new_sig =
      std::get<KeyRotate>(site_.federation.RotateDraft(kB, Old(), Key(94)).body).new_sig;
  Lie(site_.federation.SignAs(other, kB, Old()));
  EXPECT_THAT(Check(Key(93).public_key()),
              StatusIs(StatusCode::kDataLoss, "not signed by its new key"));
}

TEST_F(FollowedRotations, AnothersRotationIsNotTheMembers) {
  const std::string a = "hospital-a";
  rotations_.push_back(site_.federation.texts.size());
  site_.federation.AddText(site_.federation.SignAs(
      site_.federation.RotateDraft(a, site_.federation.SiteKey(a), Key(91)), a));
  EXPECT_THAT(Check(Key(91).public_key()),
              StatusIs(StatusCode::kPermissionDenied, "no key-rotate"));
}

TEST_F(FollowedRotations, AProofOfAnotherLogIsRefused) {
  Rotate(Old(), Key(91));
  std::string proof = site_.Proof(rotations_[0]);
  const size_t at = proof.find("\nindex ");
  ASSERT_NE(at, std::string::npos);
  proof[at + 7] = proof[at + 7] == '3' ? '2' : '3';
  HILUM_ASSERT_OK_AND_ASSIGN(LedgerGate gate, LedgerGate::Open(site_.folder.ledger(), {}));
  EXPECT_THAT(
      CheckRotated(
          gate,
          {.member = kB,
           .pinned = Old().public_key(),
           .shown = Key(91).public_key(),
           .now_s = kNow},
          [](uint64_t, uint64_t) -> absl::StatusOr<ledger_anchor::HashList> {
            return ledger_anchor::HashList{};
          },
          [&](const std::string&, uint64_t) -> absl::StatusOr<std::string> { return proof; }),
      StatusIs(StatusCode::kDataLoss, ""));
}

// The roster of the second round has another key of hospital-b than the first one.
TEST_F(FollowedRotations, ARoundWithAnUnprovenKeyIsRefused) {
  site_.OpenRound();
  HILUM_ASSERT_OK(site_.Take());
  site_.CloseRound();
  privacy::RoundConfig config = site_.Config();
  config.roster[1].key = Key(91).public_key();
  Rotate(Old(), Key(91));
  site_.OpenRoundWith(config);
  EXPECT_THAT(site_.Take(), StatusIs(StatusCode::kPermissionDenied, "not the one that this site"));
  site_.fetch_rotation = Fetcher();
  HILUM_EXPECT_OK(site_.Take());
  const auto pinned = site_.state->Value("member/hospital-b");
  EXPECT_EQ(pinned.value(), crypto::ToBase64(Key(91).public_key()));
}

TEST(ChangeOver, HappensWithTheRosterThatHoldsTheNextKeyAndKeepsTheOldOne) {
  const SiteFolder folder{NewFolder("change-over")};
  fs::create_directories(folder.entry_key().parent_path());
  const auto now = crypto::SigningKey::Generate(), next = crypto::SigningKey::Generate();
  HILUM_ASSERT_OK(now.Save(folder.entry_key()));
  EXPECT_FALSE(ChangeOver(folder, {now.public_key()})->has_value());  // no next key at all
  HILUM_ASSERT_OK(next.Save(folder.next_entry_key()));
  EXPECT_FALSE(ChangeOver(folder, {now.public_key()})->has_value());
  EXPECT_EQ(OpenEntryKey(folder)->public_key(), now.public_key());
  HILUM_ASSERT_OK_AND_ASSIGN(const auto changed, ChangeOver(folder, {next.public_key()}));
  ASSERT_TRUE(changed.has_value());
  EXPECT_EQ(changed->public_key(), next.public_key());
  EXPECT_EQ(crypto::SigningKey::Load(folder.entry_key())->public_key(), next.public_key());
  EXPECT_FALSE(fs::exists(folder.next_entry_key()));
  EXPECT_EQ(OwnKeys(folder)->size(), 2u);  // old receipts name the retired one
}

TEST(ChangeOver, IsFinishedAfterACrashInItsMiddle) {
  const SiteFolder folder{NewFolder("change-over")};
  fs::create_directories(folder.entry_key().parent_path());
  const auto next = crypto::SigningKey::Generate();
  HILUM_ASSERT_OK(next.Save(folder.next_entry_key()));
  // No key of now, and no sign of a change: somebody has deleted it.
  EXPECT_THAT(OpenEntryKey(folder), StatusIs(StatusCode::kNotFound, ""));
  HILUM_ASSERT_OK(crypto::SigningKey::Generate().Save(folder.entry_key().parent_path() /
                                                      "entry.retired-00000000.key"));
  EXPECT_EQ(OpenEntryKey(folder)->public_key(), next.public_key());
  EXPECT_TRUE(fs::exists(folder.entry_key()));
}

// Real agents and a real server, whose clock is half a day behind at first and half a day ahead
// later: sites accept a day, a rotation waits for one.
class RotationTest : public ::testing::Test, public TwoHospitals {
 protected:
  static constexpr int64_t kHalfDayS = 43'200;
  RotationTest() : TwoHospitals(-kHalfDayS) {}

  void RunRounds(uint64_t n) {
    if (n > 1) {
      HILUM_ASSERT_OK(server_.server().Resume(JobId{kJob}, n).status());
    }
    ASSERT_TRUE(WaitUntil([&] { return Finished(n); })) << server_.Job(kJob).message;
    const auto history = server_.Job(kJob).history;
    ASSERT_EQ(history.size(), n);
    EXPECT_EQ(history.back().status, "ok") << history.back().reason;
    EXPECT_EQ(history.back().cohort.size(), 2u) << "round " << n;
  }
  void StartJob() {
    StartAgents();
    proto::RoundPlan plan = SmallPlan(kJob);
    plan.rounds = 1;
    plan.training.schedule_rounds = 5;
    server_.Launch(plan, VersionZero(plan));
    Approve();
  }
  // A patient of hospital-a withdraws.
  void Revoke() {
    State& state = *sites_["hospital-a"].state;
    HILUM_ASSERT_OK_AND_ASSIGN(std::vector<ConsentRecord> consents, state.Consents());
    HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<FilmRecord> films, state.Films());
    for (ConsentRecord& consent : consents) {
      if (consent.pid != films[0].pid) continue;
      consent.consent.permits = false;
      consent.consent.reason = "status inactive";
      HILUM_ASSERT_OK(state.PutConsent(consent));
    }
  }
  crypto::PublicKey KeyOnDisk() {
    return crypto::SigningKey::Load(sites_["hospital-a"].folder.entry_key())->public_key();
  }
};

TEST_F(RotationTest, ASiteRotatesItsKeyInTheMiddleOfAJob) {
  StartJob();
  RunRounds(1);
  Site& site = sites_["hospital-a"];
  const crypto::PublicKey old_key = KeyOnDisk();
  HILUM_ASSERT_OK_AND_ASSIGN(
      const RotationReport report,
      RotateKey(site.folder, site.options, *site.state, SystemClock().NowSeconds()));
  EXPECT_EQ(report.old_key, crypto::ToBase64(old_key));
  // Said again: the same entry.
  EXPECT_EQ(RotateKey(site.folder, site.options, *site.state, SystemClock().NowSeconds())->index,
            report.index);
  RunRounds(2);  // the aggregator's first entries behind it
  EXPECT_EQ(KeyOnDisk(), old_key);
  // The day has passed by the site's own word only: an entry's t hurries nothing
  // (admit_sites_test).
  server_.clock.ahead_s = kHalfDayS + 120;
  RunRounds(3);  // opens with the old key; its close is a day later
  const crypto::PublicKey next = crypto::PublicKeyFromBase64(report.new_key).value();
  EXPECT_EQ(ReadLedger(server_).state.members().Find("hospital-a")->entry_key, next);
  // A revocation does not wait for a round: it is logged under the key that counts now.
  const size_t n_batches = EntriesOf<ConsentBatch>(ReadLedger(server_), "hospital-a").size();
  Revoke();
  ASSERT_TRUE(WaitUntil([&] {
    return EntriesOf<ConsentBatch>(ReadLedger(server_), "hospital-a").size() > n_batches;
  }));
  const ledger_anchor::LogView view = ReadLedger(server_);
  EXPECT_EQ(EntriesOf<ConsentBatch>(view, "hospital-a").back()->entry.key, crypto::KeyDigest(next));
  RunRounds(4);
  EXPECT_EQ(KeyOnDisk(), next);
  EXPECT_EQ(OwnKeys(site.folder)->size(), 2u);
  // hospital-b has followed, by the ledger's proof.
  EXPECT_EQ(sites_["hospital-b"].state->Value("member/hospital-a").value(), report.new_key);
  // What was logged under the old key is still shown to whom it concerns.
  EXPECT_EQ(EntriesOf<ledger_anchor::TrainManifest>(ReadLedger(server_), "hospital-a").size(), 4u);
}

TEST_F(RotationTest, WhoLostAKeyLeavesAndJoinsUnderANewName) {
  StartJob();
  RunRounds(1);
  // The disk with hospital-a's key is gone; the operator removes the member.
  sites_["hospital-a"].agent.reset();
  const auto state = aggregator::State::Open(server_.folder() / "state.sqlite");
  HILUM_ASSERT_OK(state.status());
  HILUM_ASSERT_OK((*state)->RequestRemoval(SiteId{"hospital-a"}));
  sites_.erase("hospital-a");
  AddSite("hospital-a2", "hospital-a");
  Site& fresh = sites_["hospital-a2"];
  fresh.agent = std::make_unique<TestAgent>(fresh.folder, fresh.options);
  HILUM_ASSERT_OK(server_.server().Resume(JobId{kJob}, 2).status());
  ASSERT_TRUE(WaitUntil(
      [&] { return AnswerJob(*fresh.state, fresh.options, {.job = kJob, .approve = true}).ok(); }));
  ASSERT_TRUE(WaitUntil([&] { return Finished(2); })) << server_.Job(kJob).message;
  const ledger_anchor::LogView view = ReadLedger(server_);
  EXPECT_TRUE(view.state.members().Find("hospital-a")->left_index.has_value());
  const auto opens = EntriesOf<ledger_anchor::RoundOpen>(view);
  EXPECT_EQ(std::get<ledger_anchor::RoundOpen>(opens.back()->entry.body).cohort.items,
            (std::vector<std::string>{"hospital-a2", "hospital-b"}));
  EXPECT_EQ(EntriesOf<ledger_anchor::TrainManifest>(view, "hospital-a2").size(), 1u);
  const auto identity = aggregator::ReadIdentity(server_.folder());
  EXPECT_THAT(aggregator::Invite(*identity, **state, SiteId{"hospital-a"},
                                 SystemClock().NowSeconds(), 3600),
              StatusIs(StatusCode::kAlreadyExists, "under a new name"));
}

}  // namespace
}  // namespace hilum::client

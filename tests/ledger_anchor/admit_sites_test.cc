// What sites log for themselves: consents, manifests, evaluations, their next keys.
#include <gtest/gtest.h>

#include <functional>

#include "ledger_anchor/admit.h"
#include "tests/ledger_anchor/federation.h"
#include "tests/status_matchers.h"

namespace hilum::ledger_anchor {
namespace {

using absl::StatusCode;

class SiteEntries : public ::testing::Test {
 protected:
  void SetUp() override { federation_.Start(); }
  absl::Status RefusalOf(const std::string& text) {
    Admission state = federation_.state;
    return state
        .Admit(text, Trust::kVerify,
               [this](uint64_t size) -> absl::StatusOr<Digest> { return federation_.RootAt(size); })
        .status();
  }
  absl::Status Refusal(const Entry& entry, const std::string& by) {
    return RefusalOf(federation_.SignAs(entry, by));
  }
  void AddAs(const Entry& entry, const std::string& by) {
    federation_.AddText(federation_.SignAs(entry, by));
  }
  // A completed round whose close says `t`.
  void CompleteRound(uint64_t t) {
    Entry open = federation_.OpenDraft();
    open.t = t;
    federation_.Add(open);
    Entry close = federation_.CloseDraft();
    close.t = t;
    federation_.Add(close);
  }
  absl::Status ServerRefusal(const Entry& entry) { return RefusalOf(federation_.Sign(entry)); }
  crypto::SigningKey Next() const { return crypto::SigningKey::FromSeed({91}); }
  Entry Rotate() const { return federation_.RotateDraft(kA, federation_.SiteKey(kA), Next()); }

  static constexpr const char* kA = "hospital-a";
  static constexpr const char* kB = "hospital-b";
  Federation federation_;
};

TEST_F(SiteEntries, AreSignedByTheSiteThatTheySpeakFor) {
  HILUM_EXPECT_OK(Refusal(federation_.BatchDraft(kA, "1"), kA));
  EXPECT_THAT(Refusal(federation_.BatchDraft(kA, "1"), kB),
              StatusIs(StatusCode::kDataLoss, "may not sign"));
  EXPECT_THAT(ServerRefusal(federation_.BatchDraft(kA, "1")),
              StatusIs(StatusCode::kDataLoss, "may not sign"));
  Entry own = federation_.BatchDraft("server", "1");
  EXPECT_THAT(ServerRefusal(own), StatusIs(StatusCode::kDataLoss, "role aggregator"));
  // hospital-a's name under hospital-b's key, and under a stranger's.
  for (const char* other : {kB, "stranger"}) {
    EXPECT_THAT(RefusalOf(federation_.SignAs(federation_.BatchDraft(kA, "1"), kA,
                                             federation_.SiteKey(other))),
                StatusIs(StatusCode::kDataLoss, "not hospital-a's"));
  }
  EXPECT_THAT(Refusal(federation_.BatchDraft("stranger", "1"), "stranger"),
              StatusIs(StatusCode::kDataLoss, "no member"));
  const std::string foreign = SignEntry(
                                  [&] {
                                    Entry entry = federation_.BatchDraft(kA, "1");
                                    entry.by = kA;
                                    return entry;
                                  }(),
                                  "other.example/ledger", federation_.SiteKey(kA))
                                  .value();
  EXPECT_THAT(RefusalOf(foreign), StatusIs(StatusCode::kDataLoss, "signature"));
}

TEST_F(SiteEntries, AreOfSitesOnly) {
  federation_.Add(federation_.JoinDraft("auditor-a", "auditor"));
  EXPECT_THAT(Refusal(federation_.BatchDraft("auditor-a", "1"), "auditor-a"),
              StatusIs(StatusCode::kDataLoss, "role auditor; only a site"));
  federation_.AddRound();
  EXPECT_THAT(Refusal(federation_.EvaluationDraft("auditor-a", 1), "auditor-a"),
              StatusIs(StatusCode::kDataLoss, "only a site"));
}

TEST_F(SiteEntries, EndWithTheLeave) {
  Entry leave = federation_.Draft(Leave{kA, "withdrawn", 0});
  leave.study = Federation::kStudy;
  AddAs(leave, kA);
  EXPECT_THAT(Refusal(federation_.BatchDraft(kA, "1"), kA),
              StatusIs(StatusCode::kDataLoss, "has left"));
  Entry other = federation_.BatchDraft(kA, "1");
  other.study = "ct-2";
  HILUM_EXPECT_OK(Refusal(other, kA));
}

TEST_F(SiteEntries, ABatchIsLoggedOnce) {
  AddAs(federation_.BatchDraft(kA, "1"), kA);
  Entry again = federation_.BatchDraft(kA, "1");  // another time, so other bytes
  EXPECT_THAT(Refusal(again, kA), StatusIs(StatusCode::kDataLoss, "batch at entry 3"));
  // Nobody passes another's commitments off as his own either.
  EXPECT_THAT(Refusal(federation_.BatchDraft(kB, "1"), kB),
              StatusIs(StatusCode::kDataLoss, "batch at entry 3"));
  HILUM_EXPECT_OK(Refusal(federation_.BatchDraft(kA, "2"), kA));
}

TEST_F(SiteEntries, AManifestIsOfTheOpenRoundAndOnce) {
  const auto changed = [&](const std::function<void(TrainManifest&)>& change) {
    Entry entry = federation_.ManifestDraft(kA);
    change(std::get<TrainManifest>(entry.body));
    return Refusal(entry, std::get<TrainManifest>(entry.body).site);
  };
  federation_.Add(federation_.OpenDraft());
  const Entry early = federation_.ManifestDraft(kA);
  HILUM_EXPECT_OK(Refusal(early, kA));
  EXPECT_THAT(changed([](TrainManifest& m) { m.round = 2; }),
              StatusIs(StatusCode::kDataLoss, "round 2, which is not open"));
  EXPECT_THAT(changed([](TrainManifest& m) { m.open = H("x"); }),
              StatusIs(StatusCode::kDataLoss, "names open"));
  federation_.AddText(federation_.SignAs(early, kA));
  EXPECT_THAT(changed([](TrainManifest& m) { m.manifest_root = H("more films"); }),
              StatusIs(StatusCode::kDataLoss, "second one of hospital-a"));
  HILUM_EXPECT_OK(Refusal(federation_.ManifestDraft(kB), kB));
  const Entry late = federation_.ManifestDraft(kB);
  federation_.Add(federation_.CloseDraft());
  EXPECT_THAT(Refusal(late, kB), StatusIs(StatusCode::kDataLoss, "not open"));
  // The next round opens; the manifest of the last one does not fit it.
  federation_.Add(federation_.OpenDraft());
  EXPECT_THAT(Refusal(late, kB), StatusIs(StatusCode::kDataLoss, "not open"));
}

TEST_F(SiteEntries, AManifestIsOfTheCohort) {
  Entry open = federation_.OpenDraft();
  std::get<RoundOpen>(open.body).cohort = {.n = 1, .items = {kB}, .annex = {}};
  federation_.Add(open);
  EXPECT_THAT(Refusal(federation_.ManifestDraft(kA), kA),
              StatusIs(StatusCode::kDataLoss, "not of the cohort"));
}

TEST_F(SiteEntries, AnEvaluationIsOfARoundsModel) {
  EXPECT_THAT(Refusal(federation_.EvaluationDraft(kA, 1), kA),
              StatusIs(StatusCode::kDataLoss, "has not closed with a model"));
  federation_.AddRound();
  HILUM_EXPECT_OK(Refusal(federation_.EvaluationDraft(kA, 1), kA));
  Entry other = federation_.EvaluationDraft(kA, 1);
  std::get<Evaluation>(other.body).model = H("model 0");
  EXPECT_THAT(Refusal(other, kA), StatusIs(StatusCode::kDataLoss, "names model"));
  federation_.AddRound("aborted");
  EXPECT_THAT(Refusal(federation_.EvaluationDraft(kA, 2), kA),
              StatusIs(StatusCode::kDataLoss, "has not closed with a model"));
}

TEST_F(SiteEntries, APinIsOfThisLog) {
  const auto changed = [&](const std::function<void(ConsentPin&)>& change) {
    Entry entry = federation_.PinnedOpenDraft(3);
    change(*std::get<RoundOpen>(entry.body).consent);
    return ServerRefusal(entry);
  };
  HILUM_EXPECT_OK(changed([](ConsentPin&) {}));
  EXPECT_THAT(changed([](ConsentPin& pin) { pin.root = H("x"); }),
              StatusIs(StatusCode::kDataLoss, "pins the root"));
  EXPECT_THAT(changed([](ConsentPin& pin) { pin.size = 2; }),
              StatusIs(StatusCode::kDataLoss, "pins the root"));
  EXPECT_THAT(changed([](ConsentPin& pin) { pin.size = 4; }),
              StatusIs(StatusCode::kDataLoss, "before it stand 3"));
}

// Whoever opens a round says of a site what the site's own newest batch says: with an older one, a
// revocation would be undone; with none, grants would be.
TEST_F(SiteEntries, APinNamesEachSitesNewestBatch) {
  AddAs(federation_.BatchDraft(kA, "grants"), kA);  // entry 3
  const Entry before = federation_.PinnedOpenDraft(4);
  HILUM_EXPECT_OK(ServerRefusal(before));
  AddAs(federation_.BatchDraft(kA, "revocations"), kA);  // entry 4
  EXPECT_THAT(
      ServerRefusal(before),
      StatusIs(StatusCode::kDataLoss, "newest consent-batch of hospital-a, which is entry 4"));
  EXPECT_THAT(
      ServerRefusal(federation_.PinnedOpenDraft(4)),
      StatusIs(StatusCode::kDataLoss, "ends before the newest consent-batch of hospital-a"));
  const auto changed = [&](const std::function<void(std::vector<PinnedRoot>&)>& change) {
    Entry entry = federation_.PinnedOpenDraft(5);
    change(std::get<RoundOpen>(entry.body).consent->sites.items);
    return ServerRefusal(entry);
  };
  HILUM_EXPECT_OK(changed([](auto&) {}));
  EXPECT_THAT(changed([](auto& sites) { sites[0].active_root = H("one patient more"); }),
              StatusIs(StatusCode::kDataLoss, "newest consent-batch of hospital-a"));
  EXPECT_THAT(changed([](auto& sites) {
                sites[0] = {kA, EmptyActiveRoot(), std::nullopt};
              }),
              StatusIs(StatusCode::kDataLoss, "newest consent-batch of hospital-a"));
  // hospital-b has logged nothing: nobody grants for it.
  EXPECT_THAT(changed([](auto& sites) { sites[1].active_root = H("somebody"); }),
              StatusIs(StatusCode::kDataLoss, "hospital-b, which has logged no consent-batch"));
  EXPECT_THAT(changed([](auto& sites) { sites[1].batch = sites[0].batch; }),
              StatusIs(StatusCode::kDataLoss, "hospital-b, which has logged no consent-batch"));
}

TEST_F(SiteEntries, APinDoesNotGoBack) {
  AddAs(federation_.BatchDraft(kA, "revocations"), kA);
  federation_.Add(federation_.PinnedOpenDraft(4));
  federation_.Add(federation_.CloseDraft());
  EXPECT_THAT(ServerRefusal(federation_.PinnedOpenDraft(3)),
              StatusIs(StatusCode::kDataLoss, "revocations would be undone"));
  HILUM_EXPECT_OK(ServerRefusal(federation_.PinnedOpenDraft(4)));
  // A round without a pin counts consents up to itself; a later pin does not go back behind it.
  federation_.AddRound();
  EXPECT_THAT(ServerRefusal(federation_.PinnedOpenDraft(5)),
              StatusIs(StatusCode::kDataLoss, "an earlier round pinned 6"));
}

TEST_F(SiteEntries, AManifestHasTheActiveSetThatWasPinned) {
  AddAs(federation_.BatchDraft(kA, "1"), kA);
  federation_.Add(federation_.PinnedOpenDraft(4));
  HILUM_EXPECT_OK(Refusal(federation_.ManifestDraft(kA), kA));
  Entry entry = federation_.ManifestDraft(kA);
  std::get<TrainManifest>(entry.body).active_root = H("one patient more");
  EXPECT_THAT(Refusal(entry, kA), StatusIs(StatusCode::kDataLoss, "pins for hospital-a"));
  // A site without consents trains on nobody.
  EXPECT_THAT(Refusal(federation_.ManifestDraft(kB), kB),
              StatusIs(StatusCode::kDataLoss, "pins for hospital-b"));
}

TEST_F(SiteEntries, ARotationNeedsBothKeys) {
  HILUM_EXPECT_OK(Refusal(Rotate(), kA));
  // By the new key alone, by another member, by the aggregator.
  Entry by_new = Rotate();
  by_new.key = crypto::KeyDigest(Next().public_key());
  EXPECT_THAT(RefusalOf(federation_.SignAs(by_new, kA, Next())),
              StatusIs(StatusCode::kDataLoss, "not hospital-a's"));
  EXPECT_THAT(Refusal(Rotate(), kB), StatusIs(StatusCode::kDataLoss, "may not sign"));
  EXPECT_THAT(ServerRefusal([&] {
                Entry entry = Rotate();
                entry.by = "server";
                return entry;
              }()),
              StatusIs(StatusCode::kDataLoss, "may not sign"));
  Entry unsigned_by_new = Rotate();
  std::get<KeyRotate>(unsigned_by_new.body).new_sig.bytes[3] ^= 1;
  EXPECT_THAT(Refusal(unsigned_by_new, kA),
              StatusIs(StatusCode::kDataLoss, "not signed by its new key"));
  Entry wrong_old = federation_.RotateDraft(kA, federation_.SiteKey(kB), Next());
  EXPECT_THAT(Refusal(wrong_old, kA), StatusIs(StatusCode::kDataLoss, "replaces the key"));
}

TEST_F(SiteEntries, ARotationTakesAKeyThatNobodyHad) {
  for (const auto& used :
       {federation_.SiteKey(kB).public_key(), federation_.SiteKey(kA).public_key(),
        federation_.LogKey().public_key()}) {
    Entry entry = Rotate();
    std::get<KeyRotate>(entry.body).new_key = used;
    EXPECT_THAT(Refusal(entry, kA), StatusIs(StatusCode::kDataLoss, "in use"));
  }
  AddAs(Rotate(), kA);
  EXPECT_THAT(Refusal(federation_.RotateDraft(kA, federation_.SiteKey(kA),
                                              crypto::SigningKey::FromSeed({92})),
                      kA),
              StatusIs(StatusCode::kDataLoss, "rotates its key already, by entry 3"));
  // Another member cannot take it meanwhile.
  Entry join = federation_.JoinDraft("hospital-c");
  std::get<Join>(join.body).entry_key = Next().public_key();
  std::get<Join>(join.body).member_sig = SignJoin(join, Federation::kOrigin, Next()).value();
  EXPECT_THAT(ServerRefusal(join), StatusIs(StatusCode::kDataLoss, "in use"));
}

TEST_F(SiteEntries, TheAggregatorsKeyStays) {
  const auto key = federation_.ServerKey();
  const Entry entry = federation_.RotateDraft("server", key, Next());
  EXPECT_THAT(ServerRefusal(entry), StatusIs(StatusCode::kDataLoss, "is not rotated"));
}

TEST_F(SiteEntries, ANewKeyCountsAfterACompletedRoundADayLater) {
  const auto accepts = [&](const crypto::SigningKey& key) {
    return RefusalOf(federation_.SignAs(federation_.BatchDraft(kA, "x"), kA, key));
  };
  const uint64_t t = 1767000000;
  AddAs(Rotate(), kA);
  // A day has passed by the member's clock; only the aggregator's counts.
  CompleteRound(t);
  HILUM_EXPECT_OK(accepts(federation_.SiteKey(kA)));
  EXPECT_THAT(accepts(Next()), StatusIs(StatusCode::kDataLoss, "does not count yet"));
  CompleteRound(t + kRotationDelayS - 1);
  EXPECT_THAT(accepts(Next()), StatusIs(StatusCode::kDataLoss, "does not count yet"));
  // A day has passed, but no round completes: an open, an aborted close.
  Entry open = federation_.OpenDraft();
  open.t = t + kRotationDelayS;
  federation_.Add(open);
  Entry aborted = federation_.CloseDraft("aborted");
  aborted.t = t + kRotationDelayS;
  federation_.Add(aborted);
  EXPECT_THAT(accepts(Next()), StatusIs(StatusCode::kDataLoss, "does not count yet"));
  CompleteRound(t + kRotationDelayS);
  HILUM_EXPECT_OK(accepts(Next()));
  EXPECT_THAT(accepts(federation_.SiteKey(kA)),
              StatusIs(StatusCode::kDataLoss, "rotated out before entry 12"));
  const Member& member = *federation_.state.members().Find(kA);
  EXPECT_EQ(member.KeyAt(11), federation_.SiteKey(kA).public_key());
  EXPECT_EQ(member.KeyAt(12), Next().public_key());
  EXPECT_FALSE(member.next_key.has_value());
}

TEST_F(SiteEntries, ARotationOfItsOwnClockHurriesNothing) {
  Entry rotate = Rotate();
  rotate.t = 1;  // long ago
  std::get<KeyRotate>(rotate.body).new_sig =
      SignRotate(rotate, Federation::kOrigin, Next()).value();
  AddAs(rotate, kA);
  CompleteRound(1767000000);
  EXPECT_THAT(RefusalOf(federation_.SignAs(federation_.BatchDraft(kA, "x"), kA, Next())),
              StatusIs(StatusCode::kDataLoss, "does not count yet"));
}

}  // namespace
}  // namespace hilum::ledger_anchor

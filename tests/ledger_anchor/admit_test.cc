#include "ledger_anchor/admit.h"

#include <gtest/gtest.h>

#include "ledger_anchor/updates.h"
#include "tests/ledger_anchor/federation.h"
#include "tests/status_matchers.h"

namespace hilum::ledger_anchor {
namespace {

using absl::StatusCode;

class Admissions : public ::testing::Test {
 protected:
  void SetUp() override { federation_.Start(); }
  // Signed by the server, asked of the state as it is.
  absl::Status Refusal(const Entry& entry) { return RefusalOf(federation_.Sign(entry)); }
  absl::Status RefusalOf(const std::string& text) {
    const uint64_t before = federation_.state.size();
    const absl::Status status = federation_.state.Admit(text).status();
    EXPECT_EQ(federation_.state.size(), before + (status.ok() ? 1 : 0));
    return status;
  }
  std::string SignedBy(Entry entry, const std::string& name) {
    entry.by = name;
    return SignEntry(entry, Federation::kOrigin, federation_.SiteKey(name)).value();
  }
  Federation federation_;
};

TEST_F(Admissions, FollowAWholeHistory) {
  federation_.AddRound();
  federation_.AddRound("aborted");
  federation_.AddRound();
  const StudyState study = federation_.state.chain().Study(Federation::kStudy);
  EXPECT_EQ(study.round, 3u);
  EXPECT_EQ(study.model, H("model 3"));
  EXPECT_FALSE(study.open.has_value());
  federation_.Add(federation_.ReleaseDraft(study.prev, 8));
  federation_.AddText(
      SignedBy(federation_.Draft(Incident{"bad-sum", 3, "round-3", H("e")}), "hospital-b"));
  Entry leave = federation_.Draft(Leave{"hospital-b", "withdrawn", 3});
  federation_.AddText(SignedBy(leave, "hospital-b"));
  EXPECT_FALSE(federation_.state.members().IsActive("hospital-b", ""));
  EXPECT_TRUE(federation_.state.members().IsActive("hospital-a", Federation::kStudy));
  EXPECT_EQ(federation_.state.origin(), Federation::kOrigin);
}

TEST_F(Admissions, StartWithThePinnedGenesis) {
  const std::string genesis = federation_.texts[0];
  const auto admit = [&](LedgerPins pins) {
    return Admission(std::move(pins)).Admit(genesis).status();
  };
  HILUM_EXPECT_OK(admit(federation_.Pins()));
  HILUM_EXPECT_OK(admit({}));
  LedgerPins pins = federation_.Pins();
  pins.origin = "other.example/ledger";
  EXPECT_THAT(admit(pins), StatusIs(StatusCode::kDataLoss, "origin"));
  pins = federation_.Pins();
  pins.log_vkey[30] ^= 1;
  EXPECT_THAT(admit(pins), StatusIs(StatusCode::kDataLoss, "log key"));
  pins = federation_.Pins();
  pins.entry_key = federation_.SiteKey("x").public_key();
  EXPECT_THAT(admit(pins), StatusIs(StatusCode::kDataLoss, "entry key"));
  EXPECT_THAT(Admission({}).Admit(federation_.texts[1]),
              StatusIs(StatusCode::kDataLoss, "genesis"));
  EXPECT_THAT(RefusalOf(genesis), StatusIs(StatusCode::kDataLoss, "second genesis"));
}

TEST_F(Admissions, RefuseAGenesisThatItsOwnKeyDidNotSign) {
  const std::string text =
      SignEntry(federation_.GenesisDraft(), Federation::kOrigin, federation_.SiteKey("x")).value();
  EXPECT_THAT(Admission({}).Admit(text), StatusIs(StatusCode::kDataLoss, "key"));
  // One key for log and entries.
  Entry entry = federation_.GenesisDraft();
  std::get<Genesis>(entry.body).entry_key = federation_.LogKey().public_key();
  EXPECT_THAT(
      Admission({}).Admit(SignEntry(entry, Federation::kOrigin, federation_.LogKey()).value()),
      StatusIs(StatusCode::kDataLoss, "one key"));
}

TEST_F(Admissions, RefuseWhatAnotherKeySigned) {
  std::string text =
      SignEntry(federation_.OpenDraft(), Federation::kOrigin, federation_.SiteKey("hospital-a"))
          .value();
  EXPECT_THAT(RefusalOf(text), StatusIs(StatusCode::kDataLoss, "not server's"));
  // The right key named, another one signs.
  Entry entry = ParseEntry(text).value();
  entry.key = crypto::KeyDigest(federation_.ServerKey().public_key());
  EXPECT_THAT(RefusalOf(EncodeEntry(entry).value()), StatusIs(StatusCode::kDataLoss, "signature"));
  entry = ParseEntry(federation_.Sign(federation_.OpenDraft())).value();
  entry.t += 1;
  EXPECT_THAT(RefusalOf(EncodeEntry(entry).value()), StatusIs(StatusCode::kDataLoss, "signature"));
}

TEST_F(Admissions, RefuseAnEntryOfAnotherFederation) {
  const std::string text =
      SignEntry(federation_.OpenDraft(), "other.example/ledger", federation_.ServerKey()).value();
  EXPECT_THAT(RefusalOf(text), StatusIs(StatusCode::kDataLoss, "signature"));
}

TEST_F(Admissions, LetOnlyTheAggregatorSignRounds) {
  EXPECT_THAT(RefusalOf(SignedBy(federation_.OpenDraft(), "hospital-a")),
              StatusIs(StatusCode::kDataLoss, "may not sign"));
  EXPECT_THAT(RefusalOf(SignedBy(federation_.JoinDraft("hospital-c"), "hospital-a")),
              StatusIs(StatusCode::kDataLoss, "may not sign"));
  EXPECT_THAT(RefusalOf(SignedBy(federation_.Draft(Leave{"hospital-b", "x", 0}), "hospital-a")),
              StatusIs(StatusCode::kDataLoss, "may not sign"));
  EXPECT_THAT(RefusalOf(SignedBy(federation_.Draft(Leave{"nobody", "x", 0}), "nobody")),
              StatusIs(StatusCode::kDataLoss, "no member"));
  EXPECT_THAT(Refusal(federation_.Draft(Leave{"server", "x", 0})),
              StatusIs(StatusCode::kDataLoss, "aggregator"));
}

TEST_F(Admissions, RefuseAMemberAfterItsLeave) {
  federation_.Add(federation_.Draft(Leave{"hospital-b", "withdrawn", 0}));
  EXPECT_THAT(
      RefusalOf(SignedBy(federation_.Draft(Incident{"fork", 0, "x", H("e")}), "hospital-b")),
      StatusIs(StatusCode::kDataLoss, "no member"));
  EXPECT_THAT(Refusal(federation_.OpenDraft()), StatusIs(StatusCode::kDataLoss, "hospital-b"));
  EXPECT_THAT(Refusal(federation_.Draft(Leave{"hospital-b", "withdrawn", 0})),
              StatusIs(StatusCode::kDataLoss, "no member"));
  EXPECT_THAT(Refusal(federation_.JoinDraft("hospital-b")),
              StatusIs(StatusCode::kDataLoss, "taken"));
}

TEST_F(Admissions, KnowALeaveOfOneStudy) {
  Entry leave = federation_.Draft(Leave{"hospital-b", "withdrawn", 0});
  leave.study = Federation::kStudy;
  federation_.Add(leave);
  EXPECT_THAT(Refusal(federation_.OpenDraft()), StatusIs(StatusCode::kDataLoss, "hospital-b"));
  Entry open = federation_.OpenDraft();
  open.study = "ct-2";
  HILUM_EXPECT_OK(Refusal(open));
}

TEST_F(Admissions, GiveEachKeyToOneMember) {
  Entry join = federation_.JoinDraft("hospital-c");
  auto& body = std::get<Join>(join.body);
  body.entry_key = federation_.SiteKey("hospital-a").public_key();
  body.member_sig = SignJoin(join, Federation::kOrigin, federation_.SiteKey("hospital-a")).value();
  EXPECT_THAT(Refusal(join), StatusIs(StatusCode::kDataLoss, "in use"));
  for (const auto& used :
       {federation_.SiteKey("hospital-a").public_key(), federation_.LogKey().public_key(),
        federation_.SiteKey("hospital-c").public_key()}) {
    join = federation_.JoinDraft("hospital-c");
    auto& with_witness = std::get<Join>(join.body);
    with_witness.witness_vkey =
        FormatVerifierKey(MakeVerifierKey("w", KeyType::kCosignature, used));
    with_witness.member_sig =
        SignJoin(join, Federation::kOrigin, federation_.SiteKey("hospital-c")).value();
    EXPECT_THAT(Refusal(join), StatusIs(StatusCode::kDataLoss, "in use"));
  }
}

TEST_F(Admissions, AskTheMemberForItsJoin) {
  Entry join = federation_.JoinDraft("hospital-c");
  std::get<Join>(join.body).member_sig.bytes[5] ^= 1;
  EXPECT_THAT(Refusal(join), StatusIs(StatusCode::kDataLoss, "key that joins"));
}

TEST_F(Admissions, TakeSitesIntoACohortOnly) {
  federation_.Add(federation_.JoinDraft("auditor-a", "auditor"));
  Entry open = federation_.OpenDraft();
  std::get<RoundOpen>(open.body).cohort = {.n = 1, .items = {"auditor-a"}, .annex = {}};
  EXPECT_THAT(Refusal(open), StatusIs(StatusCode::kDataLoss, "no site"));
  std::get<RoundOpen>(open.body).cohort = {.n = 1, .items = {"hospital-z"}, .annex = {}};
  EXPECT_THAT(Refusal(open), StatusIs(StatusCode::kDataLoss, "no site"));
}

TEST_F(Admissions, KeepTheLinksOfAnOpen) {
  federation_.AddRound();
  const auto refusal = [&](const std::function<void(RoundOpen&)>& change) {
    Entry open = federation_.OpenDraft();
    change(std::get<RoundOpen>(open.body));
    return Refusal(open);
  };
  EXPECT_THAT(refusal([](RoundOpen& o) { o.prev = H("x"); }),
              StatusIs(StatusCode::kDataLoss, "prev"));
  EXPECT_THAT(refusal([](RoundOpen& o) { o.base_model = H("x"); }),
              StatusIs(StatusCode::kDataLoss, "base_model"));
  EXPECT_THAT(refusal([](RoundOpen& o) { o.round = 3; }),
              StatusIs(StatusCode::kDataLoss, "round 3"));
  EXPECT_THAT(refusal([](RoundOpen& o) { o.round = 1; }),
              StatusIs(StatusCode::kDataLoss, "round 1"));
  federation_.Add(federation_.OpenDraft());
  Entry second = federation_.CloseDraft();
  Entry open = federation_.Draft(RoundOpen(federation_.state.chain().Study("cxr-1").open->open));
  EXPECT_THAT(Refusal(open), StatusIs(StatusCode::kDataLoss, "is open"));
}

TEST_F(Admissions, KeepTheLinksOfAClose) {
  EXPECT_THAT(Refusal([&] {
                Federation other;
                other.Start();
                other.Add(other.OpenDraft());
                return other.CloseDraft();
              }()),
              StatusIs(StatusCode::kDataLoss, "not open"));
  federation_.Add(federation_.OpenDraft());
  const auto refusal = [&](const std::function<void(RoundClose&)>& change) {
    Entry close = federation_.CloseDraft();
    change(std::get<RoundClose>(close.body));
    return Refusal(close);
  };
  EXPECT_THAT(refusal([](RoundClose& c) { c.prev = H("x"); }),
              StatusIs(StatusCode::kDataLoss, "prev"));
  EXPECT_THAT(refusal([](RoundClose& c) { c.open = H("x"); }),
              StatusIs(StatusCode::kDataLoss, "open"));
  EXPECT_THAT(refusal([](RoundClose& c) { c.round = 2; }),
              StatusIs(StatusCode::kDataLoss, "round 2"));
  EXPECT_THAT(refusal([](RoundClose& c) { c.base_model = H("x"); }),
              StatusIs(StatusCode::kDataLoss, "base_model"));
  EXPECT_THAT(refusal([](RoundClose& c) { c.secagg->cfg = H("x"); }),
              StatusIs(StatusCode::kDataLoss, "cfg"));
  EXPECT_THAT(refusal([](RoundClose& c) {
                c.cohort = {.n = 1, .items = {"hospital-a"}, .annex = {}};
                c.updates.n = 1;
              }),
              StatusIs(StatusCode::kDataLoss, "accounts for 1 + 0"));
  EXPECT_THAT(refusal([](RoundClose& c) {
                c.cohort = {.n = 1, .items = {"hospital-a"}, .annex = {}};
                c.updates.n = 1;
                c.dropped = {.n = 1, .items = {"hospital-c"}, .annex = {}};
              }),
              StatusIs(StatusCode::kDataLoss, "other sites"));
  HILUM_EXPECT_OK(refusal([](RoundClose& c) {
    c.cohort = {.n = 1, .items = {"hospital-b"}, .annex = {}};
    c.updates.n = 1;
    c.dropped = {.n = 1, .items = {"hospital-a"}, .annex = {}};
  }));
  EXPECT_THAT(Refusal(federation_.Draft(Incident{"policy", 1, "x", H("e")})), IsOk());
}

TEST_F(Admissions, AnAbortedRoundKeepsItsModel) {
  federation_.AddRound("aborted");
  const StudyState study = federation_.state.chain().Study(Federation::kStudy);
  EXPECT_EQ(study.model, H("model 0"));
  EXPECT_THAT(Refusal(federation_.ReleaseDraft(study.prev, 4)),
              StatusIs(StatusCode::kDataLoss, "aborted"));
}

TEST_F(Admissions, ReleaseALoggedModelOnly) {
  federation_.AddRound();
  const Digest close = federation_.state.chain().Study(Federation::kStudy).prev;
  EXPECT_THAT(Refusal(federation_.ReleaseDraft(close, 3)),
              StatusIs(StatusCode::kDataLoss, "entry 3"));
  EXPECT_THAT(Refusal(federation_.ReleaseDraft(H("x"), 4)),
              StatusIs(StatusCode::kDataLoss, "entry 4"));
  Entry other = federation_.ReleaseDraft(close, 4);
  other.study = "ct-2";
  EXPECT_THAT(Refusal(other), StatusIs(StatusCode::kDataLoss, "this study"));
  HILUM_EXPECT_OK(Refusal(federation_.ReleaseDraft(close, 4)));
}

TEST_F(Admissions, StudiesDoNotMix) {
  federation_.AddRound();
  Entry open = federation_.OpenDraft();
  open.study = "ct-2";
  EXPECT_THAT(Refusal(open), StatusIs(StatusCode::kDataLoss, "ct-2"));
  auto& body = std::get<RoundOpen>(open.body);
  body.round = 1;
  body.prev = federation_.state.chain().Study("ct-2").prev;
  HILUM_EXPECT_OK(Refusal(open));
}

TEST(Updates, RootIsOverIndexRootAndSignature) {
  std::vector<UpdateLeaf> leaves;
  for (uint16_t i = 0; i < 5; ++i) {
    leaves.push_back({static_cast<uint16_t>(i * 3), H(std::to_string(i)), {}});
    leaves.back().signature.bytes[0] = static_cast<uint8_t>(i);
  }
  const Bytes leaf = EncodeUpdateLeaf(leaves[1]);
  ASSERT_EQ(leaf.size(), 2u + 32 + 64);
  EXPECT_EQ(leaf[1], 3);
  EXPECT_EQ(leaf[34], 1);
  HILUM_ASSERT_OK_AND_ASSIGN(const Digest root, UpdatesRoot(leaves));
  for (uint64_t i = 0; i < leaves.size(); ++i) {
    HILUM_ASSERT_OK_AND_ASSIGN(const HashList path, ProveUpdate(leaves, i));
    HILUM_EXPECT_OK(
        VerifyInclusion({i, 5, crypto::LeafHash(EncodeUpdateLeaf(leaves[i])), root}, path));
  }
  EXPECT_EQ(UpdatesRoot({}).value(), crypto::EmptyTreeHash());
  std::swap(leaves[0], leaves[1]);
  EXPECT_THAT(UpdatesRoot(leaves), StatusIs(StatusCode::kInvalidArgument, "ascending"));
  leaves[1] = leaves[0];
  EXPECT_THAT(UpdatesRoot(leaves), StatusIs(StatusCode::kInvalidArgument, "ascending"));
}

}  // namespace
}  // namespace hilum::ledger_anchor

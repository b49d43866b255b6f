// An auditor's view of masked rounds: what is accepted, and what a changed record is called.
#include <gtest/gtest.h>

#include "aggregator/replay.h"
#include "crypto/labels.h"
#include "ledger_anchor/reader.h"
#include "ledger_anchor/round_record.h"
#include "privacy/secagg/r4_messages.h"
#include "privacy/secagg/r5_messages.h"
#include "tests/aggregator/masked_site.h"
#include "tests/status_matchers.h"

namespace hilum::aggregator {
namespace {

using absl::StatusCode;
using ledger_anchor::RoundClose;
namespace secagg = privacy::secagg;

constexpr char kJob[] = "cxr-test";

// Two rounds of six sites. In the first, one drops out before its vector, one before its answer,
// and one signs a wrong tag. In the second all is well.
class MaskedReplayTest : public testing::Test {
 protected:
  static void SignAWrongTag(MaskedSite& site) {
    HILUM_ASSERT_OK(site.AnswerWithoutSending(Flight::kAnswer));
    const auto opened = secagg::OpenFrame(site.context(), site.last());
    auto unmasking = secagg::DecodeUnmasking(opened->body);
    ASSERT_TRUE(unmasking.ok());
    // H(T) || V of its own tag: the votes it answered, and the transcript that it voted for.
    unmasking->tag.values[0] ^= 1;
    unmasking->tag.signature = site.context().Sign(
        site.site().entry_key(), crypto::kLabelTag, site.open().site_index,
        secagg::TagFields(site.transcript_hash(), unmasking->votes_hash, unmasking->tag.values));
    site.last() = secagg::Frame(site.context(), site.open().site_index, Encode(*unmasking));
    HILUM_ASSERT_OK(site.Send(Flight::kAnswer, site.last()));
  }

  static void SetUpTestSuite() {
    federation_ = new TestFederation();
    MaskedSites all(*federation_, 6);
    HILUM_ASSERT_OK(LaunchAndApprove(*federation_, MaskedPlan(kJob, 300'000, 8), all.sites));
    HILUM_ASSERT_OK(all.Begin(kJob, 1));
    HILUM_ASSERT_OK(all.AnswerFrom(Flight::kAdvertise, Flight::kAcknowledge));
    all.silent = {1};
    all.sites[1]->Leave();
    HILUM_ASSERT_OK(all.AnswerFrom(Flight::kVector, Flight::kVote));
    SignAWrongTag(all.masked[3]);
    all.silent = {1, 3};
    HILUM_ASSERT_OK(all.Answer(Flight::kAnswer));
    all.sites[1]->Arrive();
    all.silent = {};
    HILUM_ASSERT_OK(all.Begin(kJob, 2));
    HILUM_ASSERT_OK(all.AnswerFrom(Flight::kAdvertise));
    HILUM_ASSERT_OK(
        federation_->WaitForJob(kJob, [](const auto& s) { return s.state() == "done"; }));
    HILUM_ASSERT_OK_AND_ASSIGN(
        auto view, ledger_anchor::VerifyLog(
                       ledger_anchor::FolderFetch(federation_->server().LedgerFolder()), {}));
    view_ = new ledger_anchor::LogView(std::move(view));
  }
  static void TearDownTestSuite() {
    delete view_;
    delete federation_;
  }

  ReplayInputs Inputs(uint64_t round) {
    const auto entries = ledger_anchor::FindRound(*view_, round, kJob);
    EXPECT_TRUE(entries.ok());
    return {.fetch = [this](const Digest& digest, uint64_t limit) -> absl::StatusOr<Bytes> {
              fetched_.insert(digest);
              const auto changed = changed_.find(digest);
              if (changed != changed_.end()) return changed->second;
              const std::string hex = ToHex(digest);
              return ReadFile(
                  federation_->folder() / "objects/sha256" / hex.substr(0, 2) / hex.substr(2),
                  limit);
            },
            .open = entries->open->entry,
            .open_leaf = entries->open->leaf_hash,
            .close = entries->close->entry,
            .members = &view_->state.members(),
            .origin = view_->state.origin(),
            .log_vkey = view_->state.log_vkey()};
  }
  RoundRecord RecordOf(uint64_t round) {
    const ReplayInputs inputs = Inputs(round);
    const auto& close = std::get<RoundClose>(inputs.close.body);
    return *ParseRoundRecord(AsText(*inputs.fetch(close.secagg->evidence, kRecordLimitBytes)));
  }
  Digest Put(Bytes bytes) {
    const Digest digest = crypto::Sha256(bytes);
    changed_[digest] = std::move(bytes);
    return digest;
  }
  // The round with another record under the entry that names it.
  absl::StatusOr<ReplayResult> ReplayWith(uint64_t round, const RoundRecord& record) {
    ReplayInputs inputs = Inputs(round);
    const std::string text = *EncodeRoundRecord(record);
    std::get<RoundClose>(inputs.close.body).secagg->evidence = Put(Bytes(text.begin(), text.end()));
    inputs.depth = depth_;
    return Replay(inputs);
  }

  static TestFederation* federation_;
  static ledger_anchor::LogView* view_;
  std::map<Digest, Bytes> changed_;
  std::set<Digest> fetched_;
  ReplayDepth depth_ = ReplayDepth::kVectors;  // of ReplayWith
};
TestFederation* MaskedReplayTest::federation_ = nullptr;
ledger_anchor::LogView* MaskedReplayTest::view_ = nullptr;

TEST_F(MaskedReplayTest, ComputesEachRoundAgain) {
  HILUM_ASSERT_OK_AND_ASSIGN(const ReplayResult first, Replay(Inputs(1)));
  EXPECT_EQ(first.n_updates, 5u);
  EXPECT_EQ(first.total_weight, 10u + 12 + 13 + 14 + 15);
  HILUM_ASSERT_OK_AND_ASSIGN(const ReplayResult second, Replay(Inputs(2)));
  EXPECT_EQ(second.n_updates, 6u);
  EXPECT_EQ(second.model, std::get<RoundClose>(Inputs(2).close.body).model);
}

TEST_F(MaskedReplayTest, AWrongTagCostsItsSignerOnly) {
  const auto opening = secagg::DecodeRoundOpening(RecordOf(1).masked->opening);
  ASSERT_TRUE(opening.ok());
  std::vector<uint16_t> tagged;
  for (const auto& tag : opening->tags) tagged.push_back(tag.index);
  EXPECT_EQ(tagged, (std::vector<uint16_t>{0, 2, 4, 5}));
}

TEST_F(MaskedReplayTest, ACutRecordFails) {
  RoundRecord record = RecordOf(2);
  record.masked.reset();
  EXPECT_THAT(ReplayWith(2, record).status(), StatusIs(StatusCode::kDataLoss, "no masks'"));
}

TEST_F(MaskedReplayTest, AnotherSumFails) {
  RoundRecord record = RecordOf(2);
  Bytes sum = *Inputs(2).fetch(record.masked->sum_object, 1 << 24);
  sum[0] ^= 1;
  record.masked->sum_object = Put(sum);
  EXPECT_THAT(ReplayWith(2, record).status(), StatusIs(StatusCode::kDataLoss, "sum"));
}

TEST_F(MaskedReplayTest, AnotherVectorFails) {
  RoundRecord record = RecordOf(2);
  Bytes vector = *Inputs(2).fetch(record.updates[0].object, 1 << 24);
  vector[0] ^= 1;
  record.updates[0].object = Put(vector);
  EXPECT_THAT(ReplayWith(2, record).status(), StatusIs(StatusCode::kDataLoss, "root"));
}

TEST_F(MaskedReplayTest, AnotherOpenedSecretFails) {
  RoundRecord record = RecordOf(1);
  auto opening = secagg::DecodeRoundOpening(record.masked->opening);
  ASSERT_TRUE(opening.ok());
  ASSERT_EQ(opening->secrets.a.size(), 1u);  // of the site that dropped out
  opening->secrets.a[0].value = opening->secrets.a[0].value + crypto::Scalar::FromInteger(1);
  record.masked->opening = Encode(*opening);
  EXPECT_THAT(ReplayWith(1, record).status(), StatusIs(StatusCode::kDataLoss, "member 1"));
}

TEST_F(MaskedReplayTest, AVoteTooFewFails) {
  RoundRecord record = RecordOf(2);
  auto votes = secagg::DecodeVoteList(record.masked->votes);
  ASSERT_TRUE(votes.ok());
  votes->resize(4);  // Q is 5
  record.masked->votes = Encode(*votes);
  EXPECT_THAT(ReplayWith(2, record).status(), StatusIs(StatusCode::kDataLoss, ""));
}

TEST_F(MaskedReplayTest, EveryByteOfTheEvidenceCounts) {
  const RoundRecord good = RecordOf(2);
  for (Bytes MaskedEvidence::*part :
       {&MaskedEvidence::key_list, &MaskedEvidence::u1, &MaskedEvidence::u2, &MaskedEvidence::votes,
        &MaskedEvidence::opening}) {
    RoundRecord record = good;
    Bytes& bytes = (*record.masked).*part;
    bytes[bytes.size() / 2] ^= 1;
    EXPECT_THAT(ReplayWith(2, record).status(), StatusIs(StatusCode::kDataLoss, ""));
  }
}

// Neither S nor an update is read for messages that are false.
TEST_F(MaskedReplayTest, FalseMessagesAreRefusedBeforeAnythingLargeIsRead) {
  const RoundRecord good = RecordOf(1);
  const auto with_opening = [&good](const auto& change) {
    RoundRecord record = good;
    auto opening = secagg::DecodeRoundOpening(record.masked->opening);
    EXPECT_TRUE(opening.ok());
    change(*opening);
    record.masked->opening = Encode(*opening);
    return record;
  };
  RoundRecord few_votes = good;
  auto votes = secagg::DecodeVoteList(good.masked->votes);
  ASSERT_TRUE(votes.ok());
  votes->resize(4);  // Q is 5
  few_votes.masked->votes = Encode(*votes);
  RoundRecord other_transcript = good;
  other_transcript.transcript.back() ^= 1;  // the last byte of root(S)
  const std::vector<std::pair<RoundRecord, std::string>> kinds = {
      {other_transcript, "H(T) is"},
      {few_votes, "4 votes, the quorum is 5"},
      {with_opening([](auto& opening) { opening.tags[1].tag.values[0] ^= 1; }),
       "a tag is not signed by member 2"},
      {with_opening([](auto& opening) { opening.tags[0].index = 1; }), "which is not of U3"},
      {with_opening([](auto& opening) {
         opening.secrets.b[0].value = opening.secrets.b[0].value + crypto::Scalar::FromInteger(1);
       }),
       "member 0 does not open its commitment"},
      {with_opening([](auto& opening) {
         opening.secrets.a[0].value = opening.secrets.a[0].value + crypto::Scalar::FromInteger(1);
       }),
       "member 1 does not give its advertised key"}};
  fetched_.clear();
  for (const auto& [record, sentence] : kinds) {
    EXPECT_THAT(ReplayWith(1, record).status(), StatusIs(StatusCode::kDataLoss, sentence));
  }
  EXPECT_FALSE(fetched_.contains(good.masked->sum_object));
  for (const CountedUpdate& update : good.updates) EXPECT_FALSE(fetched_.contains(update.object));
  HILUM_EXPECT_OK(ReplayWith(1, good).status());
  EXPECT_TRUE(fetched_.contains(good.masked->sum_object));
}

// The cheaper form reads no update but those that have no tag, and finds the same model.
TEST_F(MaskedReplayTest, TheTagsAloneNeedNoTaggedUpdate) {
  for (const uint64_t round : {1, 2}) {
    ReplayInputs inputs = Inputs(round);
    std::set<Digest> fetched;
    inputs.depth = ReplayDepth::kTags;
    inputs.fetch = [&fetched, fetch = inputs.fetch](const Digest& digest, uint64_t limit) {
      fetched.insert(digest);
      return fetch(digest, limit);
    };
    HILUM_ASSERT_OK_AND_ASSIGN(const ReplayResult result, Replay(inputs));
    EXPECT_EQ(result.model, std::get<RoundClose>(inputs.close.body).model);
    EXPECT_EQ(result.n_read, round == 1 ? 1u : 0u);
    for (const CountedUpdate& update : RecordOf(round).updates) {
      EXPECT_EQ(fetched.contains(update.object), round == 1 && update.site_index == 3);
    }
  }
}

TEST_F(MaskedReplayTest, TheTagsAloneRefuseWhatTheyCover) {
  depth_ = ReplayDepth::kTags;
  RoundRecord record = RecordOf(2);
  Bytes sum = *Inputs(2).fetch(record.masked->sum_object, 1 << 24);
  sum[0] ^= 1;
  record.masked->sum_object = Put(sum);
  EXPECT_THAT(ReplayWith(2, record).status(),
              StatusIs(StatusCode::kDataLoss, "not the one of the transcript"));
  record = RecordOf(1);
  CountedUpdate& untagged = record.updates[2];
  ASSERT_EQ(untagged.site_index, 3);
  Bytes vector = *Inputs(1).fetch(untagged.object, 1 << 24);
  vector[0] ^= 1;
  untagged.object = Put(vector);
  EXPECT_THAT(ReplayWith(1, record).status(), StatusIs(StatusCode::kDataLoss, "member 3"));
  record = RecordOf(2);
  auto opening = secagg::DecodeRoundOpening(record.masked->opening);
  ASSERT_TRUE(opening.ok());
  opening->tags.erase(opening->tags.begin());  // its vector must then stand for it
  record.masked->opening = Encode(*opening);
  HILUM_EXPECT_OK(ReplayWith(2, record).status());
  opening->tags[0].tag.values[0] ^= 1;
  record.masked->opening = Encode(*opening);
  EXPECT_THAT(ReplayWith(2, record).status(), StatusIs(StatusCode::kDataLoss, "a tag is not"));
}

TEST_F(MaskedReplayTest, AServerThatIsAwayIsNoContradiction) {
  ReplayInputs inputs = Inputs(2);
  const Digest sum = RecordOf(2).masked->sum_object;
  inputs.fetch = [sum, fetch = inputs.fetch](const Digest& digest,
                                             uint64_t limit) -> absl::StatusOr<Bytes> {
    if (digest == sum) return absl::UnavailableError("nothing listens there");
    return fetch(digest, limit);
  };
  EXPECT_THAT(Replay(inputs).status(), StatusIs(StatusCode::kUnavailable, "sum: nothing listens"));
}

TEST_F(MaskedReplayTest, AnExportHoldsTheSum) {
  const ReplayInputs inputs = Inputs(2);
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<Digest> objects,
                             ObjectsOfRound(inputs.fetch, inputs.open, inputs.close));
  const Digest sum = RecordOf(2).masked->sum_object;
  EXPECT_TRUE(std::find(objects.begin(), objects.end(), sum) != objects.end());
}

}  // namespace
}  // namespace hilum::aggregator

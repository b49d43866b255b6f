// A site's check of a round that is over, against a server that signs everything itself: an honest
// round, and lies that are valid in form and signed with the server's own keys.
#include "client/round_check.h"

#include <utility>

#include "base/file.h"
#include "base/sqlite.h"
#include "client/round_receipts.h"
#include "tests/client/closed_round.h"

namespace hilum::client {
namespace {

using absl::StatusCode;
using ledger_anchor::RoundClose;

constexpr int64_t kNow = kRoundOverAt;

TEST_F(RoundCheck, DerivesTheModelFromTheVerifiedSum) {
  Publish();
  HILUM_ASSERT_OK_AND_ASSIGN(const CheckRecord check, Check());
  EXPECT_EQ(check.verified, "full");
  EXPECT_EQ(check.standing, "counted");
  EXPECT_EQ(check.model, record_.model);
  HILUM_ASSERT_OK_AND_ASSIGN(
      const Bytes model,
      ReadFile(folder_.models() / (ToHex(record_.model) + ".safetensors"), 1 << 20));
  EXPECT_EQ(crypto::Sha256(model), record_.model);
  EXPECT_TRUE(HaltReason(*state_, kCheckedJob).value().empty());
  const int n_fetched = n_fetched_;
  HILUM_ASSERT_OK(Check());
  EXPECT_EQ(n_fetched_, n_fetched) << "a round is checked once";
}

TEST_F(RoundCheck, KeepsAReceiptThatVerifiesOffline) {
  Publish();
  HILUM_ASSERT_OK(Check());
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string text, RoundReceipt(*state_, kCheckedJob, 1));
  HILUM_ASSERT_OK_AND_ASSIGN(const RoundReceiptView view,
                             VerifyRoundReceipt(folder_, options_, text, kNow));
  EXPECT_EQ(view.site, "hospital-a");
  EXPECT_EQ(view.counted, 6u);
  EXPECT_EQ(view.root, ToHex(record_.updates[0].root));
  EXPECT_THAT(RoundReceipt(*state_, kCheckedJob, 2),
              StatusIs(StatusCode::kNotFound, "has not checked"));
}

TEST_F(RoundCheck, AnotherModelUnderTrueEvidenceFails) {
  record_.model = ledger_anchor::H("a model with a trap");
  Publish();
  ExpectFailed("the model that follows from the verified sum");
}

TEST_F(RoundCheck, AnotherResultThanTheSumWithoutMasksFails) {
  record_.ring_root[0] ^= 1;
  Publish();
  ExpectFailed("the published result is not the sum without its masks");
}

TEST_F(RoundCheck, AnotherSumFails) {
  sums_[3] += 1;
  record_.masked->sum_object = Put(privacy::PackSum(sums_, config_));
  Publish();
  ExpectFailed("the published sum is not the one of the transcript");
}

TEST_F(RoundCheck, ATranscriptThatThisSiteDidNotVoteForFails) {
  RememberVote(ledger_anchor::H("the transcript that was shown to hospital-a"));
  Publish();
  ExpectFailed("not the one that this site voted for");
}

TEST_F(RoundCheck, AnUpdateThatThisSiteDidNotSendFails) {
  RoundRecord own = state_->Round(kCheckedJob, 1, 0).value().value();
  own.root[0] ^= 1;
  HILUM_ASSERT_OK(state_->PutRound(own));
  Publish();
  ExpectFailed("an update in this site's name that this site did not send");
}

TEST_F(RoundCheck, AnotherVectorOfAMemberWithoutATagFails) {
  Bytes vector = vectors_.at(5);
  vector[0] ^= 1;
  record_.updates[5].object = Put(vector);
  Publish();
  ExpectFailed("the published vector of member 5 is not the one of the transcript");
}

TEST_F(RoundCheck, VectorsStandForAllTags) {
  HideTags();
  Publish();
  HILUM_ASSERT_OK_AND_ASSIGN(const CheckRecord check, Check());
  EXPECT_EQ(check.verified, "full");
}

// A server that hides all tags made the site hold every vector, n times the model.
TEST_F(RoundCheck, VectorsWithoutTagsAreHeldOneAtATime) {
  HideTags();
  Bytes vector = vectors_.at(0);
  vector[0] ^= 1;
  record_.updates[0].object = Put(vector);
  Publish();
  ExpectFailed("the published vector of member 0 is not the one of the transcript");
  for (size_t i = 1; i < record_.updates.size(); ++i) {
    EXPECT_FALSE(fetched_.contains(record_.updates[i].object)) << i;
  }
}

TEST_F(RoundCheck, ARecordThatContradictsTheLedgerFails) {
  Publish();
  auto close = std::get<RoundClose>(ledger_anchor::ParseEntry(entries_[1])->body);
  record_.transcript_hash[0] ^= 1;
  const std::string text = ledger_anchor::EncodeRoundRecord(record_).value();
  close.secagg->evidence = Put(Bytes(text.begin(), text.end()));
  entries_.pop_back();
  Log(close);
  ExpectFailed("the round record contradicts the round's entries");
}

// A configuration that a site which took part would have refused; this one may have been away.
TEST_F(RoundCheck, AConfigurationWithAnotherLayoutFails) {
  config_.chunk_coords = 0;
  record_.config = privacy::HashConfig(config_);
  record_.config_object = Put(privacy::EncodeRoundConfig(config_));
  Publish();
  ExpectFailed("chunks of 0 coordinates");
}

TEST_F(RoundCheck, AConfigurationWithAnotherRingFails) {
  config_.ring_bits = 64;
  record_.config = privacy::HashConfig(config_);
  record_.config_object = Put(privacy::EncodeRoundConfig(config_));
  Publish();
  ExpectFailed("a ring of 64 bits");
}

TEST_F(RoundCheck, EvidenceThatIsNotShownFails) {
  Publish();
  objects_.erase(record_.masked->sum_object);
  ExpectFailed("no such object");
}

TEST_F(RoundCheck, AVectorThatIsPastItsRetentionAccusesNobody) {
  Publish();
  objects_.erase(record_.updates[5].object);
  EXPECT_THAT(Check(), StatusIs(StatusCode::kFailedPrecondition, "its retention of 30 days"));
  RoundRecord own = state_->Round(kCheckedJob, 1, 0).value().value();
  own.started_at_s = kNow - 86'400;
  HILUM_ASSERT_OK(state_->PutRound(own));
  ExpectFailed("no such object");
}

TEST_F(RoundCheck, AServerThatIsAwayDecidesNothing) {
  Publish();
  server_ = absl::UnavailableError("the server is away");
  EXPECT_THAT(Check(), StatusIs(StatusCode::kUnavailable, "away"));
  EXPECT_FALSE(state_->Check(kCheckedJob, 1).value().has_value());
  EXPECT_TRUE(HaltReason(*state_, kCheckedJob).value().empty());
}

// Stopping the agent waited for the end of a check, minutes for a large model.
TEST_F(RoundCheck, ACheckEndsWhenItIsStoppedAndDecidesNothing) {
  HideTags();
  Publish();
  const Digest record =
      std::get<RoundClose>(ledger_anchor::ParseEntry(entries_[1])->body).secagg->evidence;
  for (const Digest& at : {record, record_.config_object, record_.masked->sum_object,
                           record_.updates[0].object, record_.updates[5].object}) {
    cancel_at_ = at;
    cancel_ = false;
    EXPECT_THAT(Check(), StatusIs(StatusCode::kCancelled, ""));
    EXPECT_FALSE(state_->Check(kCheckedJob, 1).value().has_value());
  }
  EXPECT_EQ(n_after_cancel_, 0);
  EXPECT_TRUE(incidents_.empty());
  cancel_at_ = {};
  cancel_ = false;
  HILUM_ASSERT_OK_AND_ASSIGN(const CheckRecord check, Check());
  EXPECT_EQ(check.verified, "full");
}

// A damaged disk of the site made it accuse the server in the ledger.
TEST_F(RoundCheck, ADamagedDatabaseOfItsOwnAccusesNobody) {
  Publish();
  on_fetch_proof_ = [this, done = false]() mutable {
    if (std::exchange(done, true)) return;
    HILUM_ASSERT_OK_AND_ASSIGN(Database other, Database::Open(folder_.database()));
    HILUM_ASSERT_OK(
        other.Script("PRAGMA writable_schema=ON; PRAGMA schema_version=1000;"
                     "UPDATE sqlite_schema SET sql='damaged' WHERE name='rounds';"));
  };
  EXPECT_THAT(Check(), StatusIs(StatusCode::kInternal, "this site's own records: "));
  EXPECT_TRUE(incidents_.empty());
}

TEST_F(RoundCheck, ADamagedCheckpointOfItsOwnAccusesNobody) {
  Publish();
  on_fetch_proof_ = [this] {
    const std::string text = "no note";
    HILUM_ASSERT_OK(WriteFileDurably(folder_.ledger() / "checkpoint", AsBytes(text)));
  };
  EXPECT_THAT(Check(), StatusIs(StatusCode::kInternal, "checkpoint: "));
  EXPECT_TRUE(incidents_.empty());
  EXPECT_TRUE(HaltReason(*state_, kCheckedJob).value().empty());
}

TEST_F(RoundCheck, AFailureIsAnIncidentUntilTheOperatorGoesOn) {
  record_.model = ledger_anchor::H("a model with a trap");
  Publish();
  HILUM_ASSERT_OK(Check());
  ASSERT_EQ(incidents_.size(), 1u);
  const auto entry = ledger_anchor::ParseEntry(incidents_[0]).value();
  const auto& incident = std::get<ledger_anchor::Incident>(entry.body);
  EXPECT_EQ(entry.by, "hospital-a");
  EXPECT_EQ(incident.kind, "bad-sum");
  HILUM_ASSERT_OK(ResumeJob(*state_, kCheckedJob));
  EXPECT_TRUE(HaltReason(*state_, kCheckedJob).value().empty());
  HILUM_ASSERT_OK_AND_ASSIGN(const CheckRecord check, Check());
  EXPECT_EQ(check.verified, "accepted");
  EXPECT_FALSE(check.reason.empty()) << "the record keeps what failed";
  EXPECT_THAT(ResumeJob(*state_, kCheckedJob), StatusIs(StatusCode::kNotFound, "not halted"));
}

// As after a crash between the entry and the record.
TEST_F(RoundCheck, AFailureThatIsFoundAgainIsTheSameIncident) {
  record_.model = ledger_anchor::H("a model with a trap");
  Publish();
  HILUM_ASSERT_OK_AND_ASSIGN(CheckRecord check, Check());
  check.verified = "proof";
  HILUM_ASSERT_OK(state_->PutCheck(check));
  now_s_ += 60;
  HILUM_ASSERT_OK(Check());
  ASSERT_EQ(incidents_.size(), 2u);
  EXPECT_EQ(incidents_[1], incidents_[0]);
}

TEST_F(RoundCheck, TagsVerifyTheSumAlone) {
  options_.verify = "tags";
  Publish();
  HILUM_ASSERT_OK_AND_ASSIGN(const CheckRecord check, Check());
  EXPECT_EQ(check.verified, "tags");
  std::error_code error;
  EXPECT_FALSE(fs::exists(folder_.models() / (ToHex(record_.model) + ".safetensors"), error));
  options_.verify = "full";  // asks for more: the round is looked at again
  HILUM_ASSERT_OK_AND_ASSIGN(const CheckRecord more, Check());
  EXPECT_EQ(more.verified, "full");
}

TEST_F(RoundCheck, ASampleVerifiesTheSumAndThePublishedModel) {
  options_.verify = "sampled";
  Publish();
  HILUM_ASSERT_OK_AND_ASSIGN(const CheckRecord check, Check());
  EXPECT_EQ(check.verified, "sampled");
  std::error_code error;
  EXPECT_TRUE(fs::exists(folder_.models() / (ToHex(record_.model) + ".safetensors"), error));
  options_.verify = "tags";  // asks for less: nothing is done again
  EXPECT_EQ(Check().value().verified, "sampled");
  options_.verify = "full";
  EXPECT_EQ(Check().value().verified, "full");
}

TEST_F(RoundCheck, ASampleFindsAnotherModel) {
  options_.verify = "sampled";
  model_.back() ^= 1;  // of the last parameter
  record_.model = crypto::Sha256(model_);
  Publish();
  ExpectFailed("parameter 9 of the model is");
}

TEST_F(RoundCheck, ASampleFindsAnotherModelFile) {
  options_.verify = "sampled";
  const std::vector<float> flat = proto::ParseSafetensorsAs(model_, plan_.spec)->flat;
  model_ = proto::EncodeSafetensors(plan_.spec, flat, {{"round", "7"}}).value();
  record_.model = crypto::Sha256(model_);
  Publish();
  ExpectFailed("is not made like its base model's");
}

// A server's optimizer with moments.
class AdaptiveRoundCheck : public RoundCheck {
  proto::StrategyPlan Strategy() const override {
    proto::StrategyPlan strategy;
    strategy.name = "fedadam";
    strategy.server_learning_rate = 0.05;
    return strategy;
  }
};

TEST_F(AdaptiveRoundCheck, SaysThatTheSumAloneWasVerified) {
  Publish();
  HILUM_ASSERT_OK_AND_ASSIGN(const CheckRecord check, Check());
  EXPECT_EQ(check.verified, "sum");
  std::error_code error;
  EXPECT_FALSE(fs::exists(folder_.models() / (ToHex(record_.model) + ".safetensors"), error));
  const int n_fetched = n_fetched_;
  HILUM_ASSERT_OK(Check());
  EXPECT_EQ(n_fetched_, n_fetched) << "a round is checked once";
}

TEST_F(AdaptiveRoundCheck, AnotherResultThanTheSumWithoutMasksFails) {
  record_.ring_root[0] ^= 1;
  Publish();
  ExpectFailed("the published result is not the sum without its masks");
}

TEST_F(RoundCheck, NoneBelievesTheLedgerAndStillKeepsTheReceipt) {
  options_.verify = "none";
  record_.ring_root[0] ^= 1;
  Publish();
  HILUM_ASSERT_OK_AND_ASSIGN(const CheckRecord check, Check());
  EXPECT_EQ(check.verified, "proof");
  EXPECT_FALSE(check.receipt.empty());
}

TEST_F(RoundCheck, ASiteThatWasLeftOutIsToldWhatToDo) {
  record_.updates.erase(record_.updates.begin());
  options_.verify = "none";
  Publish();
  HILUM_ASSERT_OK_AND_ASSIGN(const CheckRecord check, Check());
  EXPECT_EQ(check.standing, "left_out");
  EXPECT_TRUE(check.receipt.empty());
  EXPECT_THAT(check.reason, ::testing::HasSubstr("although the server had acknowledged"));
  EXPECT_THAT(check.reason, ::testing::HasSubstr("What to do: ask the operator"));
  EXPECT_THAT(RoundReceipt(*state_, kCheckedJob, 1), StatusIs(StatusCode::kNotFound, "left_out"));
}

TEST_F(RoundCheck, AnAbortedRoundIsNoAlarm) {
  Publish("aborted");
  HILUM_ASSERT_OK_AND_ASSIGN(const CheckRecord check, Check());
  EXPECT_EQ(check.standing, "aborted");
  EXPECT_TRUE(check.reason.empty());
}

}  // namespace
}  // namespace hilum::client

// A log with witnesses serves, and proves against, what they cosigned and nothing newer.
#include <gtest/gtest.h>

#include "ledger_anchor/cosign.h"
#include "ledger_anchor/log.h"
#include "ledger_anchor/proof.h"
#include "tests/ledger_anchor/federation.h"
#include "tests/status_matchers.h"

namespace hilum::ledger_anchor {
namespace {

using absl::StatusCode;

class WitnessedLog : public ::testing::Test {
 protected:
  Log::Options Options(bool witnessed) const {
    return {folder_.path() / "ledger", Federation::kOrigin, witnessed};
  }
  // Three entries, published without witnesses.
  void SetUp() override {
    federation_.Start();
    HILUM_ASSERT_OK_AND_ASSIGN(
        log_, Log::Create(Options(false), federation_.LogKey(), federation_.texts[0]));
    HILUM_ASSERT_OK(log_->Append(
        std::vector<std::string>(federation_.texts.begin() + 1, federation_.texts.end())));
    Reopen(true);
    Confirm();
  }
  // A quorum cosigns the last head anew.
  void Confirm() { HILUM_ASSERT_OK(log_->Publish(Cosigned(log_->CheckpointNote(), 900))); }
  void Reopen(bool witnessed) {
    log_.reset();
    HILUM_ASSERT_OK_AND_ASSIGN(log_, Log::Open(Options(witnessed), federation_.LogKey()));
  }
  absl::Status Grow() {
    return log_
        ->Append(federation_.Add(federation_.Draft(
            Incident{"stale", 0, "thing-" + std::to_string(federation_.texts.size()), H("e")})))
        .status();
  }
  static std::string Cosigned(const std::string& note, uint64_t time_s) {
    const crypto::SigningKey key = crypto::SigningKey::FromSeed({9});
    const std::string text = note.substr(0, note.find("\n\n") + 1);
    return note + FormatSignatureLine(
                      Cosign({.checkpoint_text = text, .name = "w.example", .time_s = time_s}, key)
                          .value());
  }
  std::string Heads() const {
    return ReadTextFile(folder_.path() / "ledger/heads", 1 << 20).value_or("");
  }
  // The log's own signature over its first `size` entries, as it gave it once.
  std::string SmallerNote(uint64_t size) const {
    return SignCheckpoint({.origin = Federation::kOrigin,
                           .size = size,
                           .root = log_->RootAt(size).value(),
                           .extensions = {}},
                          federation_.LogKey());
  }
  std::string Served() const {
    return ReadTextFile(log_->served_folder() / "checkpoint", 1 << 20).value_or("");
  }
  Federation federation_;
  TemporaryFolder folder_;
  std::unique_ptr<Log> log_;
};

TEST_F(WitnessedLog, ServesWhatWasCosigned) {
  const std::string before = Served();
  EXPECT_EQ(log_->Published().size, 3u) << "what was published before goes on";
  HILUM_ASSERT_OK(Grow());
  EXPECT_EQ(log_->LastCheckpoint().size, 4u);
  EXPECT_EQ(Served(), before);
  EXPECT_EQ(log_->PublishedNote(), before);
  HILUM_EXPECT_OK(log_->Prove(2));
  EXPECT_THAT(log_->Prove(3), StatusIs(StatusCode::kUnavailable,
                                       "the witnesses have not cosigned entry 3 yet: the published "
                                       "checkpoint has 3 entries"));
  const std::string cosigned = Cosigned(log_->CheckpointNote(), 1000);
  HILUM_ASSERT_OK(Grow());  // the log may be ahead of what its witnesses have seen
  HILUM_ASSERT_OK(log_->Publish(cosigned));
  EXPECT_EQ(Served(), cosigned);
  EXPECT_EQ(log_->Published().size, 4u);
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string text, log_->Prove(3));
  HILUM_ASSERT_OK_AND_ASSIGN(const TlogProof proof, ParseTlogProof(text));
  EXPECT_EQ(proof.checkpoint, cosigned);
  HILUM_EXPECT_OK(VerifyInclusion(
      {3, 4, crypto::LeafHash(AsBytes(proof.extra)), log_->Published().root}, proof.hashes));
  EXPECT_EQ(log_->RootAt(4).value(), log_->Published().root);
  EXPECT_THAT(log_->RootAt(6), StatusIs(StatusCode::kInvalidArgument, "5 entries"));
}

TEST_F(WitnessedLog, SignsNothingBeforeAQuorumAnswered) {
  HILUM_ASSERT_OK(Grow());  // signed, and not cosigned
  const std::string heads = Heads();
  Reopen(true);
  HILUM_ASSERT_OK(Grow());
  HILUM_ASSERT_OK(Grow());
  EXPECT_EQ(Heads(), heads) << "it takes entries but signs nothing";
  EXPECT_EQ(log_->LastCheckpoint().size, 4u);
  EXPECT_EQ(log_->size(), 6u);
  Reopen(true);
  EXPECT_EQ(log_->size(), 6u) << "what was answered for is kept";
  EXPECT_EQ(Heads(), heads);
  HILUM_ASSERT_OK(log_->Publish(Cosigned(SmallerNote(3), 1000)));
  EXPECT_EQ(Heads(), heads) << "an older checkpoint says nothing about the last one";
  Confirm();
  EXPECT_EQ(log_->LastCheckpoint().size, 6u);
  HILUM_ASSERT_OK(Grow());
  EXPECT_EQ(log_->LastCheckpoint().size, 7u);
  HILUM_EXPECT_OK(log_->ProveConsistency(4, 7));
}

TEST_F(WitnessedLog, WithoutWitnessesItSignsAtOnce) {
  HILUM_ASSERT_OK(Grow());
  Reopen(true);
  HILUM_ASSERT_OK(Grow());
  EXPECT_EQ(log_->LastCheckpoint().size, 4u);
  Reopen(false);
  EXPECT_EQ(log_->LastCheckpoint().size, 5u);
}

TEST_F(WitnessedLog, NeverGoesBack) {
  HILUM_ASSERT_OK(Grow());
  const std::string older = Cosigned(log_->CheckpointNote(), 1000);
  HILUM_ASSERT_OK(Grow());
  const std::string newer = Cosigned(log_->CheckpointNote(), 1001);
  HILUM_ASSERT_OK(log_->Publish(newer));
  HILUM_EXPECT_OK(log_->Publish(older));
  EXPECT_EQ(Served(), newer);
  const std::string fresher = Cosigned(log_->CheckpointNote(), 2000);
  HILUM_EXPECT_OK(log_->Publish(fresher));
  EXPECT_EQ(Served(), fresher) << "the same checkpoint with younger cosignatures";
  Reopen(true);
  EXPECT_EQ(log_->PublishedNote(), fresher);
  Reopen(false);
  EXPECT_EQ(Served(), log_->CheckpointNote()) << "without witnesses what is signed is served";
  EXPECT_THAT(log_->Publish(fresher), StatusIs(StatusCode::kFailedPrecondition, "without"));
}

TEST_F(WitnessedLog, PublishesNothingThatIsNotItsOwn) {
  HILUM_ASSERT_OK(Grow());
  const std::string before = Served();
  const auto sign = [&](uint64_t size, const Digest& root) {
    return SignCheckpoint(
        {.origin = Federation::kOrigin, .size = size, .root = root, .extensions = {}},
        federation_.LogKey());
  };
  EXPECT_THAT(log_->Publish(sign(4, H("another tree"))),
              StatusIs(StatusCode::kDataLoss, "the journal gives the root"));
  EXPECT_THAT(log_->Publish(sign(9, H("a longer tree"))),
              StatusIs(StatusCode::kDataLoss, "was never signed"));
  const std::string stranger = SignCheckpoint({.origin = Federation::kOrigin,
                                               .size = 4,
                                               .root = log_->LastCheckpoint().root,
                                               .extensions = {}},
                                              crypto::SigningKey::FromSeed({7}));
  EXPECT_THAT(log_->Publish(stranger), StatusIs(StatusCode::kDataLoss, ""));
  EXPECT_EQ(Served(), before);
}

TEST_F(WitnessedLog, AnEmptiedCheckpointIsCosignedAgain) {
  const fs::path served = log_->served_folder() / "checkpoint";
  log_.reset();
  HILUM_ASSERT_OK(WriteFileDurably(served, AsBytes("")));
  HILUM_ASSERT_OK_AND_ASSIGN(log_, Log::Open(Options(true), federation_.LogKey()));
  EXPECT_EQ(log_->Published().size, 0u);
  EXPECT_THAT(log_->Prove(0), StatusIs(StatusCode::kUnavailable, "entry 0"));
  HILUM_ASSERT_OK(log_->Publish(Cosigned(log_->CheckpointNote(), 1000)));
  HILUM_EXPECT_OK(log_->Prove(0));
}

}  // namespace
}  // namespace hilum::ledger_anchor

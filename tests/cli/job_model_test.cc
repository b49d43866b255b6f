#include "cli/job_model.h"

#include "crypto/tree.h"
#include "ledger_anchor/checkpoint.h"
#include "ledger_anchor/entry.h"
#include "ledger_anchor/proof.h"
#include "tests/cli/job_fixture.h"

namespace hilum::cli {
namespace {

using absl::StatusCode;
using testing::HasSubstr;

constexpr char kOrigin[] = "demo.example/ledger";

// A log of two entries, the second of which is the round-close under test.
class ModelOfARound : public testing::Test {
 protected:
  ModelOfARound() {
    credentials_.origin = kOrigin;
    credentials_.log_vkey = ledger_anchor::FormatVerifierKey(ledger_anchor::MakeVerifierKey(
        kOrigin, ledger_anchor::KeyType::kEd25519, log_key_.public_key()));
    credentials_.entry_key = crypto::ToBase64(entry_key_.public_key());
    close_.round = 2;
    close_.status = "ok";
    close_.model = crypto::Sha256(file_);
    close_.cohort = {.n = 2, .items = {"hospital-a", "hospital-b"}};
    close_.updates.n = 2;
    close_.rule.name = "fedavg";
    close_.secagg = ledger_anchor::RoundClose::Secagg();
    close_.metrics = {.n = 1, .items = {{.name = "loss", .value = "0.5", .n = 68}}};
  }

  std::string Proof(const crypto::SigningKey& log_key, const crypto::SigningKey& entry_key) const {
    const ledger_anchor::Entry entry{
        .by = "aggregator", .t = 1767000000, .study = "cxr-demo", .body = close_};
    const absl::StatusOr<std::string> text = ledger_anchor::SignEntry(entry, kOrigin, entry_key);
    EXPECT_THAT(text, IsOk());
    const Digest first = crypto::LeafHash(AsBytes("first"));
    crypto::TreeHasher tree;
    tree.AddLeafHash(first);
    tree.Add(AsBytes(*text));
    ledger_anchor::TlogProof proof;
    proof.extra = *text;
    proof.index = 1;
    proof.hashes = {first};
    proof.checkpoint =
        ledger_anchor::SignCheckpoint({.origin = kOrigin, .size = 2, .root = tree.Root()}, log_key);
    return ledger_anchor::FormatTlogProof(proof);
  }
  absl::StatusOr<ProvenModel> Check(const std::string& proof, uint64_t round = 2) const {
    return CheckModelProof(
        credentials_, {.job = "cxr-demo", .round = round, .proof = proof, .now_s = 1767000100});
  }
  absl::StatusOr<ProvenModel> Check() const { return Check(Proof(log_key_, entry_key_)); }

  const crypto::SigningKey log_key_ = crypto::SigningKey::FromSeed({1});
  const crypto::SigningKey entry_key_ = crypto::SigningKey::FromSeed({2});
  const Bytes file_ = SmallModel({1, 2, 3, 4, 5, 6, 7, 8}, "2");
  LeadCredentials credentials_;
  ledger_anchor::RoundClose close_;
  TestFolder folder_;
};

TEST_F(ModelOfARound, IsProvenByItsRoundClose) {
  HILUM_ASSERT_OK_AND_ASSIGN(const ProvenModel proven, Check());
  EXPECT_EQ(proven.sha256, crypto::Sha256(file_));
  EXPECT_EQ(proven.index, 1);
  EXPECT_TRUE(proven.quorum_none);
  EXPECT_THAT(proven.cohort, testing::ElementsAre("hospital-a", "hospital-b"));
}

TEST_F(ModelOfARound, NeedsThePinnedKeys) {
  const crypto::SigningKey other = crypto::SigningKey::FromSeed({3});
  EXPECT_THAT(Check(Proof(other, entry_key_)), StatusIs(StatusCode::kDataLoss, ""));
  EXPECT_THAT(Check(Proof(log_key_, other)), StatusIs(StatusCode::kDataLoss, ""));
}

TEST_F(ModelOfARound, NeedsTheWitnessesOfTheLeadsPolicy) {
  HILUM_ASSERT_OK_AND_ASSIGN(const ledger_anchor::VerifierKey log,
                             ledger_anchor::ParseVerifierKey(credentials_.log_vkey));
  const ledger_anchor::VerifierKey witness = ledger_anchor::MakeVerifierKey(
      "demo/ledger/witness/hospital-a", ledger_anchor::KeyType::kCosignature,
      crypto::SigningKey::FromSeed({9}).public_key());
  HILUM_ASSERT_OK_AND_ASSIGN(credentials_.policy, ledger_anchor::MakePolicy(log, {witness}, 1));
  EXPECT_THAT(Check(), StatusIs(StatusCode::kPermissionDenied, "quorum"));
}

TEST_F(ModelOfARound, NeedsTheRoundThatWasAskedFor) {
  EXPECT_THAT(Check(Proof(log_key_, entry_key_), 3), StatusIs(StatusCode::kDataLoss, ""));
}

TEST_F(ModelOfARound, NeedsARoundThatMadeOne) {
  close_.status = "aborted";
  close_.base_model = close_.model;
  close_.dropped = close_.cohort;
  close_.cohort = {};
  close_.updates = {};
  close_.secagg.reset();
  EXPECT_THAT(Check(), StatusIs(StatusCode::kFailedPrecondition, "was aborted"));
}

TEST_F(ModelOfARound, BecomesAFolderThatCanBeVerified) {
  HILUM_ASSERT_OK_AND_ASSIGN(const ProvenModel proven, Check());
  const fs::path out = folder_.path() / "model";
  HILUM_ASSERT_OK(WriteModelFolder(out, SmallPlan(), proven, credentials_, file_));
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string json, ReadTextFile(out / "model.json", 1 << 16));
  HILUM_ASSERT_OK_AND_ASSIGN(const proto::ModelDescription model,
                             proto::ModelDescriptionFromJson(json));
  EXPECT_EQ(model.round, 2);
  EXPECT_EQ(model.origin, kOrigin);
  EXPECT_EQ(model.input_size, (std::vector<int64_t>{3, 128, 128}));
  HILUM_ASSERT_OK_AND_ASSIGN(const Bytes file, ReadFile(out / "model.safetensors", 1 << 20));
  EXPECT_EQ(file, file_);
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string proof,
                             ReadTextFile(out / "round.tlog-proof", 1 << 20));
  HILUM_EXPECT_OK(Check(proof));
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string policy, ReadTextFile(out / "policy", 1 << 16));
  HILUM_EXPECT_OK(ledger_anchor::ParsePolicy(policy));
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string card, ReadTextFile(out / "MODEL_CARD.md", 1 << 16));
  EXPECT_THAT(card, HasSubstr("Research use only"));
  EXPECT_THAT(card, HasSubstr("no witness vouches for the log"));
  EXPECT_THAT(card, HasSubstr("Nothing is stated here"));
}

TEST_F(ModelOfARound, RefusesAFileThatTheLedgerDoesNotName) {
  HILUM_ASSERT_OK_AND_ASSIGN(const ProvenModel proven, Check());
  Bytes changed = file_;
  changed.back() ^= 1;
  EXPECT_THAT(
      WriteModelFolder(folder_.path() / "model", SmallPlan(), proven, credentials_, changed),
      StatusIs(StatusCode::kDataLoss, "the ledger says"));
  EXPECT_FALSE(fs::exists(folder_.path() / "model"));
}

TEST_F(ModelOfARound, RefusesAnotherLayoutThanThePlans) {
  HILUM_ASSERT_OK_AND_ASSIGN(const ProvenModel proven, Check());
  proto::RoundPlan plan = SmallPlan();
  plan.spec.tensors[0].shape = {3, 2};
  EXPECT_THAT(WriteModelFolder(folder_.path() / "model", plan, proven, credentials_, file_),
              StatusIs(StatusCode::kDataLoss, "fc.weight"));
}

}  // namespace
}  // namespace hilum::cli

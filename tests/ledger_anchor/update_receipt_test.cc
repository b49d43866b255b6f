// A site's receipt of a round: what it shows, and what is no receipt.
#include "ledger_anchor/update_receipt.h"

#include <gtest/gtest.h>

#include "ledger_anchor/proof.h"
#include "tests/ledger_anchor/federation.h"
#include "tests/status_matchers.h"

namespace hilum::ledger_anchor {
namespace {

using absl::StatusCode;

// One round of two sites, both counted.
class Receipts : public ::testing::Test {
 protected:
  void SetUp() override {
    federation_.Start();
    federation_.Add(federation_.OpenDraft());
    for (uint16_t i = 0; i < 2; ++i) {
      leaves_.push_back({i, H("root " + std::to_string(i)), {}});
      leaves_.back().signature.bytes[0] = static_cast<uint8_t>(7 + i);
    }
    Entry close = federation_.CloseDraft();
    std::get<RoundClose>(close.body).updates.root = UpdatesRoot(leaves_).value();
    federation_.Add(close);
    pins_.policy = ParsePolicy(MakePolicyWithoutWitnesses(federation_.LogVkey())).value();
    pins_.entry_key = federation_.ServerKey().public_key();
  }
  std::string Proof(uint64_t index) const {
    TreeHashes tree;
    for (const std::string& text : federation_.texts) tree.Add(crypto::LeafHash(AsBytes(text)));
    const std::string note = SignCheckpoint(
        {.origin = Federation::kOrigin, .size = tree.size(), .root = tree.Root(), .extensions = {}},
        federation_.LogKey());
    return FormatTlogProof({federation_.texts[index], index,
                            ProveInclusion(index, tree.size(), tree.reader()).value(), note});
  }
  UpdateReceipt Good() const {
    return {.leaf = leaves_[1],
            .position = 1,
            .path = ProveUpdate(leaves_, 1).value(),
            .proof = Proof(federation_.texts.size() - 1)};
  }
  absl::StatusOr<CheckedUpdateReceipt> Check(const UpdateReceipt& receipt) const {
    return CheckUpdateReceipt(receipt, pins_, 1767000500);
  }
  Federation federation_;
  GatePins pins_;
  std::vector<UpdateLeaf> leaves_;
};

TEST_F(Receipts, ShowThatAnUpdateCounts) {
  HILUM_ASSERT_OK_AND_ASSIGN(const CheckedUpdateReceipt shown, Check(Good()));
  EXPECT_EQ(shown.study, Federation::kStudy);
  EXPECT_EQ(shown.round, 1u);
  EXPECT_EQ(shown.site, "hospital-b");
  EXPECT_EQ(shown.counted, 2u);
  EXPECT_EQ(shown.model, H("model 1"));
  EXPECT_TRUE(shown.quorum_none);
}

TEST_F(Receipts, OutliveEveryCheckpoint) {
  HILUM_EXPECT_OK(CheckUpdateReceipt(Good(), pins_, 1767000500 + 20ULL * 365 * 86400));
}

TEST_F(Receipts, AreOfOneUpdateAlone) {
  UpdateReceipt receipt = Good();
  receipt.leaf.root[0] ^= 1;
  EXPECT_THAT(Check(receipt), StatusIs(StatusCode::kDataLoss, "is not shown to count"));
  receipt = Good();
  receipt.leaf.signature.bytes[0] ^= 1;
  EXPECT_THAT(Check(receipt), StatusIs(StatusCode::kDataLoss, "is not shown to count"));
  receipt = Good();
  receipt.position = 0;
  EXPECT_THAT(Check(receipt), StatusIs(StatusCode::kDataLoss, "is not shown to count"));
}

TEST_F(Receipts, AreOfARoundClose) {
  UpdateReceipt receipt = Good();
  receipt.proof = Proof(federation_.texts.size() - 2);  // the round-open
  EXPECT_THAT(Check(receipt), StatusIs(StatusCode::kDataLoss, ""));
  pins_.entry_key = federation_.SiteKey("hospital-a").public_key();
  EXPECT_THAT(Check(Good()), StatusIs(StatusCode::kDataLoss, ""));
}

TEST_F(Receipts, HaveOneSpelling) {
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string text, FormatUpdateReceipt(Good()));
  HILUM_ASSERT_OK_AND_ASSIGN(const UpdateReceipt read, ParseUpdateReceipt(text));
  EXPECT_EQ(FormatUpdateReceipt(read).value(), text);
  HILUM_EXPECT_OK(Check(read));
  EXPECT_THAT(ParseUpdateReceipt(text + "\n"), StatusIs(StatusCode::kDataLoss, "malformed"));
  EXPECT_THAT(ParseUpdateReceipt("{}\n"), StatusIs(StatusCode::kDataLoss, "malformed"));
}

TEST(NamesOf, ReadsAnAnnexBackAndNothingElse) {
  std::vector<std::string> names;
  for (int i = 0; i < 70; ++i) names.push_back("site-" + std::to_string(i));
  std::string annex;
  HILUM_ASSERT_OK_AND_ASSIGN(const NameList list, MakeNameList(names, &annex));
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<std::string> read, NamesOf(list, annex));
  EXPECT_EQ(read, names);
  EXPECT_THAT(NamesOf(list, annex + " "), StatusIs(StatusCode::kDataLoss, "hashes otherwise"));
  NameList longer = list;
  ++longer.n;
  EXPECT_THAT(NamesOf(longer, annex), StatusIs(StatusCode::kDataLoss, "has 70 names"));
  for (const std::string wrong : {"{}", "[1]", "[\"no name\"]", "["}) {
    NameList other{.n = 1, .items = {}, .annex = crypto::Sha256(wrong)};
    EXPECT_THAT(NamesOf(other, wrong), StatusIs(StatusCode::kDataLoss, "the annex of a list"));
  }
}

}  // namespace
}  // namespace hilum::ledger_anchor

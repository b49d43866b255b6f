#include "ledger_anchor/gate.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "ledger_anchor/cosign.h"
#include "ledger_anchor/proof.h"
#include "tests/ledger_anchor/federation.h"
#include "tests/status_matchers.h"

namespace hilum::ledger_anchor {
namespace {

using absl::StatusCode;

constexpr uint64_t kNow = 1767000500;

class Gate : public ::testing::Test {
 protected:
  void SetUp() override {
    federation_.FillTo(9);
    pins_.policy = ParsePolicy(MakePolicyWithoutWitnesses(federation_.LogVkey())).value();
    pins_.entry_key = federation_.ServerKey().public_key();
  }
  TreeHashes Tree(size_t n) const {
    TreeHashes tree;
    for (size_t i = 0; i < n; ++i) tree.Add(crypto::LeafHash(AsBytes(federation_.texts[i])));
    return tree;
  }
  std::string Note(size_t n) const {
    return SignCheckpoint(
        {.origin = Federation::kOrigin, .size = n, .root = Tree(n).Root(), .extensions = {}},
        federation_.LogKey());
  }
  TlogProof Proof(uint64_t index, size_t n) const {
    const TreeHashes tree = Tree(n);
    return {federation_.texts[index], index, ProveInclusion(index, n, tree.reader()).value(),
            Note(n)};
  }
  AcceptedCheckpoint Accepted(size_t n) const { return {n, Tree(n).Root(), Note(n)}; }
  HashList Consistency(size_t old_size, size_t n) const {
    const TreeHashes tree = Tree(n);
    return ledger_anchor::ProveConsistency(old_size, n, tree.reader()).value();
  }
  absl::StatusOr<ProvenEntry> Check(const TlogProof& proof, const HashList& consistency = {},
                                    std::optional<AcceptedCheckpoint> last = std::nullopt) const {
    const std::string text = FormatTlogProof(proof);
    return CheckProof(pins_, {.proof = text,
                              .consistency = consistency,
                              .last = std::move(last),
                              .now_s = kNow,
                              .expected = expected_});
  }
  Federation federation_;
  GatePins pins_;
  // Entry 6 of FillTo: round 2 closes.
  GateExpectation expected_{"round-close", Federation::kStudy, 2};
};

TEST_F(Gate, LetsAProvenEntryThrough) {
  HILUM_ASSERT_OK_AND_ASSIGN(const ProvenEntry proven, Check(Proof(6, 9)));
  EXPECT_EQ(proven.place().index, 6u);
  EXPECT_EQ(proven.place().leaf_hash, crypto::LeafHash(AsBytes(federation_.texts[6])));
  EXPECT_EQ(std::get<RoundClose>(proven.entry().body).model, H("model 2"));
  EXPECT_EQ(proven.accepted().size, 9u);
  EXPECT_EQ(proven.accepted().note, Note(9));
  EXPECT_TRUE(proven.quorum_none());
}

TEST_F(Gate, FollowsTheLogAsItGrows) {
  HILUM_EXPECT_OK(Check(Proof(6, 9), Consistency(4, 9), Accepted(4)));
  HILUM_EXPECT_OK(Check(Proof(6, 9), {}, Accepted(9)));
}

TEST_F(Gate, RefusesAProofWithoutItsEntry) {
  TlogProof proof = Proof(6, 9);
  proof.extra.clear();
  EXPECT_THAT(Check(proof), StatusIs(StatusCode::kDataLoss, "carries no entry"));
  proof.extra = federation_.texts[4];
  EXPECT_THAT(Check(proof), StatusIs(StatusCode::kDataLoss, "inclusion"));
}

TEST_F(Gate, RefusesEachChangedPartOfTheProof) {
  TlogProof proof = Proof(6, 9);
  proof.index = 5;
  EXPECT_THAT(Check(proof), StatusIs(StatusCode::kDataLoss, "inclusion"));
  proof = Proof(6, 9);
  proof.hashes[1][0] ^= 1;
  EXPECT_THAT(Check(proof), StatusIs(StatusCode::kDataLoss, "inclusion"));
  proof = Proof(6, 9);
  proof.hashes.pop_back();
  EXPECT_THAT(Check(proof), StatusIs(StatusCode::kDataLoss, "inclusion"));
  const std::string text = FormatTlogProof(Proof(6, 9));
  for (size_t i = 0; i < text.size(); ++i) {
    std::string changed = text;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(CheckProof(pins_, {.proof = changed, .now_s = kNow, .expected = expected_}).ok())
        << i;
  }
}

TEST_F(Gate, BelievesThePinnedKeysOnly) {
  pins_.entry_key = federation_.SiteKey("x").public_key();
  EXPECT_THAT(Check(Proof(6, 9)), StatusIs(StatusCode::kDataLoss, "key"));
  pins_.entry_key = federation_.ServerKey().public_key();
  const VerifierKey other = MakeVerifierKey(Federation::kOrigin, KeyType::kEd25519,
                                            federation_.SiteKey("x").public_key());
  pins_.policy = ParsePolicy(MakePolicyWithoutWitnesses(other)).value();
  EXPECT_THAT(Check(Proof(6, 9)), StatusIs(StatusCode::kDataLoss, "known key"));
}

// An entry of a member is in the log rightfully, but it opens no round.
TEST_F(Gate, WantsTheAggregatorsEntry) {
  Entry incident = federation_.Draft(Incident{"policy", 1, "x", H("e")});
  incident.by = "hospital-a";
  federation_.AddText(
      SignEntry(incident, Federation::kOrigin, federation_.SiteKey("hospital-a")).value());
  expected_ = {"incident", Federation::kStudy, std::nullopt};
  EXPECT_THAT(Check(Proof(9, 10)), StatusIs(StatusCode::kDataLoss, "names the key"));
}

TEST_F(Gate, WantsTheEntryItAskedFor) {
  EXPECT_THAT(Check(Proof(5, 9)), StatusIs(StatusCode::kDataLoss, "type round-open"));
  EXPECT_THAT(Check(Proof(4, 9)), StatusIs(StatusCode::kDataLoss, "round 1, expected is 2"));
  expected_.study = "ct-2";
  EXPECT_THAT(Check(Proof(6, 9)), StatusIs(StatusCode::kDataLoss, "study cxr-1"));
  expected_ = {"genesis", "", 1};
  EXPECT_THAT(Check(Proof(0, 9)), StatusIs(StatusCode::kDataLoss, "round none"));
}

// A stale checkpoint, correctly signed, is shown again: the log went back.
TEST_F(Gate, RefusesARollbackAndKeepsBothNotes) {
  const auto rolled_back = Check(Proof(6, 8), {}, Accepted(9));
  EXPECT_THAT(rolled_back, StatusIs(StatusCode::kDataLoss, "went back from size 9"));
  const auto evidence = rolled_back.status().GetPayload(kForkPayload);
  ASSERT_TRUE(evidence.has_value());
  EXPECT_EQ(std::string(*evidence), Note(9) + "\n" + Note(8));
}

TEST_F(Gate, RefusesAForkAndKeepsBothNotes) {
  // The other side's history: the same size, another last entry.
  Federation other;
  other.FillTo(8);
  Entry close = other.CloseDraft("aborted");
  other.Add(close);
  TreeHashes tree;
  for (const std::string& text : other.texts) tree.Add(crypto::LeafHash(AsBytes(text)));
  const std::string note = SignCheckpoint(
      {.origin = Federation::kOrigin, .size = 9, .root = tree.Root(), .extensions = {}},
      other.LogKey());
  const AcceptedCheckpoint last{9, tree.Root(), note};
  const auto forked = Check(Proof(6, 9), {}, last);
  EXPECT_THAT(forked, StatusIs(StatusCode::kDataLoss, "two roots at size 9"));
  EXPECT_EQ(std::string(forked.status().GetPayload(kForkPayload).value()), note + "\n" + Note(9));
  // A fork that grew on cannot prove that it extends what was accepted.
  federation_.FillTo(12);
  const auto grown = Check(Proof(6, 12), Consistency(9, 12), last);
  EXPECT_THAT(grown, StatusIs(StatusCode::kDataLoss, "not shown to extend"));
  EXPECT_TRUE(grown.status().GetPayload(kForkPayload).has_value());
}

TEST_F(Gate, WantsTheConsistencyProof) {
  EXPECT_THAT(Check(Proof(6, 9), {}, Accepted(4)), StatusIs(StatusCode::kDataLoss, "not shown"));
  HashList proof = Consistency(4, 9);
  proof[0][0] ^= 1;
  EXPECT_THAT(Check(Proof(6, 9), proof, Accepted(4)), StatusIs(StatusCode::kDataLoss, "not shown"));
}

class WitnessedGate : public Gate {
 protected:
  void SetUp() override {
    Gate::SetUp();
    std::string text = absl::StrCat("log ", FormatVerifierKey(federation_.LogVkey()), "\n");
    for (int i = 1; i <= 3; ++i) {
      const VerifierKey key =
          MakeVerifierKey(absl::StrCat("w", i), KeyType::kCosignature, WitnessKey(i).public_key());
      absl::StrAppend(&text, "witness w", i, " ", FormatVerifierKey(key), "\n");
    }
    pins_.policy = ParsePolicy(text + "group g 3 w1 w2 w3\nquorum g\n").value();
    pins_.faults = 2;
  }
  static crypto::SigningKey WitnessKey(int i) {
    return crypto::SigningKey::FromSeed(H("witness " + std::to_string(i)));
  }
  TlogProof Cosigned(int n, uint64_t time_s) const {
    TlogProof proof = Proof(6, 9);
    ledger_anchor::Note note = ParseNote(proof.checkpoint).value();
    for (int i = 1; i <= n; ++i) {
      note.lines.push_back(
          Cosign({.checkpoint_text = note.text, .name = absl::StrCat("w", i), .time_s = time_s},
                 WitnessKey(i))
              .value());
    }
    proof.checkpoint = FormatNote(note);
    return proof;
  }
};

TEST_F(WitnessedGate, AsksForItsOwnQuorum) {
  HILUM_ASSERT_OK_AND_ASSIGN(const ProvenEntry proven, Check(Cosigned(3, kNow - 10)));
  EXPECT_EQ(proven.witnesses().size(), 3u);
  EXPECT_FALSE(proven.quorum_none());
  EXPECT_THAT(Check(Cosigned(2, kNow - 10)), StatusIs(StatusCode::kPermissionDenied, "quorum"));
  EXPECT_THAT(Check(Cosigned(3, kNow - 3601)), StatusIs(StatusCode::kPermissionDenied, "3600"));
  EXPECT_THAT(Check(Cosigned(3, kNow + 301)), StatusIs(StatusCode::kPermissionDenied, "3600"));
}

TEST_F(WitnessedGate, RefusesAQuorumThatDoesNotCoverItsFaults) {
  pins_.faults = 3;
  EXPECT_THAT(Check(Cosigned(3, kNow)), StatusIs(StatusCode::kPermissionDenied, "does not cover"));
}

}  // namespace
}  // namespace hilum::ledger_anchor

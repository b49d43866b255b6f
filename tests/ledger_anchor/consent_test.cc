// Consent in the ledger: events, active sets, manifests and the auditor's sample.
#include <gtest/gtest.h>

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "crypto/tree.h"
#include "ledger_anchor/consent_audit.h"
#include "tests/ledger_anchor/federation.h"
#include "tests/status_matchers.h"

namespace hilum::ledger_anchor {
namespace {

using absl::StatusCode;

std::string Pid(const std::string& patient) { return ToHex(H("pid of " + patient)); }
std::string Zeros() { return std::string(64, '0'); }

TEST(ConsentEvents, HaveOneSpelling) {
  const ConsentEvent event{Pid("a"), "revoke", H("scope"), 1767000000};
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string text, EncodeConsentEvent(event));
  EXPECT_EQ(text, absl::StrCat(R"({"action":"revoke","pid":")", Pid("a"), R"(","scope":")",
                               ToHex(H("scope")), R"(","t":1767000000})"));
  HILUM_ASSERT_OK_AND_ASSIGN(const ConsentEvent again, ParseConsentEvent(text));
  EXPECT_EQ(again, event);
  for (const std::string& other :
       {text + " ", absl::StrCat("{\"x\":1,", text.substr(1)), std::string("[]"), std::string()}) {
    EXPECT_THAT(ParseConsentEvent(other), StatusIs(StatusCode::kDataLoss, "")) << other;
  }
  EXPECT_THAT(EncodeConsentEvent({"Jane Doe", "grant", {}, 0}),
              StatusIs(StatusCode::kInvalidArgument, "64 lowercase"));
  EXPECT_THAT(EncodeConsentEvent({Pid("a"), "maybe", {}, 0}),
              StatusIs(StatusCode::kInvalidArgument, "grant, revoke or expire"));
}

TEST(ActiveTrees, ProveWhoIsInAndWhoIsNot) {
  for (size_t n = 0; n < 20; ++n) {
    std::vector<std::string> pids;
    for (size_t i = 0; i < n; ++i) pids.push_back(Pid(std::to_string(i)));
    HILUM_ASSERT_OK_AND_ASSIGN(const ActiveTree tree, ActiveTree::Create(pids));
    EXPECT_EQ(tree.claim().size, n + 2);
    for (const std::string& pid : pids) {
      HILUM_ASSERT_OK_AND_ASSIGN(const ActiveLeaf leaf, tree.Prove(pid));
      HILUM_EXPECT_OK(VerifyActive(tree.claim(), leaf));
      EXPECT_THAT(tree.ProveAbsence(pid), StatusIs(StatusCode::kAlreadyExists, pid));
    }
    for (const char* stranger : {"x", "y", "z"}) {
      EXPECT_THAT(tree.Prove(Pid(stranger)), StatusIs(StatusCode::kNotFound, Pid(stranger)));
      HILUM_ASSERT_OK_AND_ASSIGN(const ActiveAbsence absence, tree.ProveAbsence(Pid(stranger)));
      HILUM_EXPECT_OK(VerifyNotActive(tree.claim(), Pid(stranger), absence));
    }
  }
  EXPECT_THAT(ActiveTree::Create({Pid("a"), Pid("a")}),
              StatusIs(StatusCode::kInvalidArgument, "twice"));
  EXPECT_THAT(ActiveTree::Create({Zeros()}), StatusIs(StatusCode::kInvalidArgument, "sentinel"));
  EXPECT_THAT(ActiveTree::Create({"a"}), StatusIs(StatusCode::kInvalidArgument, "64 lowercase"));
}

TEST(ActiveTrees, WithoutPatientsHaveTheRootOfTheDocumentation) {
  EXPECT_EQ(ToHex(EmptyActiveRoot()),
            "6d282507c27ea20c5750e539a6df0537b020dc4f28ddcb3b02489138a1852cfb");
}

TEST(ActiveTrees, RefuseAbsenceByLeavesThatAreNoNeighbours) {
  std::vector<std::string> pids;
  for (int i = 0; i < 9; ++i) pids.push_back(Pid(std::to_string(i)));
  std::sort(pids.begin(), pids.end());
  const ActiveTree tree = ActiveTree::Create(pids).value();
  // pids[4] is active; its neighbours are shown as if nothing stood between them.
  const ActiveAbsence hidden{tree.Prove(pids[3]).value(), tree.Prove(pids[5]).value()};
  EXPECT_THAT(VerifyNotActive(tree.claim(), pids[4], hidden),
              StatusIs(StatusCode::kDataLoss, "no neighbours"));
  // The same under another index, or with another size of the tree.
  ActiveAbsence moved = hidden;
  moved.upper.index = moved.lower.index + 1;
  EXPECT_THAT(VerifyNotActive(tree.claim(), pids[4], moved),
              StatusIs(StatusCode::kDataLoss, "not shown"));
  for (uint64_t size = 2; size < 40; ++size) {
    for (uint64_t index = 0; index + 1 < size; ++index) {
      moved.lower.index = index;
      moved.upper.index = index + 1;
      EXPECT_FALSE(VerifyNotActive({tree.claim().root, size}, pids[4], moved).ok());
    }
  }
  // A gap elsewhere says nothing about this pid.
  const ActiveAbsence elsewhere{tree.Prove(pids[0]).value(), tree.Prove(pids[1]).value()};
  EXPECT_THAT(VerifyNotActive(tree.claim(), pids[4], elsewhere),
              StatusIs(StatusCode::kDataLoss, "is not between"));
  // The leaf itself as an end of the gap.
  const ActiveAbsence end{tree.Prove(pids[4]).value(), tree.Prove(pids[5]).value()};
  EXPECT_THAT(VerifyNotActive(tree.claim(), pids[4], end),
              StatusIs(StatusCode::kDataLoss, "is not between"));
}

TEST(ActiveTrees, RefuseALeafOfAnotherTree) {
  const ActiveTree tree = ActiveTree::Create({Pid("a"), Pid("b")}).value();
  const ActiveTree other = ActiveTree::Create({Pid("a"), Pid("c")}).value();
  EXPECT_THAT(VerifyActive(tree.claim(), other.Prove(Pid("a")).value()),
              StatusIs(StatusCode::kDataLoss, "not shown"));
  ActiveLeaf leaf = tree.Prove(Pid("a")).value();
  leaf.pid = Pid("c");
  EXPECT_FALSE(VerifyActive(tree.claim(), leaf).ok());
  leaf = tree.Prove(Pid("a")).value();
  leaf.path[0][5] ^= 1;
  EXPECT_FALSE(VerifyActive(tree.claim(), leaf).ok());
}

// n patients "0" to "n-1" and dummies.
ManifestTree MakeManifest(size_t n) {
  std::vector<ManifestLeaf> leaves;
  for (size_t i = 0; i < n; ++i) {
    leaves.push_back({Pid(std::to_string(i)), H("films"), H("nonce" + std::to_string(i))});
  }
  std::sort(leaves.begin(), leaves.end(),
            [](const ManifestLeaf& a, const ManifestLeaf& b) { return a.pid < b.pid; });
  while (leaves.size() < PaddedCount(n).value()) {
    leaves.push_back({"", {}, H("dummy" + std::to_string(leaves.size()))});
  }
  return ManifestTree::Create(leaves).value();
}

TEST(ManifestTrees, OpenLeavesAndProveAbsence) {
  for (const size_t n : {0u, 1u, 15u, 16u, 17u}) {
    const ManifestTree tree = MakeManifest(n);
    EXPECT_EQ(tree.claim().size, n > 16 ? 32u : 16u);
    for (uint64_t i = 0; i < tree.claim().size; ++i) {
      HILUM_ASSERT_OK_AND_ASSIGN(const OpenedLeaf opened, tree.Open(i));
      HILUM_EXPECT_OK(VerifyManifestLeaf(tree.claim(), opened));
      EXPECT_EQ(opened.leaf.is_dummy(), i >= n);
    }
    for (const char* stranger : {"u", "v", "w", "x", "y", "z"}) {
      HILUM_ASSERT_OK_AND_ASSIGN(const ManifestAbsence absence, tree.ProveAbsence(Pid(stranger)));
      HILUM_EXPECT_OK(VerifyNotInManifest(tree.claim(), Pid(stranger), absence));
    }
  }
  EXPECT_THAT(MakeManifest(3).ProveAbsence(Pid("1")), StatusIs(StatusCode::kAlreadyExists, ""));
  EXPECT_THAT(MakeManifest(3).Open(16), StatusIs(StatusCode::kOutOfRange, "16"));
}

TEST(ManifestTrees, RefuseFalseAbsence) {
  const ManifestTree tree = MakeManifest(9);
  const std::string victim = tree.leaves()[4].pid;
  const auto open = [&](uint64_t i) { return tree.Open(i).value(); };
  const auto verify = [&](std::optional<OpenedLeaf> lower, std::optional<OpenedLeaf> upper) {
    return VerifyNotInManifest(tree.claim(), victim, {std::move(lower), std::move(upper)});
  };
  EXPECT_THAT(verify(open(3), open(5)), StatusIs(StatusCode::kDataLoss, "no neighbours"));
  EXPECT_THAT(verify(std::nullopt, open(5)), StatusIs(StatusCode::kDataLoss, "no neighbours"));
  EXPECT_THAT(verify(open(3), std::nullopt), StatusIs(StatusCode::kDataLoss, "no neighbours"));
  EXPECT_THAT(verify(std::nullopt, std::nullopt), StatusIs(StatusCode::kDataLoss, "no neighbours"));
  EXPECT_THAT(verify(open(4), open(5)), StatusIs(StatusCode::kDataLoss, "not in the gap"));
  EXPECT_THAT(verify(open(0), open(1)), StatusIs(StatusCode::kDataLoss, "not in the gap"));
  // Behind the patients: two dummies are no gap between patients.
  EXPECT_THAT(verify(open(9), open(10)), StatusIs(StatusCode::kDataLoss, "dummy"));
  EXPECT_THAT(verify(open(15), std::nullopt), StatusIs(StatusCode::kDataLoss, "dummy"));
  // A patient's leaf shown as a dummy is another leaf.
  OpenedLeaf disguised = open(4);
  disguised.leaf = {"", {}, disguised.leaf.nonce};
  EXPECT_THAT(verify(open(3), disguised), StatusIs(StatusCode::kDataLoss, "not shown"));
}

TEST(ManifestTrees, HaveOneOrder) {
  std::vector<ManifestLeaf> leaves = MakeManifest(9).leaves();
  std::swap(leaves[2], leaves[3]);
  EXPECT_THAT(ManifestTree::Create(leaves), StatusIs(StatusCode::kInvalidArgument, "above"));
  leaves = MakeManifest(9).leaves();
  std::swap(leaves[8], leaves[12]);
  EXPECT_THAT(ManifestTree::Create(leaves), StatusIs(StatusCode::kInvalidArgument, "above"));
  leaves = MakeManifest(9).leaves();
  leaves.pop_back();
  EXPECT_THAT(ManifestTree::Create(leaves), StatusIs(StatusCode::kInvalidArgument, "15 leaves"));
}

TEST(PaddedCounts, AreTheNextPowerOfTwo) {
  EXPECT_EQ(PaddedCount(0).value(), 16u);
  EXPECT_EQ(PaddedCount(16).value(), 16u);
  EXPECT_EQ(PaddedCount(17).value(), 32u);
  EXPECT_EQ(PaddedCount(1 << 20).value(), 1u << 20);
  EXPECT_THAT(PaddedCount((1 << 20) + 1), StatusIs(StatusCode::kInvalidArgument, "limit"));
}

TEST(Samples, AreDistinctAndOfTheSeedAndTheManifest) {
  const SampleRequest request{"4711", H("leaf"), 64, 20};
  const std::vector<uint64_t> sample = SampleLeaves(request);
  EXPECT_EQ(sample.size(), 20u);
  EXPECT_TRUE(std::is_sorted(sample.begin(), sample.end()));
  EXPECT_EQ(std::adjacent_find(sample.begin(), sample.end()), sample.end());
  EXPECT_LT(sample.back(), 64u);
  EXPECT_EQ(SampleLeaves(request), sample);
  EXPECT_NE(SampleLeaves({"4712", H("leaf"), 64, 20}), sample);
  EXPECT_NE(SampleLeaves({"4711", H("other"), 64, 20}), sample);
  EXPECT_EQ(SampleLeaves({"4711", H("leaf"), 16, 99}).size(), 16u);
}

}  // namespace
}  // namespace hilum::ledger_anchor

// Consent in the ledger: active sets, manifests, receipts and the auditor's check. Each test of a
// lie changes one thing of a history that passes.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "absl/strings/str_cat.h"
#include "crypto/tree.h"
#include "ledger_anchor/consent_audit.h"
#include "ledger_anchor/proof.h"
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

// hospital-a with patients a, b and c who granted, and c who revoked again; one round behind it.
class ConsentHistory : public ::testing::Test {
 protected:
  struct Opening {
    std::string event;
    Digest nonce;
    uint64_t index = 0;  // of the batch
    uint64_t slot = 0;
    HashList path;
  };
  static constexpr const char* kSite = "hospital-a";

  void SetUp() override {
    federation_.Start();
    grants_ = LogBatch({{"a", "grant"}, {"b", "grant"}, {"c", "grant"}});
    revoked_ = LogBatch({{"c", "revoke"}})[0];
    active_ = ActiveTree::Create({Pid("a"), Pid("b")}).value();
    manifest_ = MakePatients({"a", "b"});
    LogRound();
  }
  std::vector<Opening> LogBatch(const std::vector<std::pair<std::string, std::string>>& events) {
    std::vector<Opening> openings;
    std::vector<Digest> commitments;
    for (const auto& [patient, action] : events) {
      Opening one;
      one.event = EncodeConsentEvent({Pid(patient), action, H("scope"), 1767000000}).value();
      one.nonce = H(one.event + "nonce");
      commitments.push_back(CommitEvent(one.event, one.nonce));
      openings.push_back(one);
    }
    while (commitments.size() < 16) {
      commitments.push_back(
          CommitDummy(H(std::to_string(federation_.texts.size() * 100 + commitments.size()))));
    }
    const TreeHashes tree = BatchTree(commitments);
    std::sort(commitments.begin(), commitments.end());
    for (Opening& one : openings) {
      const auto at = std::lower_bound(commitments.begin(), commitments.end(),
                                       CommitEvent(one.event, one.nonce));
      one.slot = static_cast<uint64_t>(at - commitments.begin());
      one.path = ProveInclusion(one.slot, 16, tree.reader()).value();
      one.index = federation_.texts.size();
    }
    const Entry batch = federation_.Draft(ConsentBatch{kSite, tree.Root(), 16});
    federation_.AddText(federation_.SignAs(batch, kSite));
    return openings;
  }
  static ManifestTree MakePatients(const std::vector<std::string>& patients) {
    std::vector<ManifestLeaf> leaves;
    for (const std::string& patient : patients) {
      leaves.push_back({Pid(patient), H("films of " + patient), H("nonce of " + patient)});
    }
    std::sort(leaves.begin(), leaves.end(),
              [](const ManifestLeaf& a, const ManifestLeaf& b) { return a.pid < b.pid; });
    while (leaves.size() < 16) {
      leaves.push_back({"", {}, H("dummy " + std::to_string(leaves.size()))});
    }
    return ManifestTree::Create(leaves).value();
  }
  // Opens the next round, logs the manifest of active_ and manifest_, closes.
  void LogRound() {
    federation_.Add(federation_.OpenDraft());
    Entry entry = federation_.ManifestDraft(kSite);
    auto& body = std::get<TrainManifest>(entry.body);
    body.active_root = active_->claim().root;
    body.manifest_root = manifest_->claim().root;
    body.manifest_count = manifest_->claim().size;
    manifest_leaf_ =
        crypto::LeafHash(AsBytes(federation_.AddText(federation_.SignAs(entry, kSite))));
    federation_.Add(federation_.CloseDraft());
  }
  LogView View() const {
    LogView view;
    for (const std::string& text : federation_.texts) {
      view.entries.push_back(
          {view.entries.size(), crypto::LeafHash(AsBytes(text)), text, ParseEntry(text).value()});
      view.hashes.Add(view.entries.back().leaf_hash);
    }
    return view;
  }
  // A .tlog-proof under a checkpoint of the log's key, without witnesses.
  std::string Prove(uint64_t index) const {
    const LogView view = View();
    TlogProof proof;
    proof.extra = view.entries[index].text;
    proof.index = index;
    proof.hashes = ProveInclusion(index, view.hashes.size(), view.hashes.reader()).value();
    proof.checkpoint = SignCheckpoint(
        {Federation::kOrigin, view.hashes.size(), view.hashes.Root(), {}}, federation_.LogKey());
    return FormatTlogProof(proof);
  }
  ConsentReceipt Receipt(const Opening& one) const {
    return {one.event, one.nonce,        one.slot,
            one.path,  Prove(one.index), federation_.SiteKey(kSite).public_key()};
  }
  GatePins Pins() const {
    GatePins pins;
    pins.policy = ParsePolicy(absl::StrCat("log ", FormatVerifierKey(federation_.LogVkey()),
                                           "\nquorum none\n"))
                      .value();
    pins.entry_key = federation_.ServerKey().public_key();
    return pins;
  }
  Disclosure Disclose(uint64_t n_samples = 16) const {
    Disclosure disclosure{Federation::kStudy, kSite, 1, "4711", active_->claim().size, {}, {}};
    for (const uint64_t index :
         SampleLeaves({"4711", manifest_leaf_, manifest_->claim().size, n_samples})) {
      SampledLeaf leaf{manifest_->Open(index).value(), std::nullopt};
      if (active_->Holds(leaf.manifest.leaf.pid)) {
        leaf.active = active_->Prove(leaf.manifest.leaf.pid).value();
      }
      disclosure.leaves.push_back(leaf);
    }
    if (active_->Holds(Pid("c")) || !manifest_->ProveAbsence(Pid("c")).ok()) return disclosure;
    disclosure.revoked.push_back({revoked_.event, revoked_.nonce, revoked_.index, revoked_.slot,
                                  revoked_.path, active_->ProveAbsence(Pid("c")).value(),
                                  manifest_->ProveAbsence(Pid("c")).value()});
    return disclosure;
  }
  absl::Status Audit(const Disclosure& disclosure, std::vector<ConsentReceipt> receipts = {}) {
    const LogView view = View();
    return AuditConsent(view, disclosure, {"4711", 16, std::move(receipts)}).status();
  }

  Federation federation_;
  std::vector<Opening> grants_;
  Opening revoked_;
  std::optional<ActiveTree> active_;
  std::optional<ManifestTree> manifest_;
  Digest manifest_leaf_{};
};

TEST_F(ConsentHistory, AReceiptShowsItsEventOffline) {
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string text, FormatReceipt(Receipt(revoked_)));
  HILUM_ASSERT_OK_AND_ASSIGN(const ConsentReceipt receipt, ParseReceipt(text));
  EXPECT_EQ(receipt, Receipt(revoked_));
  HILUM_ASSERT_OK_AND_ASSIGN(const CheckedReceipt checked, CheckReceipt(receipt, Pins(), 1));
  EXPECT_EQ(checked.event.action, "revoke");
  EXPECT_EQ(checked.event.pid, Pid("c"));
  EXPECT_EQ(checked.site, kSite);
  EXPECT_EQ(checked.study, Federation::kStudy);
  EXPECT_EQ(checked.place.index, 4u);
  EXPECT_TRUE(checked.quorum_none);
}

TEST_F(ConsentHistory, AForgedReceiptIsRefused) {
  const auto refusal = [&](const std::function<void(ConsentReceipt&)>& change) {
    ConsentReceipt receipt = Receipt(revoked_);
    change(receipt);
    return CheckReceipt(receipt, Pins(), 1).status();
  };
  HILUM_EXPECT_OK(refusal([](ConsentReceipt&) {}));
  // Of another patient, of another action, of another time.
  EXPECT_THAT(refusal([](ConsentReceipt& r) {
                r.event = EncodeConsentEvent({Pid("a"), "revoke", H("scope"), 1767000000}).value();
              }),
              StatusIs(StatusCode::kDataLoss, "not shown to stand in the batch"));
  EXPECT_THAT(refusal([](ConsentReceipt& r) { r.nonce[3] ^= 1; }),
              StatusIs(StatusCode::kDataLoss, "not shown to stand"));
  EXPECT_THAT(refusal([](ConsentReceipt& r) { r.slot ^= 1; }),
              StatusIs(StatusCode::kDataLoss, "not shown to stand"));
  EXPECT_THAT(refusal([](ConsentReceipt& r) { r.path[1][0] ^= 1; }),
              StatusIs(StatusCode::kDataLoss, "not shown to stand"));
  EXPECT_THAT(refusal([](ConsentReceipt& r) { r.event = "{}"; }),
              StatusIs(StatusCode::kDataLoss, "event"));
  // The event of one batch under the proof of another one; an entry that is no batch.
  EXPECT_THAT(refusal([&](ConsentReceipt& r) { r.proof = Prove(grants_[0].index); }),
              StatusIs(StatusCode::kDataLoss, "not shown to stand"));
  EXPECT_THAT(refusal([&](ConsentReceipt& r) {
                r.proof = Prove(0);
                r.entry_key = federation_.ServerKey().public_key();
              }),
              StatusIs(StatusCode::kDataLoss, "expected is consent-batch"));
  // Another site's key; a ledger that the reader has not pinned.
  EXPECT_THAT(refusal([&](ConsentReceipt& r) {
                r.entry_key = federation_.SiteKey("hospital-b").public_key();
              }),
              StatusIs(StatusCode::kDataLoss, "key"));
  GatePins others = Pins();
  others.policy.logs[0].key = MakeVerifierKey(Federation::kOrigin, KeyType::kEd25519,
                                              crypto::SigningKey::FromSeed({5}).public_key());
  EXPECT_THAT(CheckReceipt(Receipt(revoked_), others, 1), StatusIs(StatusCode::kDataLoss, ""));
}

TEST_F(ConsentHistory, AReceiptHasOneSpelling) {
  const std::string text = FormatReceipt(Receipt(revoked_)).value();
  for (const std::string& other :
       {text.substr(0, text.size() - 1), text + "\n", absl::StrCat("{\"a\":1,", text.substr(1)),
        text.substr(0, 40), std::string("\n"), std::string(kReceiptLimitBytes, ' ') + "\n"}) {
    EXPECT_THAT(ParseReceipt(other), StatusIs(StatusCode::kDataLoss, "malformed"));
  }
}

TEST_F(ConsentHistory, AnAuditPasses) {
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string text, FormatDisclosure(Disclose()));
  HILUM_ASSERT_OK_AND_ASSIGN(const Disclosure disclosure, ParseDisclosure(text));
  const LogView view = View();
  HILUM_ASSERT_OK_AND_ASSIGN(const AuditReport report,
                             AuditConsent(view, disclosure, {"4711", 16, {Receipt(revoked_)}}));
  EXPECT_EQ(report.n_leaves, 16u);
  EXPECT_EQ(report.n_patients, 2u);
  EXPECT_EQ(report.n_dummies, 14u);
  EXPECT_EQ(report.n_revoked, 1u);
  EXPECT_EQ(report.n_receipts, 1u);
  EXPECT_EQ(report.entries.consent_size, 5u);
  EXPECT_EQ(report.entries.open->index, 5u);
}

TEST_F(ConsentHistory, APatientOutsideTheActiveSetIsFound) {
  manifest_ = MakePatients({"a", "b", "stranger"});
  LogRound();
  Disclosure disclosure = Disclose();
  disclosure.round = 2;
  EXPECT_THAT(Audit(disclosure), StatusIs(StatusCode::kDataLoss, Pid("stranger")));
  // With the proof of another patient in its place.
  for (SampledLeaf& leaf : disclosure.leaves) {
    if (leaf.manifest.leaf.pid == Pid("stranger")) leaf.active = active_->Prove(Pid("a")).value();
  }
  EXPECT_THAT(Audit(disclosure), StatusIs(StatusCode::kDataLoss, Pid("stranger")));
  for (SampledLeaf& leaf : disclosure.leaves) {
    if (leaf.manifest.leaf.pid == Pid("stranger")) leaf.active->pid = Pid("stranger");
  }
  EXPECT_THAT(Audit(disclosure), StatusIs(StatusCode::kDataLoss, "active set"));
}

TEST_F(ConsentHistory, ASiteOpensTheLeavesThatTheAuditorChose) {
  EXPECT_THAT(Audit(Disclose(8)), StatusIs(StatusCode::kDataLoss, "opens 8 leaves"));
  Disclosure disclosure = Disclose();
  disclosure.seed = "4712";
  EXPECT_THAT(Audit(disclosure), StatusIs(StatusCode::kDataLoss, "4712"));
  disclosure = Disclose();
  disclosure.leaves[3] = disclosure.leaves[4];
  EXPECT_THAT(Audit(disclosure), StatusIs(StatusCode::kDataLoss, "seed asks for leaf"));
  disclosure = Disclose();
  disclosure.leaves[3].manifest.leaf.nonce[0] ^= 1;
  EXPECT_THAT(Audit(disclosure), StatusIs(StatusCode::kDataLoss, "not shown"));
  disclosure = Disclose();
  disclosure.round = 7;
  EXPECT_THAT(Audit(disclosure), StatusIs(StatusCode::kNotFound, "round 7"));
  disclosure = Disclose();
  disclosure.site = "hospital-b";
  EXPECT_THAT(Audit(disclosure), StatusIs(StatusCode::kNotFound, "hospital-b"));
}

TEST_F(ConsentHistory, ARevokedPatientWhoWasTrainedOnIsFound) {
  // The site goes on with c, whose receipt says otherwise.
  active_ = ActiveTree::Create({Pid("a"), Pid("b"), Pid("c")}).value();
  manifest_ = MakePatients({"a", "b", "c"});
  LogRound();
  Disclosure disclosure = Disclose();
  disclosure.round = 2;
  EXPECT_TRUE(disclosure.revoked.empty());
  HILUM_EXPECT_OK(Audit(disclosure));  // nobody asks
  EXPECT_THAT(Audit(disclosure, {Receipt(revoked_)}),
              StatusIs(StatusCode::kDataLoss, "revoked at entry 4"));
  // With the proofs of the round before.
  disclosure.revoked.push_back(
      {revoked_.event, revoked_.nonce, revoked_.index, revoked_.slot, revoked_.path,
       ActiveTree::Create({Pid("a"), Pid("b")}).value().ProveAbsence(Pid("c")).value(),
       MakePatients({"a", "b"}).ProveAbsence(Pid("c")).value()});
  EXPECT_THAT(Audit(disclosure, {Receipt(revoked_)}),
              StatusIs(StatusCode::kDataLoss, "not shown to be in the active set"));
}

TEST_F(ConsentHistory, ARevocationCountsInTheNextRound) {
  // b revokes after round 1 was opened: round 1 may have trained on b, round 2 may not.
  const Opening later = LogBatch({{"b", "revoke"}})[0];
  const LogView view = View();
  HILUM_ASSERT_OK_AND_ASSIGN(const AuditReport report,
                             AuditConsent(view, Disclose(), {"4711", 16, {Receipt(later)}}));
  EXPECT_EQ(report.n_later, 1u);
  EXPECT_EQ(report.n_receipts, 0u);
  LogRound();
  Disclosure disclosure = Disclose();
  disclosure.round = 2;
  EXPECT_THAT(Audit(disclosure, {Receipt(later)}),
              StatusIs(StatusCode::kDataLoss, "does not show that round 2"));
  // A site that backdates: the revocation is listed as if it had counted in round 1.
  disclosure = Disclose();
  disclosure.revoked[0] = {later.event,
                           later.nonce,
                           later.index,
                           later.slot,
                           later.path,
                           disclosure.revoked[0].not_active,
                           disclosure.revoked[0].not_in_manifest};
  EXPECT_THAT(Audit(disclosure), StatusIs(StatusCode::kDataLoss, "after the round's pin"));
}

TEST_F(ConsentHistory, AReceiptOfSomethingElseDemandsNothing) {
  EXPECT_THAT(Audit(Disclose(), {Receipt(grants_[0])}),
              StatusIs(StatusCode::kInvalidArgument, "grant"));
  ConsentReceipt foreign = Receipt(revoked_);
  foreign.proof = Prove(0);
  EXPECT_THAT(Audit(Disclose(), {foreign}),
              StatusIs(StatusCode::kDataLoss, "entry 0 is no consent-batch"));
  Disclosure listed = Disclose();
  listed.revoked[0].event = grants_[2].event;
  EXPECT_THAT(Audit(listed), StatusIs(StatusCode::kDataLoss, "not shown to stand"));
}

TEST_F(ConsentHistory, ADisclosureHasOneSpelling) {
  const std::string text = FormatDisclosure(Disclose()).value();
  for (const std::string& other :
       {text.substr(0, text.size() - 1), text + "\n", absl::StrCat("{\"a\":1,", text.substr(1)),
        std::string("{}\n"), std::string("\n")}) {
    EXPECT_THAT(ParseDisclosure(other), StatusIs(StatusCode::kDataLoss, "malformed"));
  }
}

}  // namespace
}  // namespace hilum::ledger_anchor

// Receipts and the auditor's check. Each test of a lie changes one thing of a history that passes.
#include "ledger_anchor/consent_audit.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "absl/strings/str_cat.h"
#include "crypto/tree.h"
#include "ledger_anchor/checkpoint.h"
#include "ledger_anchor/proof.h"
#include "tests/ledger_anchor/federation.h"
#include "tests/status_matchers.h"

namespace hilum::ledger_anchor {
namespace {

using absl::StatusCode;

std::string Pid(const std::string& patient) { return ToHex(H("pid of " + patient)); }

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
    const Entry batch = federation_.Draft(ConsentBatch{kSite, tree.Root(), 16, H("active")});
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

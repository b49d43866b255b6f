// Consents on their way into the ledger, with a ledger in memory for a server.
#include "client/consent_book.h"

#include <gtest/gtest.h>

#include <functional>

#include "client/manifest.h"
#include "crypto/tree.h"
#include "tests/client/films.h"
#include "tests/ledger_anchor/federation.h"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

using absl::StatusCode;
using ledger_anchor::Entry;
using ledger_anchor::Federation;
using ledger_anchor::RoundOpen;

constexpr int64_t kNow = 1767000000;

class ConsentBooks : public ::testing::Test {
 protected:
  void SetUp() override {
    ledger_.Start();
    secret_.bytes.fill(7);
    store_ = ConsentStore::Open(NewFolder("consents") / "consent.sqlite").value();
  }
  Committer Who(int64_t now_s = kNow) {
    return {.site = site_,
            .study = study_,
            .origin = origin_,
            .secret = secret_,
            .key = key_,
            .now_s = now_s};
  }
  // Site pid -> reason; an empty one permits. As `hilum site import` would leave it.
  ActiveSet Consents(const std::map<std::string, std::string>& patients) {
    std::vector<ConsentRecord> records;
    for (const auto& [name, reason] : patients) {
      ConsentRecord record;
      record.pid = Pseudonym(secret_, kSiteStudy, name);
      record.consent.permits = reason != "denied";
      record.consent.reason = record.consent.permits ? "" : "provision denies";
      if (reason == "over") record.consent.ends_s = kNow - 1;
      records.push_back(record);
    }
    return ActiveSet::Build(records, kNow);
  }
  std::string Pid(const std::string& name) {
    return StudyPid(secret_, study_, Pseudonym(secret_, kSiteStudy, name));
  }
  // A server: admits and answers with the index.
  LogEntry Server() {
    return [this](const std::string& entry) -> absl::StatusOr<uint64_t> {
      if (is_away_) return absl::UnavailableError("away");
      for (size_t i = 0; i < ledger_.texts.size(); ++i) {
        if (ledger_.texts[i] == entry) return i;
      }
      const auto admitted = ledger_.state.Admit(entry);
      if (!admitted.ok()) return absl::FailedPreconditionError(admitted.status().message());
      ledger_.texts.push_back(entry);
      return ledger_.texts.size() - 1;
    };
  }
  absl::StatusOr<int> Commit(const std::map<std::string, std::string>& patients) {
    return CommitConsents(*store_, Who(), Consents(patients), Server());
  }
  std::set<std::string> ActiveNow() {
    return ActivePids(*store_, study_, ledger_.texts.size()).value();
  }
  Digest RootOf(const std::vector<std::string>& patients) {
    std::vector<std::string> pids;
    for (const std::string& name : patients) pids.push_back(Pid(name));
    return ledger_anchor::ActiveTree::Create(pids).value().claim().root;
  }
  // What this site says of a round-open that stands at the end of the ledger.
  absl::Status Judge(const Entry& open) {
    return CheckPin(*store_, {study_, site_, std::get<RoundOpen>(open.body), ledger_.texts.size()});
  }
  // The claim of the open round over patients with one film each.
  ManifestClaim Claim(const std::vector<std::string>& patients) {
    const auto round = ledger_.state.chain().Study(study_).open.value();
    Manifest manifest(secret_, "cxr-1/1");
    for (const std::string& name : patients) manifest.Add(Pid(name), "sop of " + name, {});
    return {.name = {.study = study_, .round = round.open.round},
            .open_leaf = round.place.leaf_hash,
            .consent_size = round.consent_size(),
            .leaves = manifest.Leaves().value()};
  }

  Federation ledger_;
  const std::string site_ = "hospital-a";
  const std::string study_ = Federation::kStudy;
  const std::string origin_ = Federation::kOrigin;
  SiteSecret secret_;
  const crypto::SigningKey key_ = ledger_.SiteKey("hospital-a");
  std::unique_ptr<ConsentStore> store_;
  bool is_away_ = false;
};

TEST_F(ConsentBooks, LogsGrantsRevocationsAndExpiryAndNothingTwice) {
  EXPECT_EQ(Commit({{"a", ""}, {"b", ""}, {"c", "denied"}}).value(), 1);
  EXPECT_EQ(ActiveNow(), (std::set<std::string>{Pid("a"), Pid("b")}));
  EXPECT_EQ(Commit({{"a", ""}, {"b", ""}, {"c", "denied"}}).value(), 0);
  const uint64_t before = ledger_.texts.size();
  EXPECT_EQ(Commit({{"a", "over"}, {"b", "denied"}, {"c", ""}}).value(), 1);
  EXPECT_EQ(ActiveNow(), (std::set<std::string>{Pid("c")}));
  // By the indexes: what was active before the second batch.
  EXPECT_EQ(ActivePids(*store_, study_, before).value(),
            (std::set<std::string>{Pid("a"), Pid("b")}));
  std::map<std::string, std::string> actions;
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<BatchRecord> batches, store_->Batches(study_));
  for (const BatchRecord& batch : batches) {
    EXPECT_EQ(batch.count, 16u);
    HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<BatchLeaf> leaves, store_->Leaves(batch.root));
    for (const BatchLeaf& leaf : leaves) {
      if (leaf.event.empty()) continue;
      const auto event = ledger_anchor::ParseConsentEvent(leaf.event).value();
      actions[event.pid] += event.action + " ";
    }
  }
  EXPECT_EQ(actions[Pid("a")], "grant expire ");
  EXPECT_EQ(actions[Pid("b")], "grant revoke ");
  EXPECT_EQ(actions[Pid("c")], "grant ");
}

TEST_F(ConsentBooks, AConsentWhoseFileIsGonePermitsNothing) {
  ASSERT_EQ(Commit({{"a", ""}}).value(), 1);
  ASSERT_EQ(Commit({}).value(), 1);
  EXPECT_TRUE(ActiveNow().empty());
}

TEST_F(ConsentBooks, TheLedgerHoldsNoPidAndNoCount) {
  ASSERT_EQ(Commit({{"a", ""}, {"b", ""}}).value(), 1);
  for (const std::string& text : ledger_.texts) {
    EXPECT_EQ(text.find(Pid("a")), std::string::npos);
    EXPECT_EQ(text.find(Pseudonym(secret_, kSiteStudy, "a")), std::string::npos);
  }
  EXPECT_NE(ledger_.texts.back().find("\"count\":16"), std::string::npos);
  // Two studies share no pid.
  EXPECT_NE(Pid("a"), StudyPid(secret_, "ct-2", Pseudonym(secret_, kSiteStudy, "a")));
}

TEST_F(ConsentBooks, ALostAnswerSendsTheSameBytesAgain) {
  is_away_ = true;
  EXPECT_THAT(Commit({{"a", ""}}), StatusIs(StatusCode::kUnavailable, "away"));
  EXPECT_TRUE(ActiveNow().empty());  // not proven, so it does not count
  const std::string stored = store_->Batches(study_).value().at(0).entry;
  is_away_ = false;
  // Meanwhile the patient revoked: first the old batch, then the revocation.
  EXPECT_EQ(Commit({{"a", "denied"}}).value(), 2);
  EXPECT_EQ(ledger_.texts.at(3), stored);
  EXPECT_TRUE(ActiveNow().empty());
}

TEST_F(ConsentBooks, ABatchThatWaitedForADayIsSignedAgain) {
  is_away_ = true;
  EXPECT_THAT(Commit({{"a", ""}}), StatusIs(StatusCode::kUnavailable, "away"));
  is_away_ = false;
  const int64_t later = kNow + 2 * 86'400;
  const LogEntry strict = [&](const std::string& entry) -> absl::StatusOr<uint64_t> {
    if (ledger_anchor::ParseEntry(entry).value().t < uint64_t{later - 86'400}) {
      return absl::InvalidArgumentError("they may differ by one day");
    }
    return Server()(entry);
  };
  EXPECT_EQ(CommitConsents(*store_, Who(later), Consents({{"a", ""}}), strict).value(), 1);
  EXPECT_EQ(ActiveNow(), (std::set<std::string>{Pid("a")}));
}

TEST_F(ConsentBooks, EachBatchSaysWhatItLeavesActive) {
  const auto said = [&] {
    return std::get<ledger_anchor::ConsentBatch>(
               ledger_anchor::ParseEntry(ledger_.texts.back()).value().body)
        .active_root;
  };
  ASSERT_EQ(Commit({{"a", ""}, {"b", ""}}).value(), 1);
  EXPECT_EQ(said(), RootOf({"a", "b"}));
  ASSERT_EQ(Commit({{"a", ""}, {"b", "denied"}, {"c", ""}}).value(), 1);
  EXPECT_EQ(said(), RootOf({"a", "c"}));
  ASSERT_EQ(Commit({}).value(), 1);
  EXPECT_EQ(said(), ledger_anchor::EmptyActiveRoot());
}

TEST_F(ConsentBooks, APinOtherThanThisSitesNewestBatchIsRefused) {
  HILUM_EXPECT_OK(Judge(ledger_.PinnedOpenDraft(3)));  // nothing logged, nobody active
  ASSERT_EQ(Commit({{"a", ""}, {"b", ""}}).value(), 1);
  const Entry before = ledger_.PinnedOpenDraft(4);
  HILUM_EXPECT_OK(Judge(before));
  ASSERT_EQ(Commit({{"a", "denied"}, {"b", ""}}).value(), 1);
  const Entry open = ledger_.PinnedOpenDraft(5);
  HILUM_EXPECT_OK(Judge(open));
  EXPECT_THAT(Judge(before), StatusIs(StatusCode::kDataLoss, "not pin the newest consent-batch"));
  const auto changed = [&](const std::function<void(RoundOpen&)>& change) {
    Entry entry = open;
    change(std::get<RoundOpen>(entry.body));
    return Judge(entry);
  };
  EXPECT_THAT(changed([&](RoundOpen& o) {
                o.consent->sites.items[0].active_root = RootOf({"a", "b"});
              }),
              StatusIs(StatusCode::kDataLoss, "its own consents make"));
  EXPECT_THAT(changed([](RoundOpen& o) { o.consent->size = 4; }),
              StatusIs(StatusCode::kDataLoss, "its own consents make"));
  EXPECT_THAT(changed([](RoundOpen& o) { o.consent->size = 6; }),
              StatusIs(StatusCode::kDataLoss, "pins nothing for this site"));
  EXPECT_THAT(changed([](RoundOpen& o) { o.consent->sites.items[0].batch.reset(); }),
              StatusIs(StatusCode::kDataLoss, "not pin the newest"));
  EXPECT_THAT(
      changed([](RoundOpen& o) { o.consent->sites.items.erase(o.consent->sites.items.begin()); }),
      StatusIs(StatusCode::kDataLoss, "pins nothing for this site"));
  EXPECT_THAT(changed([](RoundOpen& o) { o.consent.reset(); }),
              StatusIs(StatusCode::kPermissionDenied, "pins no active sets"));
  // A cohort whose list does not fit into an entry: the round-open's index is the boundary.
  HILUM_EXPECT_OK(changed([](RoundOpen& o) {
    o.consent.reset();
    o.cohort = {.n = 65, .items = {}, .annex = Digest{}};
  }));
  // What this site logs behind the round-open counts in the next round.
  const uint64_t index = ledger_.texts.size();
  ASSERT_EQ(Commit({{"a", "denied"}, {"b", "denied"}}).value(), 1);
  HILUM_EXPECT_OK(CheckPin(*store_, {study_, site_, std::get<RoundOpen>(open.body), index}));
}

TEST_F(ConsentBooks, ABatchWhoseAnswerWasLostIsProvenBeforeAPinIsJudged) {
  const LogEntry lossy = [this](const std::string& entry) -> absl::StatusOr<uint64_t> {
    HILUM_EXPECT_OK(Server()(entry).status());
    return absl::UnavailableError("the answer was lost");
  };
  EXPECT_THAT(CommitConsents(*store_, Who(), Consents({{"a", ""}}), lossy),
              StatusIs(StatusCode::kUnavailable, "lost"));
  const Entry open = ledger_.PinnedOpenDraft(4);
  EXPECT_THAT(Judge(open), StatusIs(StatusCode::kDataLoss, "not pin the newest"));
  EXPECT_EQ(ProveBatches(*store_, Who(), Server()).value(), 1);
  EXPECT_EQ(ledger_.texts.size(), 4u);  // the same bytes
  HILUM_EXPECT_OK(Judge(open));
}

TEST_F(ConsentBooks, AManifestTakesOnlyThePinnedActiveSet) {
  ASSERT_EQ(Commit({{"a", ""}, {"b", ""}}).value(), 1);
  ledger_.Add(ledger_.OpenDraft());
  // Granted after the round was opened: counts in the next one.
  ASSERT_EQ(Commit({{"a", ""}, {"b", ""}, {"late", ""}}).value(), 1);
  const size_t n = ledger_.texts.size();
  EXPECT_THAT(CommitManifest(*store_, Who(), Claim({"a", "late"}), Server()),
              StatusIs(StatusCode::kPermissionDenied, Pid("late")));
  EXPECT_THAT(CommitManifest(*store_, Who(), Claim({"a", "stranger"}), Server()),
              StatusIs(StatusCode::kPermissionDenied, Pid("stranger")));
  EXPECT_EQ(ledger_.texts.size(), n);
  HILUM_ASSERT_OK(CommitManifest(*store_, Who(), Claim({"a", "b"}), Server()));
  EXPECT_EQ(ledger_.texts.size(), n + 1);
  // Again, after a crash: the same bytes, no second entry.
  HILUM_ASSERT_OK(CommitManifest(*store_, Who(kNow + 60), Claim({"a", "b"}), Server()));
  EXPECT_EQ(ledger_.texts.size(), n + 1);
  // Other films under the same manifest.
  EXPECT_THAT(
      CommitManifest(*store_, Who(), Claim({"a"}), Server()),
      StatusIs(StatusCode::kDataLoss,
               "not those of the manifest that this site has signed for it: 1 of its "
               "patients are no longer in it (a consent ran out or was withdrawn, or films "
               "were removed), 0 are new, of 0 the films changed; a round has one manifest, "
               "so this site takes part again in the next round"));
}

TEST_F(ConsentBooks, AReceiptAndADisclosurePassTheLedgersOwnChecks) {
  ASSERT_EQ(Commit({{"a", ""}, {"b", ""}, {"c", ""}}).value(), 1);
  ASSERT_EQ(Commit({{"a", ""}, {"b", ""}, {"c", "denied"}}).value(), 1);
  ledger_.Add(ledger_.OpenDraft());
  HILUM_ASSERT_OK(CommitManifest(*store_, Who(), Claim({"a", "b"}), Server()));
  ledger_anchor::LogView view;
  for (const std::string& text : ledger_.texts) {
    view.entries.push_back({view.entries.size(), crypto::LeafHash(AsBytes(text)), text,
                            ledger_anchor::ParseEntry(text).value()});
  }
  HILUM_ASSERT_OK_AND_ASSIGN(const ledger_anchor::Disclosure disclosure,
                             MakeDisclosure(*store_, {study_, site_, 1, "4711", 16}));
  HILUM_ASSERT_OK_AND_ASSIGN(const ledger_anchor::AuditReport report,
                             ledger_anchor::AuditConsent(view, disclosure, {"4711", 16, {}}));
  EXPECT_EQ(report.n_patients, 2u);
  EXPECT_EQ(report.n_revoked, 1u);
  EXPECT_THAT(MakeDisclosure(*store_, {study_, site_, 2, "4711", 16}),
              StatusIs(StatusCode::kNotFound, "round 2"));

  const std::vector<crypto::PublicKey> keys = {key_.public_key()};
  const std::string pid = Pid("c");
  HILUM_ASSERT_OK_AND_ASSIGN(
      const ledger_anchor::ConsentReceipt receipt,
      MakeReceipt(*store_, {study_, pid, keys},
                  [](const std::string& entry) -> absl::StatusOr<std::string> { return entry; }));
  const auto batch =
      std::get<ledger_anchor::ConsentBatch>(ledger_anchor::ParseEntry(receipt.proof).value().body);
  HILUM_ASSERT_OK_AND_ASSIGN(
      const ledger_anchor::ConsentEvent event,
      ledger_anchor::OpenEvent(batch, {receipt.event, receipt.nonce, receipt.slot, receipt.path}));
  EXPECT_EQ(event.action, "revoke");
  EXPECT_EQ(event.pid, pid);
  const std::string stranger = Pid("stranger");
  EXPECT_THAT(
      MakeReceipt(*store_, {study_, stranger, keys},
                  [](const std::string& entry) -> absl::StatusOr<std::string> { return entry; }),
      StatusIs(StatusCode::kNotFound, "no consent event of this patient"));
  const std::vector<crypto::PublicKey> others = {ledger_.SiteKey("x").public_key()};
  EXPECT_THAT(
      MakeReceipt(*store_, {study_, pid, others},
                  [](const std::string& entry) -> absl::StatusOr<std::string> { return entry; }),
      StatusIs(StatusCode::kDataLoss, "no key of this site"));
}

TEST(ManifestLeaves, ArePaddedAndOfTheSameBytesAsTheRoot) {
  SiteSecret secret;
  Manifest manifest(secret, "job/1");
  const std::string pid = ToHex(crypto::Sha256("p"));
  for (int i = 0; i < 16; ++i) manifest.Add(ToHex(crypto::Sha256(std::to_string(i))), "s", {});
  HILUM_ASSERT_OK_AND_ASSIGN(const auto full, manifest.Leaves());
  EXPECT_EQ(full.size(), 16u);
  EXPECT_EQ(ledger_anchor::ManifestTree::Create(full).value().claim().root, manifest.Root());
  manifest.Add(pid, "s", {});
  HILUM_ASSERT_OK_AND_ASSIGN(const auto padded, manifest.Leaves());
  EXPECT_EQ(padded.size(), 32u);
  HILUM_EXPECT_OK(ledger_anchor::ManifestTree::Create(padded).status());
}

}  // namespace
}  // namespace hilum::client

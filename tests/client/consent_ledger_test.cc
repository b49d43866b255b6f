// A patient's consent from the hospital's file to the ledger and back, with real agents: what is
// logged, who is left out of which round, and what the patient and an auditor are shown.
#include <gtest/gtest.h>

#include <functional>
#include <utility>

#include "absl/strings/str_replace.h"
#include "client/consent_desk.h"
#include "ledger_anchor/consent_audit.h"
#include "tests/client/films.h"
#include "tests/client/ledger_view.h"
#include "tests/client/two_hospitals.h"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

using absl::StatusCode;
using ledger_anchor::ConsentBatch;
using ledger_anchor::Disclosure;
using ledger_anchor::LogView;
using ledger_anchor::PinnedRoot;
using ledger_anchor::RoundOpen;
using ledger_anchor::TrainManifest;
using ledger_anchor::ViewEntry;

constexpr char kSite[] = "hospital-a";

class ConsentLedger : public ::testing::Test, public TwoHospitals {
 protected:
  void Launch(uint64_t rounds) {
    StartAgents();
    proto::RoundPlan plan = SmallPlan(kJob);
    plan.rounds = rounds;
    plan.training.schedule_rounds = 10;
    server_.Launch(plan, VersionZero(plan));
    Approve();
  }
  // The patient of hospital-a's first film withdraws, as `hilum site import` would note it.
  std::string Revoke() {
    State& state = *sites_[kSite].state;
    const std::vector<FilmRecord> films = state.Films().value();
    std::vector<ConsentRecord> consents = state.Consents().value();
    for (ConsentRecord& consent : consents) {
      if (consent.pid != films[0].pid) continue;
      consent.consent.permits = false;
      consent.consent.reason = "status inactive";
      HILUM_EXPECT_OK(state.PutConsent(consent));
    }
    const std::string file = fs::path(films[0].file.path).filename().string();
    return file.substr(0, file.find('_'));  // DEMO-A-0001_1.dcm is of patient DEMO-A-0001
  }
  // The batch that comes after the first one of hospital-a.
  const ViewEntry* RevocationIn(const LogView& view) {
    const auto batches = EntriesOf<ConsentBatch>(view, kSite);
    return batches.size() < 2 ? nullptr : batches[1];
  }
  static const PinnedRoot& PinOf(const ViewEntry& open) {
    const RoundOpen& body = std::get<RoundOpen>(open.entry.body);
    for (const PinnedRoot& one : body.consent.value().sites.items) {
      if (one.site == kSite) return one;
    }
    ADD_FAILURE() << "no pin of " << kSite;
    return body.consent.value().sites.items.at(0);
  }
  absl::StatusOr<std::string> Receipt(const std::string& patient) {
    return WriteReceipt(sites_[kSite].folder, sites_[kSite].options, {patient, kJob});
  }
  absl::StatusOr<ReceiptView> Verify(const std::string& receipt) {
    return VerifyReceipt(sites_[kSite].folder, sites_[kSite].options, receipt,
                         SystemClock().NowSeconds());
  }
  Disclosure DisclosureOf(uint64_t round) {
    const absl::StatusOr<std::string> text =
        Disclose(sites_[kSite].folder, sites_[kSite].options, {kJob, round, "4711", 16});
    EXPECT_TRUE(text.ok()) << text.status();
    return ledger_anchor::ParseDisclosure(*text).value();
  }
  static absl::StatusOr<ledger_anchor::AuditReport> Audit(const LogView& view,
                                                          const Disclosure& disclosure,
                                                          const std::string& receipt) {
    return ledger_anchor::AuditConsent(
        view, disclosure, {"4711", 16, {ledger_anchor::ParseReceipt(receipt).value()}});
  }

  // The indexes alone say which consents a round counts.
  void ExpectRoundsByIndex(const LogView& view) {
    const auto opens = EntriesOf<RoundOpen>(view);
    const auto manifests = EntriesOf<TrainManifest>(view, kSite);
    const ViewEntry& revocation = *RevocationIn(view);
    const auto& granted =
        std::get<ConsentBatch>(EntriesOf<ConsentBatch>(view, kSite)[0]->entry.body);
    const auto& revoked = std::get<ConsentBatch>(revocation.entry.body);
    EXPECT_NE(granted.active_root, revoked.active_root);
    for (size_t i = 0; i < opens.size(); ++i) {
      const bool counts = revocation.index < opens[i]->index;
      const PinnedRoot& pin = PinOf(*opens[i]);
      EXPECT_EQ(pin.active_root, counts ? revoked.active_root : granted.active_root);
      EXPECT_EQ(std::get<TrainManifest>(manifests[i]->entry.body).active_root, pin.active_root);
      if (!counts) last_with_ = i + 1;
      if (!counts) continue;
      if (first_without_ == 0) first_without_ = i + 1;
      EXPECT_EQ(pin.batch, revocation.leaf_hash);
      EXPECT_EQ(RoundsOf(kSite)[i].n_films, 5u) << "round " << i + 1;
    }
  }
  // The patient's receipt, and what a forger makes of it.
  void ExpectReceipt(const std::string& receipt, uint64_t index) {
    HILUM_ASSERT_OK_AND_ASSIGN(const ReceiptView shown, Verify(receipt));
    EXPECT_EQ(shown.action, "revoke");
    EXPECT_EQ(shown.index, index);
    EXPECT_THAT(Verify(absl::StrReplaceAll(receipt, {{"revoke", "grant"}})),
                StatusIs(StatusCode::kDataLoss, "not shown to stand in the batch"));
    EXPECT_THAT(Verify(absl::StrReplaceAll(receipt, {{"\"slot\":", "\"slot\":1"}})),
                StatusIs(StatusCode::kDataLoss, ""));
    EXPECT_THAT(Verify(receipt + " "), StatusIs(StatusCode::kDataLoss, "malformed"));
  }
  // The auditor's question, about the first round without the patient and the last one with.
  void ExpectDisclosures(const LogView& view, const std::string& receipt) {
    const Disclosure honest = DisclosureOf(first_without_);
    HILUM_ASSERT_OK_AND_ASSIGN(const ledger_anchor::AuditReport report,
                               Audit(view, honest, receipt));
    EXPECT_EQ(report.n_patients, 5u);
    EXPECT_EQ(report.n_revoked, 1u);
    EXPECT_EQ(report.n_receipts, 1u);
    HILUM_ASSERT_OK_AND_ASSIGN(const ledger_anchor::AuditReport before,
                               Audit(view, DisclosureOf(last_with_), receipt));
    EXPECT_EQ(before.n_later, 1u);
    const auto tampered = [&](const std::function<void(Disclosure&)>& change) {
      Disclosure disclosure = honest;
      change(disclosure);
      return Audit(view, disclosure, receipt).status();
    };
    EXPECT_THAT(tampered([](Disclosure& d) { d.revoked.clear(); }),
                StatusIs(StatusCode::kDataLoss, "does not show that round"));
    EXPECT_THAT(tampered([](Disclosure& d) { d.leaves[2].manifest.leaf.nonce[0] ^= 1; }),
                StatusIs(StatusCode::kDataLoss, "not shown"));
    EXPECT_THAT(tampered([](Disclosure& d) { std::swap(d.leaves[1], d.leaves[2]); }),
                StatusIs(StatusCode::kDataLoss, "seed asks for leaf"));
    EXPECT_THAT(tampered([this](Disclosure& d) { d.round = last_with_; }),
                StatusIs(StatusCode::kDataLoss, ""));
  }

  uint64_t last_with_ = 0, first_without_ = 0;  // rounds
};

// One history serves all checks: rounds of real training are dear.
TEST_F(ConsentLedger, ARevocationIsAnEntryAndTheNextRoundLeavesThePatientOut) {
  Launch(3);
  // While round 1 is worked on.
  ASSERT_TRUE(
      WaitUntil([&] { return !EntriesOf<TrainManifest>(ReadLedger(server_), kSite).empty(); }));
  const std::string patient = Revoke();
  ASSERT_TRUE(WaitUntil([&] { return RevocationIn(ReadLedger(server_)) != nullptr; }));
  ASSERT_TRUE(WaitUntil([&] { return Finished(3); })) << server_.Job(kJob).message;
  HILUM_ASSERT_OK(server_.server().Resume(JobId{kJob}, 4).status());  // surely behind the entry
  ASSERT_TRUE(WaitUntil([&] { return Finished(4); })) << server_.Job(kJob).message;

  const LogView view = ReadLedger(server_);
  ASSERT_EQ(EntriesOf<RoundOpen>(view).size(), 4u);
  ASSERT_EQ(EntriesOf<TrainManifest>(view, kSite).size(), 4u);
  ExpectRoundsByIndex(view);
  ASSERT_GE(last_with_, 1u);
  ASSERT_EQ(first_without_, last_with_ + 1);
  EXPECT_EQ(RoundsOf(kSite)[0].n_films, 6u);
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string receipt, Receipt(patient));
  ExpectReceipt(receipt, RevocationIn(view)->index);
  ExpectDisclosures(view, receipt);
}

}  // namespace
}  // namespace hilum::client

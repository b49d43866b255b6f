// Entries that sites sign and submit, over real gRPC: what is taken, and each refusal's sentence.
#include "aggregator/submissions.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "crypto/tree.h"
#include "ledger_anchor/consent_tree.h"
#include "ledger_anchor/entry.h"
#include "ledger_anchor/proof.h"
#include "tests/aggregator/test_federation.h"
#include "tests/status_matchers.h"

namespace hilum::aggregator {
namespace {

using absl::StatusCode;
using ledger_anchor::ConsentBatch;
using ledger_anchor::Entry;
using ledger_anchor::EntryBody;

Digest H(const std::string& text) { return crypto::Sha256(text); }

class Submissions : public testing::Test {
 protected:
  void SetUp() override { sites_ = federation_.AddSites(2); }

  Entry Draft(EntryBody body, const std::string& study = "cxr-test") {
    Entry entry;
    entry.by = sites_[0]->name();
    entry.key = crypto::KeyDigest(sites_[0]->entry_key().public_key());
    entry.t = static_cast<uint64_t>(SystemClock().NowSeconds());
    entry.study = study;
    entry.body = std::move(body);
    return entry;
  }
  Entry Batch(const std::string& what) {
    return Draft(ConsentBatch{sites_[0]->name(), H(what), 16, H(what)});
  }
  std::string Sign(const Entry& entry) { return Sign(entry, sites_[0]->entry_key()); }
  std::string Sign(const Entry& entry, const crypto::SigningKey& key) {
    return ledger_anchor::SignEntry(entry, federation_.server().identity().origin, key).value();
  }
  absl::StatusOr<wire::EntryReceipt> Send(TestSite& site, const std::string& entry) {
    wire::EntrySubmission request;
    request.set_entry(entry);
    grpc::ClientContext context;
    wire::EntryReceipt reply;
    const absl::Status status =
        proto::FromGrpcStatus(site.stub().SubmitEntry(&context, request, &reply), "server");
    if (!status.ok()) return status;
    return reply;
  }
  absl::StatusOr<wire::EntryReceipt> Send(const std::string& entry) {
    return Send(*sites_[0], entry);
  }

  TestFederation federation_;
  std::vector<std::unique_ptr<TestSite>> sites_;
};

TEST_F(Submissions, AnEntryGetsItsIndexAndProofAndTheSameBytesTheSameIndex) {
  const std::string entry = Sign(Batch("1"));
  HILUM_ASSERT_OK_AND_ASSIGN(const wire::EntryReceipt first, Send(entry));
  EXPECT_EQ(first.index(), 3u);  // behind the genesis and two joins
  EXPECT_FALSE(first.repeated_send());
  HILUM_ASSERT_OK_AND_ASSIGN(const ledger_anchor::TlogProof proof,
                             ledger_anchor::ParseTlogProof(first.proof()));
  EXPECT_EQ(proof.extra, entry);
  EXPECT_EQ(proof.index, 3u);
  HILUM_ASSERT_OK_AND_ASSIGN(const wire::EntryReceipt again, Send(entry));
  EXPECT_EQ(again.index(), 3u);
  EXPECT_TRUE(again.repeated_send());
  EXPECT_EQ(again.leaf_hash(), first.leaf_hash());
  HILUM_ASSERT_OK_AND_ASSIGN(const wire::EntryReceipt other, Send(Sign(Batch("2"))));
  EXPECT_EQ(other.index(), 4u);
}

TEST_F(Submissions, EachRefusalHasItsSentence) {
  EXPECT_THAT(Send(std::string(65536, 'x')),
              StatusIs(StatusCode::kInvalidArgument, "has 65536 bytes, the limit is 65535"));
  EXPECT_THAT(Send("{}"), StatusIs(StatusCode::kInvalidArgument, "entry"));
  EXPECT_THAT(Send(Sign(Batch("1")) + " "), StatusIs(StatusCode::kInvalidArgument, ""));
  // In another member's name, though signed by the caller.
  Entry other = Batch("1");
  other.by = sites_[1]->name();
  std::get<ConsentBatch>(other.body).site = sites_[1]->name();
  EXPECT_THAT(Send(Sign(other)),
              StatusIs(StatusCode::kPermissionDenied, "in the name of site-01, the caller is"));
  // Another member's own entry, taken on the way and sent by this one.
  EXPECT_THAT(Send(Sign(other, sites_[1]->entry_key())),
              StatusIs(StatusCode::kPermissionDenied, "in the name of site-01"));
  // A type that sites do not submit.
  EXPECT_THAT(Send(Sign(Draft(ledger_anchor::Leave{"site-00", "withdrawn", 0}, ""))),
              StatusIs(StatusCode::kInvalidArgument, "a site submits no leave entry"));
  // Another key, a changed byte, another federation.
  EXPECT_THAT(Send(Sign(Batch("1"), sites_[1]->entry_key())),
              StatusIs(StatusCode::kFailedPrecondition, "not site-00's"));
  Entry changed = ledger_anchor::ParseEntry(Sign(Batch("1"))).value();
  changed.t += 1;
  EXPECT_THAT(Send(ledger_anchor::EncodeEntry(changed).value()),
              StatusIs(StatusCode::kFailedPrecondition, "signature of site-00"));
  EXPECT_THAT(
      Send(ledger_anchor::SignEntry(Batch("1"), "other.example/ledger", sites_[0]->entry_key())
               .value()),
      StatusIs(StatusCode::kFailedPrecondition, "signature of site-00"));
  // A clock that is days off.
  Entry late = Batch("1");
  late.t -= 2 * 86'400;
  EXPECT_THAT(Send(Sign(late)), StatusIs(StatusCode::kInvalidArgument, "one day"));
  // After all that the log takes the right one at the next index.
  HILUM_ASSERT_OK_AND_ASSIGN(const wire::EntryReceipt good, Send(Sign(Batch("1"))));
  EXPECT_EQ(good.index(), 3u);
}

TEST_F(Submissions, ARepeatedBatchOrAManifestOutsideARoundIsRefused) {
  HILUM_ASSERT_OK(Send(Sign(Batch("1"))).status());
  Entry again = Batch("1");
  again.t += 1;
  EXPECT_THAT(Send(Sign(again)), StatusIs(StatusCode::kFailedPrecondition,
                                          "repeats the root of the batch at entry 3"));
  EXPECT_THAT(Send(Sign(Draft(ledger_anchor::TrainManifest{.round = 1,
                                                           .open = H("open"),
                                                           .site = "site-00",
                                                           .active_root = H("active"),
                                                           .manifest_root = H("manifest"),
                                                           .manifest_count = 16}))),
              StatusIs(StatusCode::kFailedPrecondition, "round 1, which is not open"));
}

// The round-open that a site is shown.
absl::StatusOr<ledger_anchor::RoundOpen> OpenOf(TestSite& site, uint64_t round) {
  HILUM_ASSIGN_OR_RETURN(const OpenRound open, site.WaitForRound("cxr-test", round));
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::TlogProof proof,
                         ledger_anchor::ParseTlogProof(open.notice.open_proof()));
  HILUM_ASSIGN_OR_RETURN(const Entry entry, ledger_anchor::ParseEntry(proof.extra));
  return std::get<ledger_anchor::RoundOpen>(entry.body);
}

TEST_F(Submissions, ARoundOpenPinsTheNewestBatchOfEachSite) {
  HILUM_ASSERT_OK(Send(Sign(Batch("grants"))).status());
  HILUM_ASSERT_OK_AND_ASSIGN(const wire::EntryReceipt newest, Send(Sign(Batch("revocations"))));
  proto::RoundPlan plan = MakePlan("cxr-test", 50);
  plan.rounds = 2;
  HILUM_ASSERT_OK(LaunchAndApprove(federation_, plan, sites_));
  HILUM_ASSERT_OK_AND_ASSIGN(const ledger_anchor::RoundOpen first, OpenOf(*sites_[0], 1));
  ASSERT_TRUE(first.consent.has_value());
  EXPECT_GT(first.consent->size, newest.index());
  const std::vector<ledger_anchor::PinnedRoot>& pinned = first.consent->sites.items;
  ASSERT_EQ(pinned.size(), 2u);
  EXPECT_EQ(pinned[0].site, "site-00");
  EXPECT_EQ(pinned[0].active_root, H("revocations"));
  ASSERT_TRUE(pinned[0].batch.has_value());
  EXPECT_EQ(std::string(AsText(*pinned[0].batch)), newest.leaf_hash());
  EXPECT_EQ(pinned[1].active_root, ledger_anchor::EmptyActiveRoot());  // site-01 has said nothing
  EXPECT_FALSE(pinned[1].batch.has_value());
  // A batch that comes while round 1 is open counts in round 2.
  HILUM_ASSERT_OK(Send(Sign(Batch("more"))).status());
  HILUM_ASSERT_OK(PlayRound("cxr-test", 1, sites_));
  HILUM_ASSERT_OK_AND_ASSIGN(const ledger_anchor::RoundOpen second, OpenOf(*sites_[0], 2));
  EXPECT_EQ(second.consent.value().sites.items[0].active_root, H("more"));
  EXPECT_GT(second.consent->size, first.consent->size);
}

TEST_F(Submissions, OneSiteCannotFillTheLog) {
  absl::Status refused;
  int n_taken = 0;
  for (int i = 0; i < 60 && refused.ok(); ++i) {
    refused = Send(Sign(Batch(absl::StrCat(i)))).status();
    n_taken += refused.ok() ? 1 : 0;
  }
  EXPECT_THAT(refused, StatusIs(StatusCode::kResourceExhausted, "ledger entries"));
  EXPECT_GE(n_taken, 20);
  // The other site is not kept waiting.
  Entry other = Batch("other");
  other.by = "site-01";
  std::get<ConsentBatch>(other.body).site = "site-01";
  HILUM_EXPECT_OK(Send(*sites_[1], Sign(other, sites_[1]->entry_key())).status());
}

TEST_F(Submissions, ACallerWithoutACertificateSubmitsNothing) {
  grpc::ClientContext context;
  wire::EntrySubmission request;
  request.set_entry(Sign(Batch("1")));
  wire::EntryReceipt reply;
  const auto channel =
      proto::OpenChannel(federation_.address(), {federation_.server().identity().ca_pem, "", ""});
  const absl::Status status = proto::FromGrpcStatus(
      wire::Federation::NewStub(channel)->SubmitEntry(&context, request, &reply), "server");
  EXPECT_FALSE(status.ok());
  HILUM_ASSERT_OK_AND_ASSIGN(const wire::EntryReceipt good, Send(request.entry()));
  EXPECT_EQ(good.index(), 3u);
}

TEST_F(Submissions, AKeyRotationIsProvenToTheOthers) {
  const auto next = crypto::SigningKey::FromSeed({91});
  Entry rotate =
      Draft(ledger_anchor::KeyRotate{.member = "site-00",
                                     .use = "entry",
                                     .old = crypto::KeyDigest(sites_[0]->entry_key().public_key()),
                                     .new_key = next.public_key(),
                                     .new_sig = {}},
            "");
  const std::string& origin = federation_.server().identity().origin;
  std::get<ledger_anchor::KeyRotate>(rotate.body).new_sig =
      ledger_anchor::SignRotate(rotate, origin, next).value();
  HILUM_ASSERT_OK_AND_ASSIGN(const wire::EntryReceipt receipt, Send(Sign(rotate)));
  HILUM_ASSERT_OK_AND_ASSIGN(const ProofView proof,
                             federation_.server().Proof({"site-00"}, RoundId{1}, "key-rotate"));
  HILUM_ASSERT_OK_AND_ASSIGN(const ledger_anchor::TlogProof parsed,
                             ledger_anchor::ParseTlogProof(proof.proof));
  EXPECT_EQ(parsed.index, receipt.index());
  EXPECT_THAT(federation_.server().Proof({"site-00"}, RoundId{2}, "key-rotate"),
              StatusIs(StatusCode::kNotFound, "no key-rotate 2 of site-00"));
  EXPECT_THAT(federation_.server().Proof({"site-01"}, RoundId{1}, "key-rotate"),
              StatusIs(StatusCode::kNotFound, "no key-rotate 1 of site-01"));
  // The next key does not sign yet.
  Entry early = Batch("1");
  EXPECT_THAT(Send(Sign(early, next)),
              StatusIs(StatusCode::kFailedPrecondition, "does not count yet"));
}

}  // namespace
}  // namespace hilum::aggregator

// Plays a small federation on loopback and keeps the server's folder: what auditors are tested with
// (audit_test.py, hilum-ledger and docs/audit).
//
// Usage: write_rounds FOLDER
// FOLDER is replaced. It gets two masked rounds of six sites (in the first, one drops out before
// its vector and one signs a wrong tag, so that its whole vector stands for it), and two open
// rounds of the same sites, one of which refuses the first. Then two small masked rounds each of a
// job whose server keeps moments, of one with differential privacy, and of one in a ring of 25
// bits, whose vectors travel packed.
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "crypto/labels.h"
#include "privacy/secagg/r4_messages.h"
#include "tests/aggregator/masked_site.h"

namespace hilum::aggregator {
namespace {

namespace secagg = privacy::secagg;

constexpr int64_t kParams = 300'000;  // two chunks of a vector
constexpr char kMaskedJob[] = "cxr-masked";
constexpr char kOpenJob[] = "cxr-open";
constexpr int64_t kFewParams = 4000;
constexpr char kAdaptiveJob[] = "cxr-adaptive";
constexpr char kPrivateJob[] = "cxr-private";
constexpr char kPackedJob[] = "cxr-packed";

// A tag that its member signed and that is not of its vector.
absl::Status SendAWrongTag(MaskedSite& site) {
  HILUM_RETURN_IF_ERROR(site.AnswerWithoutSending(Flight::kAnswer));
  HILUM_ASSIGN_OR_RETURN(const secagg::Opened opened,
                         secagg::OpenFrame(site.context(), site.last()));
  HILUM_ASSIGN_OR_RETURN(secagg::Unmasking unmasking, secagg::DecodeUnmasking(opened.body));
  unmasking.tag.values[0] ^= 1;
  unmasking.tag.signature = site.context().Sign(
      site.site().entry_key(), crypto::kLabelTag, site.open().site_index,
      secagg::TagFields(site.transcript_hash(), unmasking.votes_hash, unmasking.tag.values));
  site.last() = secagg::Frame(site.context(), site.open().site_index, Encode(unmasking));
  return site.Send(Flight::kAnswer, site.last()).status();
}

absl::Status WaitUntilDone(TestFederation& federation, const std::string& job) {
  return federation.WaitForJob(job, [](const auto& s) { return s.state() == "done"; }).status();
}

absl::Status PlayMasked(TestFederation& federation, MaskedSites& all) {
  HILUM_RETURN_IF_ERROR(
      LaunchAndApprove(federation, MaskedPlan(kMaskedJob, kParams, 8), all.sites));
  HILUM_RETURN_IF_ERROR(all.Begin(kMaskedJob, 1));
  HILUM_RETURN_IF_ERROR(all.AnswerFrom(Flight::kAdvertise, Flight::kAcknowledge));
  all.silent = {1};
  all.sites[1]->Leave();
  HILUM_RETURN_IF_ERROR(all.AnswerFrom(Flight::kVector, Flight::kVote));
  HILUM_RETURN_IF_ERROR(SendAWrongTag(all.masked[3]));
  all.silent = {1, 3};
  HILUM_RETURN_IF_ERROR(all.Answer(Flight::kAnswer));
  all.sites[1]->Arrive();
  all.silent = {};
  HILUM_RETURN_IF_ERROR(all.Begin(kMaskedJob, 2));
  HILUM_RETURN_IF_ERROR(all.AnswerFrom(Flight::kAdvertise));
  return WaitUntilDone(federation, kMaskedJob);
}

absl::Status PlayOpen(TestFederation& federation, const MaskedSites& all) {
  HILUM_RETURN_IF_ERROR(LaunchAndApprove(federation, MakePlan(kOpenJob, kParams), all.sites));
  HILUM_RETURN_IF_ERROR(all.sites[1]->WaitForRound(kOpenJob, 1).status());
  wire::Progress refused;
  refused.set_job(kOpenJob);
  refused.set_round(1);
  refused.set_phase("refused");
  HILUM_RETURN_IF_ERROR(all.sites[1]->Report(refused));
  for (const size_t i : {0, 2, 3, 4, 5}) {
    HILUM_ASSIGN_OR_RETURN(const OpenRound open, all.sites[i]->WaitForRound(kOpenJob, 1));
    HILUM_RETURN_IF_ERROR(
        all.sites[i]->Submit(open, MakeVector(open.config, {.seed = i})).status());
  }
  HILUM_RETURN_IF_ERROR(PlayRound(kOpenJob, 2, all.sites));
  return WaitUntilDone(federation, kOpenJob);
}

// Two masked rounds from which nobody drops out.
absl::Status PlayWhole(TestFederation& federation, MaskedSites& all, const proto::RoundPlan& plan) {
  HILUM_RETURN_IF_ERROR(LaunchAndApprove(federation, plan, all.sites));
  for (const uint64_t round : {1, 2}) {
    HILUM_RETURN_IF_ERROR(all.Begin(plan.job, round));
    HILUM_RETURN_IF_ERROR(all.AnswerFrom(Flight::kAdvertise));
  }
  return WaitUntilDone(federation, plan.job);
}

absl::Status PlayAdaptive(TestFederation& federation, MaskedSites& all) {
  proto::RoundPlan plan = MaskedPlan(kAdaptiveJob, kFewParams);
  plan.strategy.name = "fedadam";
  plan.strategy.server_learning_rate = 0.05;
  return PlayWhole(federation, all, plan);
}

absl::Status PlayPrivate(TestFederation& federation, MaskedSites& all) {
  proto::RoundPlan plan = MaskedPlan(kPrivateJob, kFewParams);
  plan.privacy = {.unit = "silo", .sigma = 4.0, .delta = 1e-5};
  return PlayWhole(federation, all, plan);
}

absl::Status PlayPacked(TestFederation& federation, MaskedSites& all) {
  proto::RoundPlan plan = MaskedPlan(kPackedJob, kParams, 8);
  plan.aggregation.ring_bits = 25;
  return PlayWhole(federation, all, plan);
}

absl::Status Write(const fs::path& folder) {
  TestFederation federation;
  {
    MaskedSites all(federation, 6);
    HILUM_RETURN_IF_ERROR(PlayMasked(federation, all));
    HILUM_RETURN_IF_ERROR(PlayOpen(federation, all));
    HILUM_RETURN_IF_ERROR(PlayAdaptive(federation, all));
    HILUM_RETURN_IF_ERROR(PlayPrivate(federation, all));
    HILUM_RETURN_IF_ERROR(PlayPacked(federation, all));
  }
  federation.Stop();
  std::error_code error;
  fs::remove_all(folder, error);
  fs::copy(federation.folder(), folder, fs::copy_options::recursive, error);
  if (!error) return absl::OkStatus();
  return absl::UnknownError(absl::StrCat(folder.string(), ": ", error.message()));
}

}  // namespace
}  // namespace hilum::aggregator

int main(int argc, char** argv) {
  HILUM_CHECK(argc == 2);
  const absl::Status status = hilum::aggregator::Write(argv[1]);
  if (!status.ok()) std::fprintf(stderr, "%s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}

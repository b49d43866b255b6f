#include "ledger_anchor/consent_audit.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "ledger_anchor/proof.h"

namespace hilum::ledger_anchor {
namespace {

absl::Status Fails(absl::string_view why) { return absl::DataLossError(why); }

// What every step compares with.
struct Subject {
  const LogView& view;
  const Disclosure& disclosure;
  ManifestEntries entries;
  TreeClaim active;
  TreeClaim manifest;
};

absl::Status CheckSamples(const Subject& subject, const AuditRequest& request,
                          AuditReport& report) {
  const std::vector<uint64_t> asked =
      SampleLeaves({.seed = request.seed,
                    .manifest_leaf = subject.entries.manifest->leaf_hash,
                    .count = subject.manifest.size,
                    .n = request.n_samples});
  const std::vector<SampledLeaf>& given = subject.disclosure.leaves;
  if (subject.disclosure.seed != request.seed || given.size() != asked.size()) {
    return Fails(absl::StrCat("the disclosure opens ", given.size(), " leaves for the seed \"",
                              subject.disclosure.seed, "\", asked are ", asked.size(),
                              " for the seed \"", request.seed, "\""));
  }
  for (size_t i = 0; i < asked.size(); ++i) {
    const SampledLeaf& leaf = given[i];
    if (leaf.manifest.index != asked[i]) {
      return Fails(absl::StrCat("the disclosure opens leaf ", leaf.manifest.index,
                                " of the manifest, the seed asks for leaf ", asked[i]));
    }
    HILUM_RETURN_IF_ERROR(VerifyManifestLeaf(subject.manifest, leaf.manifest));
    ++report.n_leaves;
    if (leaf.manifest.leaf.is_dummy()) {
      ++report.n_dummies;
      continue;
    }
    if (!leaf.active || leaf.active->pid != leaf.manifest.leaf.pid) {
      return Fails(absl::StrCat("the manifest's leaf ", asked[i], " holds the pid ",
                                leaf.manifest.leaf.pid, ", which the disclosure does not show in ",
                                "the active set"));
    }
    HILUM_RETURN_IF_ERROR(VerifyActive(subject.active, *leaf.active));
    ++report.n_patients;
  }
  return absl::OkStatus();
}

// The consent-batch of this site and study at `index`, logged before the pin.
absl::StatusOr<const ConsentBatch*> FindBatch(const Subject& subject, uint64_t index) {
  const LogView& view = subject.view;
  const auto* batch = index < view.entries.size()
                          ? std::get_if<ConsentBatch>(&view.entries[index].entry.body)
                          : nullptr;
  if (batch == nullptr || batch->site != subject.disclosure.site ||
      view.entries[index].entry.study != subject.disclosure.study) {
    return Fails(absl::StrCat("entry ", index, " is no consent-batch of ", subject.disclosure.site,
                              " in ", subject.disclosure.study));
  }
  return batch;
}

// The pid of a patient who is shown to have revoked in time and to be in neither tree.
absl::StatusOr<std::string> CheckRevoked(const Subject& subject, const RevokedPatient& patient) {
  HILUM_ASSIGN_OR_RETURN(const ConsentBatch* batch, FindBatch(subject, patient.batch_index));
  HILUM_ASSIGN_OR_RETURN(const ConsentEvent event, OpenEvent(*batch, {patient.event, patient.nonce,
                                                                      patient.slot, patient.path}));
  if (event.action == "grant") return Fails("the disclosure lists a grant among the revocations");
  if (patient.batch_index >= subject.entries.consent_size) {
    return Fails(absl::StrCat("the revocation at entry ", patient.batch_index,
                              " came after the round's pin of ", subject.entries.consent_size,
                              " entries"));
  }
  HILUM_RETURN_IF_ERROR(VerifyNotActive(subject.active, event.pid, patient.not_active));
  HILUM_RETURN_IF_ERROR(VerifyNotInManifest(subject.manifest, event.pid, patient.not_in_manifest));
  return event.pid;
}

// A patient's own receipt: its revocation is in this log and, when it counts, accounted for.
absl::Status CheckDemanded(const Subject& subject, const ConsentReceipt& receipt,
                           const std::set<std::string>& absent, AuditReport& report) {
  HILUM_ASSIGN_OR_RETURN(const TlogProof proof, ParseTlogProof(receipt.proof));
  HILUM_ASSIGN_OR_RETURN(const ConsentBatch* batch, FindBatch(subject, proof.index));
  if (subject.view.entries[proof.index].text != proof.extra) {
    return Fails(absl::StrCat("a receipt shows another entry ", proof.index, " than this log has"));
  }
  HILUM_ASSIGN_OR_RETURN(const ConsentEvent event, OpenEvent(*batch, {receipt.event, receipt.nonce,
                                                                      receipt.slot, receipt.path}));
  if (event.action == "grant") {
    return absl::InvalidArgumentError(
        "a receipt is of a grant; the audit takes those of revocations");
  }
  if (proof.index >= subject.entries.consent_size) {
    ++report.n_later;
    return absl::OkStatus();
  }
  ++report.n_receipts;
  if (absent.count(event.pid) > 0) return absl::OkStatus();
  return Fails(absl::StrCat("the patient ", event.pid, " revoked at entry ", proof.index, ", and ",
                            subject.disclosure.site, " does not show that round ",
                            subject.disclosure.round, " left the patient out"));
}

}  // namespace

std::vector<uint64_t> SampleLeaves(const SampleRequest& request) {
  std::set<uint64_t> chosen;
  const uint64_t n = std::min(request.n, request.count);
  for (uint64_t counter = 0; chosen.size() < n; ++counter) {
    const Digest hash = crypto::Sha256(absl::StrCat("hilum-sample/v1\n", request.seed, "\n",
                                                    ToHex(request.manifest_leaf), "\n", counter));
    uint64_t value = 0;
    for (int i = 0; i < 8; ++i) value = value << 8 | hash[static_cast<size_t>(i)];
    chosen.insert(value % request.count);
  }
  return {chosen.begin(), chosen.end()};
}

absl::StatusOr<ManifestEntries> FindManifest(const LogView& view, const ManifestName& name) {
  ManifestEntries found;
  for (const ViewEntry& one : view.entries) {
    if (one.entry.study != name.study) continue;
    const auto* open = std::get_if<RoundOpen>(&one.entry.body);
    if (open != nullptr && open->round == name.round) {
      found.open = &one;
      found.consent_size = open->consent ? open->consent->size : one.index;
    }
    const auto* manifest = std::get_if<TrainManifest>(&one.entry.body);
    if (manifest == nullptr || manifest->round != name.round || manifest->site != name.site) {
      continue;
    }
    found.manifest = &one;
  }
  if (found.open != nullptr && found.manifest != nullptr) return found;
  return absl::NotFoundError(absl::StrCat("the log holds no train-manifest of ", name.site,
                                          " for round ", name.round, " of \"", name.study, "\""));
}

absl::StatusOr<AuditReport> AuditConsent(const LogView& view, const Disclosure& disclosure,
                                         const AuditRequest& request) {
  AuditReport report;
  HILUM_ASSIGN_OR_RETURN(report.entries,
                         FindManifest(view, {disclosure.study, disclosure.site, disclosure.round}));
  const auto& manifest = std::get<TrainManifest>(report.entries.manifest->entry.body);
  const Subject subject{.view = view,
                        .disclosure = disclosure,
                        .entries = report.entries,
                        .active = {manifest.active_root, disclosure.active_size},
                        .manifest = {manifest.manifest_root, manifest.manifest_count}};
  HILUM_RETURN_IF_ERROR(CheckSamples(subject, request, report));
  std::set<std::string> absent;
  for (const RevokedPatient& patient : disclosure.revoked) {
    HILUM_ASSIGN_OR_RETURN(std::string pid, CheckRevoked(subject, patient));
    absent.insert(std::move(pid));
  }
  report.n_revoked = absent.size();
  for (const ConsentReceipt& receipt : request.receipts) {
    HILUM_RETURN_IF_ERROR(CheckDemanded(subject, receipt, absent, report));
  }
  return report;
}

}  // namespace hilum::ledger_anchor

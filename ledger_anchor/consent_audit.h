// What a site discloses about one round to an auditor, and the auditor's check of it against the
// ledger (ledger.md, section 9).
#ifndef HILUM_LEDGER_ANCHOR_CONSENT_AUDIT_H_
#define HILUM_LEDGER_ANCHOR_CONSENT_AUDIT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ledger_anchor/consent_receipt.h"
#include "ledger_anchor/consent_tree.h"
#include "ledger_anchor/reader.h"

namespace hilum::ledger_anchor {

inline constexpr size_t kDisclosureLimitBytes = 64 << 20;
inline constexpr uint64_t kSampleLimit = 10'000;

// A sampled leaf of the manifest and, for a patient, the same pid in the active set.
struct SampledLeaf {
  OpenedLeaf manifest;
  std::optional<ActiveLeaf> active;  // absent for a dummy
};

// A patient whose consent ended before the round: the logged event, and where the pid is not.
struct RevokedPatient {
  std::string event;  // EncodeConsentEvent, revoke or expire
  Digest nonce{};
  uint64_t batch_index = 0;  // of the consent-batch in the ledger
  uint64_t slot = 0;
  HashList path;
  ActiveAbsence not_active;
  ManifestAbsence not_in_manifest;
};

struct Disclosure {
  std::string study;
  std::string site;
  uint64_t round = 0;
  std::string seed;  // the auditor's
  uint64_t active_size = 0;
  std::vector<SampledLeaf> leaves;
  std::vector<RevokedPatient> revoked;
};

// One line of canonical JSON and LF.
absl::StatusOr<std::string> FormatDisclosure(const Disclosure& disclosure);
// DataLoss: another form, or longer than kDisclosureLimitBytes.
absl::StatusOr<Disclosure> ParseDisclosure(absl::string_view text);

// Which leaves the auditor's seed asks for: `n` of `count`, or all, ascending. `count` is a power
// of two. Nobody can know them before the manifest is logged, since its leaf hash goes in.
struct SampleRequest {
  absl::string_view seed;
  Digest manifest_leaf{};  // leaf hash of the train-manifest
  uint64_t count = 0;
  uint64_t n = 0;
};
std::vector<uint64_t> SampleLeaves(const SampleRequest& request);

// The entries of one site's round. NotFound: the log has none of them.
struct ManifestEntries {
  const ViewEntry* open = nullptr;
  const ViewEntry* manifest = nullptr;
  uint64_t consent_size = 0;  // consents with a smaller index count
};
struct ManifestName {
  absl::string_view study;
  absl::string_view site;
  uint64_t round = 0;
};
absl::StatusOr<ManifestEntries> FindManifest(const LogView& view, const ManifestName& name);

struct AuditRequest {
  std::string seed;
  uint64_t n_samples = 0;
  std::vector<ConsentReceipt> receipts;  // of patients who revoked
};
struct AuditReport {
  ManifestEntries entries;
  uint64_t n_leaves = 0;  // sampled
  uint64_t n_patients = 0;
  uint64_t n_dummies = 0;
  uint64_t n_revoked = 0;   // shown to be absent
  uint64_t n_receipts = 0;  // of those, demanded by a patient's receipt
  uint64_t n_later = 0;     // receipts whose revocation counts in a later round only
};
// Every sampled leaf is opened, and each patient in it was active; every revoked patient's event
// was logged before the round's pin, and the pid is neither in the active set nor in the manifest;
// each receipt of a revocation that counts is among them. DataLoss: one of these is not so; the
// sentence says which. NotFound: as FindManifest. InvalidArgument: a receipt is not of this site
// and study, or is of a grant.
absl::StatusOr<AuditReport> AuditConsent(const LogView& view, const Disclosure& disclosure,
                                         const AuditRequest& request);

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_CONSENT_AUDIT_H_

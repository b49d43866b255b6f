#include "client/incident.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "ledger_anchor/entry_types.h"

namespace hilum::client {

std::string IncidentKinds() { return absl::StrJoin(ledger_anchor::kIncidentKinds, ", "); }

absl::StatusOr<IncidentEntry> MakeIncident(const SiteFolder& folder, const IncidentFacts& facts) {
  if (facts.evidence.size() > kEvidenceLimitBytes) {
    return absl::InvalidArgumentError(absl::StrCat("the evidence has ", facts.evidence.size(),
                                                   " bytes, the limit is ", kEvidenceLimitBytes));
  }
  const Digest digest = crypto::Sha256(facts.evidence);
  IncidentEntry incident;
  incident.evidence = folder.evidence() / ToHex(digest);
  incident.entry.study = facts.study;
  incident.entry.body = ledger_anchor::Incident{
      .kind = facts.kind, .round = facts.round, .about = facts.about, .evidence = digest};
  HILUM_RETURN_IF_ERROR(MakeFolder(folder.evidence()));
  HILUM_RETURN_IF_ERROR(WriteFileDurably(incident.evidence, AsBytes(facts.evidence)));
  return incident;
}

}  // namespace hilum::client

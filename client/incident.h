// What a site says in the ledger when something is wrong (`incident`, ledger.md 3.3).
#ifndef HILUM_CLIENT_INCIDENT_H_
#define HILUM_CLIENT_INCIDENT_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/own_entry.h"
#include "client/site_folder.h"

namespace hilum::client {

// What is shown stays at the site: the ledger holds its hash.
inline constexpr uint64_t kEvidenceLimitBytes = 16 << 20;

// The kinds, with commas between them.
std::string IncidentKinds();

struct IncidentFacts {
  std::string kind;   // one of them (ledger.md 3.3)
  std::string about;  // whom or what: a member's name, "round-open", …; a code, no free text
  std::string study;  // empty: the whole federation
  uint64_t round = 0;
  absl::string_view evidence;
};
struct IncidentEntry {
  OwnEntry entry;     // for LogOwnEntry
  fs::path evidence;  // where it is kept: its name is its SHA-256
};
// Keeps the evidence in the folder, durably, before anything is said of it.
// InvalidArgument: longer than kEvidenceLimitBytes; the entry's own rules are checked when it is
// signed.
absl::StatusOr<IncidentEntry> MakeIncident(const SiteFolder& folder, const IncidentFacts& facts);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_INCIDENT_H_

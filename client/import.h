// Takes a folder of films and consents into the site's database. Nothing is copied but prepared
// images of films whose patient permits training.
#ifndef HILUM_CLIENT_IMPORT_H_
#define HILUM_CLIENT_IMPORT_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/file.h"
#include "client/consent_gate.h"
#include "client/film_cache.h"
#include "client/pseudonym.h"
#include "client/state.h"

namespace hilum::client {

struct ImportOptions {
  fs::path source;  // films anywhere below it, labels.csv and consent/*.json in it
  std::string profile = "cxr128";
  std::vector<std::string> issuers;  // see SiteOptions
  bool forget = false;               // drop the source, which need not be there any more
  bool dry_run = false;              // judge everything, change nothing
  int threads = 2;
  int64_t now_s = 0;
  std::function<void(uint64_t done, uint64_t total)> on_progress;  // may be empty
  const std::atomic<bool>* cancel = nullptr;
};

// What became of one file.
struct ImportRow {
  std::string path;    // relative to the source
  std::string status;  // accepted, rejected, unchanged, removed
  std::string code;    // of a rejection: of dicom/refusal.h, or NO_PATIENT, NO_LABEL, DUPLICATE,
                       // ISSUER, CONSENT; of a Consent file: CONSENT_FILE
  std::string reason;
  std::string label;
};

// Another source, whose films and Consents count as well.
struct OtherSource {
  std::string path;
  uint64_t films = 0;  // that may be trained on
  uint64_t consent_files = 0;
};

struct ImportReport {
  std::vector<ImportRow> rows;  // films first, then Consent files that could not be used
  uint64_t accepted = 0;        // films that may be trained on, from this source
  uint64_t rejected = 0;
  uint64_t unchanged = 0;  // of the accepted: taken up by an earlier import
  uint64_t removed = 0;    // films that are no longer in the source
  uint64_t consent_files = 0;
  uint64_t patients_granted = 0;  // of the whole site
  uint64_t patients_denied = 0;   // with a Consent that does not permit, or revoked
  uint64_t patients_revoked = 0;  // of the denied: permitted at an earlier import
  std::vector<OtherSource> others;
  bool dry_run = false;
};

// One bad file never stops the rest. Started again, it reads only what is new or changed: a
// replaced Consent takes effect, and films or Consents that are gone from the source are dropped.
// A patient who revoked loses the prepared images too. Sources add up: what is missing in one of
// them withdraws nothing in another. A source that is forgotten is an import of an empty folder:
// its films and their prepared images go, and its Consents count no more, permissions or denials.
// NotFound: no such folder; or, to forget, no such source. InvalidArgument: an unknown profile, or
// labels.csv cannot be read. FailedPrecondition: a patient whom the source to forget denies would
// be permitted by what another one says. Cancelled: the flag was set; what was taken up stays.
// Errors of State are passed on.
absl::StatusOr<ImportReport> Import(State& state, const FilmCache& cache, const SiteSecret& secret,
                                    const ImportOptions& options);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_IMPORT_H_

// Fetches the series that a site's rules select from its PACS into the inbox, over DICOMweb.
#ifndef HILUM_CLIENT_PACS_IMPORT_H_
#define HILUM_CLIENT_PACS_IMPORT_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "client/inbox.h"
#include "client/sources.h"
#include "dicom/dicomweb.h"

namespace hilum::client {

// The client for [dicomweb], with the secrets of its files; each exchange has `patience`.
// PermissionDenied: a secret's file may be read by others. InvalidArgument: a user and a token, a
// user without a password; see Dicomweb::Create.
absl::StatusOr<std::unique_ptr<dicom::Dicomweb>> OpenDicomweb(
    const DicomwebOptions& options, absl::Duration patience = absl::Minutes(5));

struct PacsReport {
  uint64_t series = 0;                       // that the searches found
  uint64_t selected = 0;                     // of these
  std::map<std::string, uint64_t> left_out;  // reason -> series
  uint64_t instances = 0;                    // of the selected series
  uint64_t fetched = 0;                      // new in the inbox
  uint64_t known = 0;                        // there already
  uint64_t bytes = 0;                        // of the fetched
  std::map<std::string, uint64_t> failed;    // reason -> instances or series that did not come
};

struct PacsOptions {
  SelectionRules rules;
  bool dry_run = false;  // selects, fetches nothing
  const std::atomic<bool>* cancel = nullptr;
  std::function<void(const PacsReport&)> on_progress;  // after each instance; may be empty
};

// One bad series or instance never stops the rest. Run again, it fetches only what the inbox does
// not hold, so an interrupted run goes on where it stopped.
// Cancelled: the flag was set; what was fetched stays. Unavailable, Unauthenticated: the PACS.
// ResourceExhausted: the quota or the disk. Errors of a search are passed on.
absl::StatusOr<PacsReport> FetchFromPacs(dicom::Dicomweb& pacs, Inbox& inbox,
                                         const PacsOptions& options);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_PACS_IMPORT_H_

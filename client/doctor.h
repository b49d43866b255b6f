// Probes everything that a site needs, and names what is wrong.
#ifndef HILUM_CLIENT_DOCTOR_H_
#define HILUM_CLIENT_DOCTOR_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "client/site_folder.h"

namespace hilum::client {

struct ProbeResult {
  std::string probe;    // keys, memory, database, disk, reader, pins, policy, witness, those of
                        // doctor_sources.h, certificate, name, connection, tls, server, clock
  absl::Status status;  // not OK: the fault, in one sentence with what to do
  std::string detail;   // when OK: what was found
};

// Runs every probe that makes sense after those before it; takes at most a few seconds, and a
// minute where a PACS is silent. Changes
// nothing at the site. Codes: Unavailable for the network and the server, DataLoss and
// PermissionDenied for files, ResourceExhausted for the disk.
std::vector<ProbeResult> Diagnose(const SiteFolder& folder, const SiteOptions& options,
                                  int64_t now_s);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_DOCTOR_H_

// Probes the sources of site.toml: the port that peers send to, the PACS by C-ECHO and by DICOMweb.
#ifndef HILUM_CLIENT_DOCTOR_SOURCES_H_
#define HILUM_CLIENT_DOCTOR_SOURCES_H_

#include <cstdint>
#include <vector>

#include "client/doctor.h"
#include "client/site_folder.h"

namespace hilum::client {

// Nothing for a source that site.toml does not name. `inbox`: room. `scp`: allow-lists, TLS files,
// port. `echo`: C-ECHO of [scp] pacs. `qido`, `pacs clock`, `wado`, `codec`: [dicomweb]; the last
// two fetch one object, which is read from its first to its last byte, judged by the safety gate
// and dropped. Takes at most about a minute where the PACS is silent.
std::vector<ProbeResult> DiagnoseSources(const SiteFolder& folder, const SourceOptions& options,
                                         int64_t now_s);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_DOCTOR_SOURCES_H_

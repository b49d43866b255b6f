// Where a site's studies come from besides folders: [scp] and [dicomweb] of site.toml, and the rule
// file that selects series.
#ifndef HILUM_CLIENT_SOURCES_H_
#define HILUM_CLIENT_SOURCES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"

namespace hilum::client {

// [scp]: this site as C-STORE and C-ECHO SCP. Nothing is received without callers and peers.
struct ScpOptions {
  std::string listen = "127.0.0.1:11112";
  std::string ae_title = "HILUM";
  std::vector<std::string> callers;  // calling AE titles that are let in
  std::vector<std::string> peers;    // their numeric addresses
  // PEM files; all three or none. `tls_ca` signs the certificates of those that are let in.
  std::string tls_certificate, tls_key, tls_ca;
  std::string pacs;  // AE_TITLE@HOST:PORT: whom `hilum site doctor` asks by C-ECHO; empty: nobody
  int associations = 8;  // at a time; others wait
};

// [dicomweb]: the hospital's PACS by DICOMweb (PS3.18).
struct DicomwebOptions {
  std::string url;  // https://HOST[:PORT]/PATH, of the services' common root; empty: none
  std::string ca;   // PEM file; empty: the system's authorities
  // Who this site is to the PACS; the secrets are files of mode 0600. At most one of the two.
  std::string user, password_file;
  std::string token_file;
};

// The rule file: what one series must be to be taken. Empty lists and absent bounds take
// everything.
struct SelectionRules {
  std::vector<std::string> modalities;  // Modality (0008,0060)
  std::vector<std::string> body_parts;  // BodyPartExamined (0018,0015)
  bool body_part_unknown = true;        // an absent one is taken too
  std::vector<std::string> views;       // ViewPosition (0018,5101)
  bool view_unknown = true;
  std::vector<std::string> orientations;  // axial, coronal, sagittal, oblique; of
                                          // ImageOrientationPatient (0020,0037)
  std::optional<double> min_thickness_mm, max_thickness_mm;  // SliceThickness (0018,0050)
  int64_t min_images = 1, max_images = 10'000;               // of a series
  std::string from, to;                                      // StudyDate, YYYYMMDD, both included
};

struct SourceOptions {
  ScpOptions scp;
  DicomwebOptions dicomweb;
  // What inbox/ may take of the disk.
  uint64_t inbox_bytes = uint64_t{50} << 30;
};

}  // namespace hilum::client

#endif  // HILUM_CLIENT_SOURCES_H_

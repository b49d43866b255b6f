// Copies of images that name nobody, for previews, support and demonstrations. Training does not
// need them: its pixels never leave the site.
#ifndef HILUM_DICOM_DEIDENTIFY_H_
#define HILUM_DICOM_DEIDENTIFY_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "dicom/read.h"
#include "dicom/volume.h"

namespace hilum::dicom {

// Keyed one-way functions of the site; the key stays there.
struct SiteKeys {
  Pseudonym pseudonym;                                    // "patient", see volume.h
  std::function<std::string(absl::string_view uid)> uid;  // "2.25." and a 128-bit number
  std::function<int(absl::string_view patient)> days;     // the same for all dates of a patient
};

// What was done, as numbers by tag, "(0010,0010)". No value of the file is in it.
struct DeidentifyReport {
  std::map<std::string, int64_t> removed;   // attributes of the standard, at any depth
  std::map<std::string, int64_t> emptied;   // present without a value
  std::map<std::string, int64_t> replaced;  // UIDs and the patient id
  std::map<std::string, int64_t> shifted;   // dates
  std::map<std::string, int64_t> scrubbed;  // kept by the table, but malformed or naming somebody
  int64_t n_private = 0;                    // private attributes removed, at any depth
  int64_t n_kept = 0;
  bool pixels_clean = false;  // the header says, or a person has found, that they hold no text
};

struct DeidentifiedFile {
  Bytes bytes;  // a whole DICOM file
  DeidentifyReport report;
};

// Applies deidentify_table.h to every data set and item of `file`, writes new file meta
// information and the method (0012,0063), its codes (0012,0064) and (0028,0303) MODIFIED;
// (0012,0062) YES only when the pixels are known to be clean too. The pixels stay as they are, bit
// for bit and in their transfer syntax (deflated becomes explicit little endian); what follows
// them is dropped. A kept text that holds a name or number of the patient, or of anybody else the
// file names, goes too.
//
// Refusals: those of the gate; DICOM: not an image of the standard; BURNED_IN: text in the pixels,
// or, unless options.reviewed_for_text, an image whose header leaves that open (derived or
// secondary, or of a modality that often has text: US, XA, RF, ES, OT, SC), or an overlay in the
// unused bits of the pixels.
// A head CT stays recognisable: a face can be rebuilt from it.
// PS3.15 annex E and table E.1-1; PS3.10 section 7.1.
absl::StatusOr<DeidentifiedFile> Deidentify(ByteView file, const SiteKeys& keys,
                                            const ReadOptions& options = {});

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_DEIDENTIFY_H_

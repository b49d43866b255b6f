// A folder as hospitals hand it over: films, labels.csv, consent/*.json.
#ifndef HILUM_CLIENT_FILM_FOLDER_H_
#define HILUM_CLIENT_FILM_FOLDER_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/consent.h"
#include "client/film_cache.h"
#include "client/labels.h"
#include "client/pseudonym.h"
#include "client/state.h"
#include "dicom/profile.h"
#include "dicom/volume.h"
#include "dicom/worker.h"

namespace hilum::client {

struct FolderListing {
  std::vector<SourceFile> films;     // by path; everything that is not one of the others
  std::vector<SourceFile> consents;  // consent/*.json
};
// Follows no link to a folder. NotFound: no such folder. Unavailable: it cannot be read.
absl::StatusOr<FolderListing> ListFolder(const fs::path& source);

// One film as read for a profile, or why not.
struct ReadFilm {
  absl::Status status;               // OK, or the refusal
  std::string code;                  // of the refusal
  std::optional<PreparedFilm> film;  // when OK
  std::string issuer;                // pseudonym of IssuerOfPatientID; empty: none
  std::optional<double> age_years;
  dicom::Sex sex = dicom::Sex::kUnknown;
  dicom::View view = dicom::View::kUnknown;
};

// Reads in hilum-dicom-worker: a file that crashes or hangs a decoder costs itself only.
class FilmReader {
 public:
  FilmReader(dicom::Profile profile, SiteSecret secret, std::vector<std::string> issuers)
      : profile_(std::move(profile)), secret_(secret), issuers_(std::move(issuers)) {}
  // Thread-safe. Refusals: all of dicom/read.h and dicom/worker.h; NO_PATIENT; ISSUER: not one of
  // `issuers`. A status that is Unavailable is no fault of the film: nothing can be read.
  // `reviewed_for_text`: see dicom::ReadOptions.
  ReadFilm Read(const fs::path& file, bool reviewed_for_text = false) const;
  const dicom::Profile& profile() const { return profile_; }

 private:
  dicom::Profile profile_;
  SiteSecret secret_;
  std::vector<std::string> issuers_;
  std::shared_ptr<dicom::WorkerPool> workers_ = std::make_shared<dicom::WorkerPool>();
};

// Reads one Consent file into a record. A file that cannot be read gives a record without pid,
// whose consent.reason says why.
ConsentRecord ReadConsentFile(const SourceFile& file, const SiteSecret& secret);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_FILM_FOLDER_H_

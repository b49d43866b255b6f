// Pseudonyms of patients: what stands for a patient everywhere but in the hospital's own files.
#ifndef HILUM_CLIENT_PSEUDONYM_H_
#define HILUM_CLIENT_PSEUDONYM_H_

#include <array>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/file.h"

namespace hilum::client {

// The site's secret key for pseudonyms. It is made at the site and never leaves it; without it
// nobody can find the patient that belongs to a pseudonym, or try out patient ids.
struct SiteSecret {
  std::array<uint8_t, 32> bytes{};
};

// Writes a new secret, 64 hexadecimal digits, mode 0600. AlreadyExists: there is a file; a secret
// is never overwritten, since all pseudonyms would change.
absl::StatusOr<SiteSecret> MakeSiteSecret(const fs::path& path);

// NotFound: no such file. DataLoss: not 64 hexadecimal digits and a line end.
// PermissionDenied: others than the owner may read the file.
absl::StatusOr<SiteSecret> LoadSiteSecret(const fs::path& path);

// The study of the pseudonyms in the site's own database.
inline constexpr absl::string_view kSiteStudy = "hilum-site";

// pid = HMAC-SHA256(secret, study || 0x00 || id), 64 hexadecimal digits (docs/site.md, section 3).
// `id` is a DICOM PatientID or the identifier in a FHIR Consent, without surrounding spaces; both
// give the same pid, which is how a film finds its consent.
std::string Pseudonym(const SiteSecret& secret, absl::string_view study, absl::string_view id);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_PSEUDONYM_H_

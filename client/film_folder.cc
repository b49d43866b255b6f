#include "client/film_folder.h"

#include <algorithm>
#include <array>
#include <chrono>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"
#include "dicom/refusal.h"

namespace hilum::client {
namespace {

// Fills size and time; false: the file is gone.
bool ReadFacts(const fs::path& path, SourceFile& file) {
  std::error_code error;
  const auto size = fs::file_size(path, error);
  if (error) return false;
  const absl::StatusOr<int64_t> changed_ns = LastChangeNs(path);
  if (!changed_ns.ok()) return false;
  file.size_bytes = static_cast<int64_t>(size);
  file.modified_ns = *changed_ns;
  return true;
}

}  // namespace

absl::StatusOr<FolderListing> ListFolder(const fs::path& source) {
  std::error_code error;
  if (!fs::is_directory(source, error)) {
    return absl::NotFoundError(absl::StrCat("there is no folder ", source.string()));
  }
  const std::string root = fs::weakly_canonical(source, error).string();
  FolderListing listing;
  auto item =
      fs::recursive_directory_iterator(root, fs::directory_options::skip_permission_denied, error);
  for (; !error && item != fs::recursive_directory_iterator(); item.increment(error)) {
    std::error_code ignored;
    if (!item->is_regular_file(ignored)) continue;
    SourceFile file;
    file.source = root;
    file.path = fs::path(item->path()).lexically_relative(root).string();
    if (file.path == "labels.csv" || !ReadFacts(item->path(), file)) continue;
    const bool consent =
        absl::StartsWith(file.path, "consent/") && absl::EndsWith(file.path, ".json");
    (consent ? listing.consents : listing.films).push_back(std::move(file));
  }
  if (error) {
    return absl::InternalError(
        absl::StrCat("the folder ", root, " cannot be listed: ", error.message()));
  }
  const auto by_path = [](const SourceFile& a, const SourceFile& b) { return a.path < b.path; };
  std::sort(listing.films.begin(), listing.films.end(), by_path);
  std::sort(listing.consents.begin(), listing.consents.end(), by_path);
  return listing;
}

ReadFilm FilmReader::Read(const fs::path& file, bool reviewed_for_text) const {
  ReadFilm result;
  std::string raw_issuer;
  const dicom::Pseudonym pseudonym = [&](absl::string_view kind, absl::string_view value) {
    if (kind != "patient") {
      return Pseudonym(secret_, absl::StrCat(kSiteStudy, "/", kind), value);
    }
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(value, absl::MaxSplits('\\', 1));
    raw_issuer = std::string(parts.second);
    return Pseudonym(secret_, kSiteStudy, parts.first);
  };
  const absl::StatusOr<dicom::PixelVolume> volume =
      workers_->Read(file, profile_, pseudonym, {.reviewed_for_text = reviewed_for_text});
  if (!volume.ok()) {
    result.code = std::string(dicom::CodeOf(volume.status()));
    absl::string_view reason = volume.status().message();
    absl::ConsumePrefix(&reason, absl::StrCat(result.code, ": "));
    result.status = absl::Status(volume.status().code(), reason);
    if (result.code.empty()) result.code = "FILE";
    return result;
  }
  if (!raw_issuer.empty()) result.issuer = Pseudonym(secret_, "hilum-site/issuer", raw_issuer);
  result.age_years = volume->facts().age_years;
  result.sex = volume->facts().sex;
  result.view = volume->facts().view;
  if (volume->ids().patient.empty()) {
    result.code = "NO_PATIENT";
    result.status = absl::PermissionDeniedError("the film names no patient");
  } else if (!raw_issuer.empty() && !issuers_.empty() &&
             std::find(issuers_.begin(), issuers_.end(), raw_issuer) == issuers_.end()) {
    result.code = "ISSUER";
    result.status = absl::PermissionDeniedError(
        "the patient id was issued elsewhere; see [import] issuers in site.toml");
  } else {
    result.film = Prepare(*volume);
  }
  return result;
}

ConsentRecord ReadConsentFile(const SourceFile& file, const SiteSecret& secret) {
  ConsentRecord record;
  record.file = file;
  const absl::StatusOr<std::string> text =
      ReadTextFile(fs::path(file.source) / file.path, kConsentLimitBytes);
  absl::StatusOr<Consent> consent =
      text.ok() ? ParseConsent(*text) : absl::StatusOr<Consent>(text.status());
  if (!consent.ok()) {
    record.consent.reason = std::string(consent.status().message());
    return record;
  }
  record.pid = Pseudonym(secret, kSiteStudy, consent->patient);
  record.consent = *std::move(consent);
  record.consent.patient.clear();
  return record;
}

}  // namespace hilum::client

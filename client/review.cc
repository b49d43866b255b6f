#include "client/review.h"

#include <algorithm>
#include <system_error>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "dicom/gate.h"
#include "dicom/refusal.h"

namespace hilum::client {
namespace {

constexpr size_t kNameLimit = 200;

std::string KeyOf(const Digest& sha256) { return absl::StrCat("released/", ToHex(sha256)); }

}  // namespace

absl::Status ReleaseFilm(State& state, const FilmRelease& release) {
  if (release.by.empty() || release.by.size() > kNameLimit) {
    return absl::InvalidArgumentError(
        absl::StrCat("a release names who looked at the film, in 1 to ", kNameLimit,
                     " characters, not ", release.by.size(), "."));
  }
  std::error_code ignored;
  const fs::path path = fs::weakly_canonical(release.file, ignored);
  HILUM_ASSIGN_OR_RETURN(const std::vector<FilmRecord> films, state.Films());
  const auto film = std::find_if(films.begin(), films.end(), [&](const FilmRecord& record) {
    return fs::path(record.file.source) / record.file.path == path;
  });
  if (film == films.end()) {
    return absl::NotFoundError(
        absl::StrCat("no import has seen ", path.string(), "; import its folder first."));
  }
  if (film->code != dicom::NameOf(dicom::Refusal::kBurnedIn)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the film ", path.string(),
        " does not wait for a person: ", film->code.empty() ? "it was accepted" : film->code, "."));
  }
  HILUM_ASSIGN_OR_RETURN(const Bytes bytes, ReadFile(path, dicom::GateLimits{}.file_bytes));
  return state.Atomically([&]() -> absl::Status {
    HILUM_RETURN_IF_ERROR(state.PutValue(KeyOf(crypto::Sha256(bytes)),
                                         absl::StrCat(FormatUtc(release.now_s), " ", release.by)));
    return state.RemoveFilm(film->file);  // the next import reads it again
  });
}

absl::StatusOr<std::string> ReleasedBy(State& state, const Digest& file_sha256) {
  return state.Value(KeyOf(file_sha256));
}

}  // namespace hilum::client

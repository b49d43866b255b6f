// Films that wait for a person, because text may be burned into their pixels, and those that a
// person has looked at and released.
#ifndef HILUM_CLIENT_REVIEW_H_
#define HILUM_CLIENT_REVIEW_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/file.h"
#include "client/state.h"

namespace hilum::client {

struct FilmRelease {
  fs::path file;   // as it lies in its source
  std::string by;  // who looked at it
  int64_t now_s = 0;
};

// Records that a person found no text in the pixels of this very file, by its SHA-256, so that
// another file under its name is not released. The next import takes the film up, unless its
// header states burned-in text: nothing overrides that.
// NotFound: no film of that path was imported. FailedPrecondition: it does not wait for a person
// (its code is not BURNED_IN). InvalidArgument: nobody is named, or over 200 characters. Errors of
// ReadFile and State.
absl::Status ReleaseFilm(State& state, const FilmRelease& release);

// "2026-01-01T00:00:00Z Dr Adams", or "" when nobody has released these bytes.
absl::StatusOr<std::string> ReleasedBy(State& state, const Digest& file_sha256);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_REVIEW_H_

// Real films for tests: those of the demo.
#ifndef HILUM_TESTS_CLIENT_FILMS_H_
#define HILUM_TESTS_CLIENT_FILMS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/file.h"
#include "client/film_cache.h"
#include "client/pseudonym.h"

namespace hilum::client {

inline fs::path DemoData() { return fs::path(HILUM_SOURCE_DIR) / "demo" / "data"; }

// The secret of all tests, so that pseudonyms are the same in each.
SiteSecret TestSecret();

// The first film of hospital-a, prepared for cxr128.
absl::StatusOr<PreparedFilm> ReadDemoFilm();

// A new empty folder, gone at the end of the test program.
fs::path NewFolder(const std::string& name);

// A folder in the form that `hilum site import` takes, with the first `n_films` films of a demo
// site, their labels and consents.
fs::path MakeSource(const std::string& site, size_t n_films);

void WriteText(const fs::path& path, const std::string& text);
std::string ReadText(const fs::path& path);

}  // namespace hilum::client

#endif  // HILUM_TESTS_CLIENT_FILMS_H_

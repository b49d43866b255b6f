#include "tests/client/films.h"

#include <atomic>
#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "client/film_folder.h"

namespace hilum::client {
namespace {

// Removes the folders of this process at its end.
struct TemporaryRoot {
  TemporaryRoot() : path(fs::temp_directory_path() / absl::StrCat("hilum-client-", getpid())) {
    fs::create_directories(path);
  }
  ~TemporaryRoot() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  fs::path path;
};

}  // namespace

SiteSecret TestSecret() {
  SiteSecret secret;
  secret.bytes.fill(7);
  return secret;
}

absl::StatusOr<PreparedFilm> ReadDemoFilm() {
  HILUM_ASSIGN_OR_RETURN(dicom::Profile profile, dicom::FindProfile("cxr128"));
  ReadFilm read = FilmReader(std::move(profile), TestSecret(), {})
                      .Read(DemoData() / "sites/hospital-a/films/DEMO-A-0001_1.dcm");
  HILUM_RETURN_IF_ERROR(read.status);
  return *std::move(read.film);
}

fs::path NewFolder(const std::string& name) {
  static TemporaryRoot root;
  static std::atomic<int> count = 0;
  const fs::path folder = root.path / absl::StrCat(name, "-", count++);
  fs::create_directories(folder);
  return folder;
}

fs::path MakeSource(const std::string& site, size_t n_films) {
  const fs::path demo = DemoData() / "sites" / site;
  const fs::path source = NewFolder("source");
  fs::create_directories(source / "films");
  fs::copy(demo / "consent", source / "consent");
  std::vector<fs::path> films;
  for (const auto& file : fs::directory_iterator(demo / "films")) films.push_back(file.path());
  std::sort(films.begin(), films.end());
  HILUM_CHECK(films.size() >= n_films);
  for (size_t i = 0; i < n_films; ++i) fs::copy(films[i], source / "films");
  fs::copy(demo / "labels.csv", source);
  return source;
}

void WriteText(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

std::string ReadText(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

}  // namespace hilum::client

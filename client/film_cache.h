// Prepared images on the site's disk: a film is decoded once, not in every round.
#ifndef HILUM_CLIENT_FILM_CACHE_H_
#define HILUM_CLIENT_FILM_CACHE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/file.h"
#include "dicom/profile.h"
#include "dicom/volume.h"

namespace hilum::client {

// SHA-256 of the profile's canonical text: what travels with every update.
Digest ProfileDigest(const dicom::Profile& profile);

// One film as a network takes it, with the pseudonyms it was read with. Only Prepare and FilmCache
// make one.
class PreparedFilm {
 public:
  // [height, width] float32 in [0, 1]: one of the profile's equal channels.
  const std::vector<float>& pixels() const { return pixels_; }
  int height() const { return height_; }
  int width() const { return width_; }
  const std::string& patient() const { return patient_; }  // pid; empty: the file names nobody
  const std::string& sop() const { return sop_; }

 private:
  friend PreparedFilm Prepare(const dicom::PixelVolume& volume);
  friend class FilmCache;
  PreparedFilm() = default;
  std::vector<float> pixels_;
  int height_ = 0;
  int width_ = 0;
  std::string patient_;
  std::string sop_;
};

PreparedFilm Prepare(const dicom::PixelVolume& volume);

// Where a cached film is, and what its file must hash to.
struct CachedFilm {
  std::string patient;
  std::string sop;
  Digest profile_digest{};
  Digest file_digest{};
};

// One file a film: cache/<profile>/<2 of sop>/<sop>. Thread-safe on different films.
class FilmCache {
 public:
  explicit FilmCache(fs::path folder) : folder_(std::move(folder)) {}

  // Values that are exact multiples of 1/255 take one byte, others four. Returns the SHA-256 of
  // the file. Errors: as WriteFileDurably.
  absl::StatusOr<Digest> Store(const PreparedFilm& film, const Digest& profile_digest) const;
  // DataLoss: no file, another digest, or not a film; importing the film's folder makes it again.
  absl::StatusOr<PreparedFilm> Load(const CachedFilm& film) const;
  // A film that is not there is no error.
  absl::Status Remove(const std::string& sop, const Digest& profile_digest) const;

 private:
  fs::path PathOf(const std::string& sop, const Digest& profile_digest) const;
  fs::path folder_;
};

}  // namespace hilum::client

#endif  // HILUM_CLIENT_FILM_CACHE_H_

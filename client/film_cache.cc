#include "client/film_cache.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "crypto/hash.h"

namespace hilum::client {
namespace {

// "HILUMF1\n", u32be height, u32be width, u8 bytes a value (1 or 4), then the values: 1 byte is
// round(255 * value), 4 bytes are a float32, little-endian.
constexpr char kMagic[] = "HILUMF1\n";
constexpr size_t kHeaderBytes = 8 + 4 + 4 + 1;
constexpr uint32_t kMaxSide = 4096;

bool IsEightBit(const std::vector<float>& pixels) {
  return std::all_of(pixels.begin(), pixels.end(), [](float value) {
    const float level = std::round(value * 255.0f);
    return level >= 0 && level <= 255 && level / 255.0f == value;
  });
}

uint32_t ReadU32(const Bytes& bytes, size_t at) {
  return uint32_t{bytes[at]} << 24 | uint32_t{bytes[at + 1]} << 16 | uint32_t{bytes[at + 2]} << 8 |
         bytes[at + 3];
}

}  // namespace

Digest ProfileDigest(const dicom::Profile& profile) {
  return crypto::Sha256(profile.canonical_text());
}

PreparedFilm Prepare(const dicom::PixelVolume& volume) {
  PreparedFilm film;
  film.height_ = static_cast<int>(volume.shape()[1]);
  film.width_ = static_cast<int>(volume.shape()[2]);
  const size_t n = static_cast<size_t>(film.height_) * static_cast<size_t>(film.width_);
  HILUM_CHECK(volume.values().size() >= n);
  film.pixels_.assign(volume.values().begin(), volume.values().begin() + n);
  film.patient_ = volume.ids().patient;
  film.sop_ = volume.ids().sop;
  return film;
}

fs::path FilmCache::PathOf(const std::string& sop, const Digest& profile_digest) const {
  return folder_ / ToHex(profile_digest).substr(0, 16) / sop.substr(0, 2) / sop;
}

absl::StatusOr<Digest> FilmCache::Store(const PreparedFilm& film,
                                        const Digest& profile_digest) const {
  const bool eight_bit = IsEightBit(film.pixels());
  Bytes bytes;
  AppendText(bytes, kMagic);
  AppendU32(bytes, static_cast<uint32_t>(film.height()));
  AppendU32(bytes, static_cast<uint32_t>(film.width()));
  AppendU8(bytes, eight_bit ? 1 : 4);
  if (eight_bit) {
    for (const float value : film.pixels()) {
      bytes.push_back(static_cast<uint8_t>(std::lround(value * 255.0f)));
    }
  } else {
    const size_t at = bytes.size();
    bytes.resize(at + film.pixels().size() * sizeof(float));
    std::memcpy(bytes.data() + at, film.pixels().data(), film.pixels().size() * sizeof(float));
  }
  const fs::path path = PathOf(film.sop(), profile_digest);
  HILUM_RETURN_IF_ERROR(MakeFolder(path.parent_path()));
  HILUM_RETURN_IF_ERROR(WriteFileDurably(path, bytes, FileMode::kPrivate));
  return crypto::Sha256(bytes);
}

absl::StatusOr<PreparedFilm> FilmCache::Load(const CachedFilm& cached) const {
  const fs::path path = PathOf(cached.sop, cached.profile_digest);
  const absl::Status damaged = absl::DataLossError(
      absl::StrCat("the cached image ", path.string(), " is damaged; import its folder again."));
  const absl::StatusOr<Bytes> file =
      ReadFile(path, kHeaderBytes + uint64_t{4} * kMaxSide * kMaxSide);
  if (absl::IsNotFound(file.status())) {
    return absl::DataLossError(
        absl::StrCat("the cached image ", path.string(), " is gone; import its folder again."));
  }
  HILUM_RETURN_IF_ERROR(file.status());
  const Bytes& bytes = *file;
  if (crypto::Sha256(bytes) != cached.file_digest || bytes.size() < kHeaderBytes ||
      std::memcmp(bytes.data(), kMagic, 8) != 0) {
    return damaged;
  }
  const uint32_t height = ReadU32(bytes, 8), width = ReadU32(bytes, 12), width_bytes = bytes[16];
  if (height == 0 || width == 0 || height > kMaxSide || width > kMaxSide ||
      (width_bytes != 1 && width_bytes != 4) ||
      bytes.size() != kHeaderBytes + uint64_t{height} * width * width_bytes) {
    return damaged;
  }
  PreparedFilm film;
  film.height_ = static_cast<int>(height);
  film.width_ = static_cast<int>(width);
  film.patient_ = cached.patient;
  film.sop_ = cached.sop;
  film.pixels_.resize(size_t{height} * width);
  if (width_bytes == 4) {
    std::memcpy(film.pixels_.data(), bytes.data() + kHeaderBytes, film.pixels_.size() * 4);
  } else {
    std::transform(bytes.begin() + kHeaderBytes, bytes.end(), film.pixels_.begin(),
                   [](uint8_t level) { return static_cast<float>(level) / 255.0f; });
  }
  return film;
}

absl::Status FilmCache::Remove(const std::string& sop, const Digest& profile_digest) const {
  std::error_code error;
  fs::remove(PathOf(sop, profile_digest), error);
  if (error) {
    return absl::InternalError(
        absl::StrCat("the cached image of a film cannot be removed: ", error.message()));
  }
  return absl::OkStatus();
}

}  // namespace hilum::client

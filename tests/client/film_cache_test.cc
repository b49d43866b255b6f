#include "client/film_cache.h"

#include "tests/client/films.h"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

TEST(FilmCache, GivesBackTheSameBits) {
  const FilmCache cache(NewFolder("cache"));
  HILUM_ASSERT_OK_AND_ASSIGN(const PreparedFilm film, ReadDemoFilm());
  EXPECT_EQ(film.height(), 128);
  EXPECT_EQ(film.width(), 128);
  HILUM_ASSERT_OK_AND_ASSIGN(const Digest digest, cache.Store(film, {}));
  HILUM_ASSERT_OK_AND_ASSIGN(const PreparedFilm loaded,
                             cache.Load({film.patient(), film.sop(), {}, digest}));
  EXPECT_EQ(loaded.pixels(), film.pixels());
  EXPECT_EQ(loaded.patient(), film.patient());
  EXPECT_EQ(loaded.sop(), film.sop());
}

TEST(FilmCache, ADamagedFileIsDataLoss) {
  const fs::path folder = NewFolder("cache");
  const FilmCache cache(folder);
  HILUM_ASSERT_OK_AND_ASSIGN(const PreparedFilm film, ReadDemoFilm());
  HILUM_ASSERT_OK_AND_ASSIGN(const Digest digest, cache.Store(film, {}));
  const CachedFilm cached{film.patient(), film.sop(), {}, digest};
  for (const auto& file : fs::recursive_directory_iterator(folder)) {
    if (!file.is_regular_file()) continue;
    std::string text = ReadText(file.path());
    text[text.size() / 2] ^= 1;
    WriteText(file.path(), text);
  }
  EXPECT_THAT(cache.Load(cached), StatusIs(absl::StatusCode::kDataLoss, "is damaged"));
  HILUM_ASSERT_OK(cache.Remove(film.sop(), {}));
  EXPECT_THAT(cache.Load(cached), StatusIs(absl::StatusCode::kDataLoss, "is gone; import"));
  HILUM_EXPECT_OK(cache.Remove(film.sop(), {}));
}

}  // namespace
}  // namespace hilum::client

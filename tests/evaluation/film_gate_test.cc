// Images of fresh seeds that no network for chest films should judge, and drawn films that it
// should: the gate's own films are never among those it is asked about.
#include "evaluation/film_gate.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "absl/strings/str_cat.h"
#include "base/seeded_random.h"
#include "tests/status_matchers.h"

namespace hilum::evaluation {
namespace {

using Pixels = std::vector<float>;

constexpr int kSide = 96;  // pixels

// A drawn thorax: two dark lungs with ribs, a bright middle with the heart to one side, dark
// corners over the shoulders, a bright abdomen. Sizes, places and greys follow from the seed.
Pixels DrawnFilm(uint64_t seed) {
  SeededRandom random = SeededRandom::For({seed, 1});
  const auto about = [&](double value, double spread) {
    return value + random.Uniform(-spread, spread);
  };
  const double lung_x = about(.42, .04), lung_y = about(-.05, .06), lung_w = about(.28, .04),
               lung_h = about(.6, .07), tissue = about(.6, .08), air = about(.2, .06),
               heart = about(.15, .04), ribs = about(11, 1.5), phase = about(0, 3);
  Pixels pixels;
  for (int row = 0; row < kSide; ++row) {
    for (int column = 0; column < kSide; ++column) {
      const double x = 2.0 * column / kSide - 1, y = 2.0 * row / kSide - 1;
      double grey = y > .65 ? tissue + .2 : tissue;
      if (std::abs(x) > .55 - .6 * (y + .5) * (y < -.5) && y < -.55) grey = .05;
      for (const double side : {-1.0, 1.0}) {
        const double u = (x - side * lung_x) / lung_w, v = (y - lung_y) / lung_h;
        if (u * u + v * v < 1) grey = air + .05 * std::sin(ribs * y + phase);
      }
      const double hu = (x - heart) / .3, hv = (y - .3) / .3;
      if (hu * hu + hv * hv < 1) grey = tissue + .15;
      grey += random.Uniform(-.03, .03);
      pixels.push_back(static_cast<float>(std::clamp(grey, 0.0, 1.0)));
    }
  }
  return pixels;
}

Pixels Noise(uint64_t seed) {
  SeededRandom random = SeededRandom::For({seed, 2});
  Pixels pixels(kSide * kSide);
  for (float& pixel : pixels) pixel = static_cast<float>(random.Uniform());
  return pixels;
}

// An axial slice as a CT shows it: a body, two lungs, a spine, air around.
Pixels CtSlice(uint64_t seed) {
  SeededRandom random = SeededRandom::For({seed, 3});
  const double width = random.Uniform(.8, .95), height = random.Uniform(.55, .7);
  Pixels pixels;
  for (int row = 0; row < kSide; ++row) {
    for (int column = 0; column < kSide; ++column) {
      const double x = 2.0 * column / kSide - 1, y = 2.0 * row / kSide - 1;
      double grey = x * x / width / width + y * y / height / height < 1 ? .85 : 0;
      const double u = (std::abs(x) - .4) / .28, v = y / .4;
      if (u * u + v * v < 1) grey = .15;
      if (x * x + (y - .4) * (y - .4) < .01) grey = 1;
      pixels.push_back(static_cast<float>(grey));
    }
  }
  return pixels;
}

// Smooth light and shade of low frequency, as a photograph out of focus.
Pixels Photograph(uint64_t seed) {
  SeededRandom random = SeededRandom::For({seed, 4});
  const double fx = random.Uniform(2, 5), fy = random.Uniform(2, 5), at = random.Uniform(0, 6);
  Pixels pixels;
  for (int i = 0; i < kSide * kSide; ++i) {
    const double x = 1.0 * (i % kSide) / kSide, y = 1.0 * (i / kSide) / kSide;
    pixels.push_back(static_cast<float>(.5 + .45 * std::sin(fx * x + at) * std::cos(fy * y)));
  }
  return pixels;
}

Pixels UpsideDown(const Pixels& film) {
  Pixels turned;
  for (int row = kSide - 1; row >= 0; --row) {
    turned.insert(turned.end(), film.begin() + row * kSide, film.begin() + (row + 1) * kSide);
  }
  return turned;
}

Pixels Turned(const Pixels& film) {
  Pixels turned(film.size());
  for (int row = 0; row < kSide; ++row) {
    for (int column = 0; column < kSide; ++column) {
      turned[row * kSide + column] = film[column * kSide + (kSide - 1 - row)];
    }
  }
  return turned;
}

Pixels Inverted(Pixels film) {
  for (float& pixel : film) pixel = 1 - pixel;
  return film;
}

// The films of one site. They keep the pixels that `films` points at.
struct Site {
  std::vector<Pixels> images;
  BaselineFilms films{2, kSide, kSide, {}};
  explicit Site(int n, int n_patients = 0) {
    for (int i = 0; i < n; ++i) images.push_back(DrawnFilm(i));
    for (int i = 0; i < n; ++i) {
      films.films.push_back({images[i], 0, absl::StrCat(n_patients > 0 ? i % n_patients : i), ""});
    }
  }
};

class FilmGateTest : public ::testing::Test {
 protected:
  static const FilmGate& Gate() {
    static const auto& gate = *new FilmGate(*FilmGate::Fit(Site(160).films));
    return gate;
  }
  // How many of 40 images of fresh seeds pass.
  static int Passed(const std::function<Pixels(uint64_t)>& image) {
    int n = 0;
    for (uint64_t seed = 1000; seed < 1040; ++seed) n += Gate().Judge(image(seed))->passed;
    return n;
  }
};

TEST_F(FilmGateTest, FilmsOfTheSitesKindPass) {
  int refused = 0;
  for (uint64_t seed = 5000; seed < 5200; ++seed) {
    HILUM_ASSERT_OK_AND_ASSIGN(const GateAnswer answer, Gate().Judge(DrawnFilm(seed)));
    EXPECT_EQ(answer.passed, answer.reason.empty());
    refused += !answer.passed;
  }
  EXPECT_LE(refused, 24);  // 5 % of 200 are 10; limits from 80 films vary
  EXPECT_EQ(Gate().n_films(), 160);
}

TEST_F(FilmGateTest, ABlackOrEvenImageDoesNot) {
  for (const float grey : {0.0f, 0.5f, 1.0f}) {
    HILUM_ASSERT_OK_AND_ASSIGN(const GateAnswer answer, Gate().Judge(Pixels(kSide * kSide, grey)));
    EXPECT_FALSE(answer.passed) << grey;
    EXPECT_THAT(answer.reason, ::testing::HasSubstr("unlike the 160 films"));
  }
}

TEST_F(FilmGateTest, NoiseDoesNot) { EXPECT_EQ(Passed(Noise), 0); }
TEST_F(FilmGateTest, ACtSliceDoesNot) { EXPECT_EQ(Passed(CtSlice), 0); }
TEST_F(FilmGateTest, APhotographDoesNot) { EXPECT_EQ(Passed(Photograph), 0); }
TEST_F(FilmGateTest, AFilmUpsideDownDoesNot) {
  EXPECT_EQ(Passed([](uint64_t seed) { return UpsideDown(DrawnFilm(seed)); }), 0);
}
TEST_F(FilmGateTest, ATurnedFilmDoesNot) {
  EXPECT_EQ(Passed([](uint64_t seed) { return Turned(DrawnFilm(seed)); }), 0);
}
TEST_F(FilmGateTest, AnInvertedFilmDoesNot) {
  EXPECT_EQ(Passed([](uint64_t seed) { return Inverted(DrawnFilm(seed)); }), 0);
}

TEST_F(FilmGateTest, TheSameFilmsMakeTheSameGate) {
  HILUM_ASSERT_OK_AND_ASSIGN(const FilmGate again, FilmGate::Fit(Site(160).films));
  EXPECT_EQ(again.Judge(DrawnFilm(7777))->distance, Gate().Judge(DrawnFilm(7777))->distance);
  EXPECT_EQ(again.Judge(DrawnFilm(7777))->upright, Gate().Judge(DrawnFilm(7777))->upright);
}

// Films that are all the same leave no room: another film does not pass, rather than every one.
TEST_F(FilmGateTest, FilmsThatDoNotDifferLetNoOtherPass) {
  Site site(80);
  for (auto& film : site.films.films) film.pixels = site.images[0];
  HILUM_ASSERT_OK_AND_ASSIGN(const FilmGate gate, FilmGate::Fit(site.films));
  EXPECT_FALSE(gate.Judge(DrawnFilm(9))->passed);
}

TEST_F(FilmGateTest, NeedsEnoughPatients) {
  EXPECT_THAT(FilmGate::Fit(Site(79).films),
              StatusIs(absl::StatusCode::kFailedPrecondition, "79 patients to go by, at least 80"));
  EXPECT_THAT(FilmGate::Fit(Site(160, /*n_patients=*/40).films),
              StatusIs(absl::StatusCode::kFailedPrecondition, "40 patients"));
}

TEST_F(FilmGateTest, RefusesWhatIsNoFilm) {
  EXPECT_THAT(Gate().Judge(Pixels(100)),
              StatusIs(absl::StatusCode::kInvalidArgument, "100 pixels is given to a gate"));
  Pixels pixels = DrawnFilm(1);
  pixels[5] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THAT(Gate().Judge(pixels), StatusIs(absl::StatusCode::kDataLoss, "NaN"));
  Site site(80);
  site.images[3][3] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(FilmGate::Fit(site.films), StatusIs(absl::StatusCode::kDataLoss, "NaN"));
  site.films.height = 8;
  EXPECT_THAT(FilmGate::Fit(site.films), StatusIs(absl::StatusCode::kInvalidArgument, "8 x 96"));
}

}  // namespace
}  // namespace hilum::evaluation

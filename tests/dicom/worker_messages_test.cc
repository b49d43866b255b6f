#include "dicom/worker_messages.h"

#include <gtest/gtest.h>

#include <limits>

#include "dicom/refusal.h"
#include "tests/status_matchers.h"

namespace hilum::dicom {
namespace {

constexpr int kSize = 4;

ReadyFilm Example() {
  ReadyFilm film;
  film.identity = {"ID-1", "Hospital", "1.2.1", "1.2.2", "1.2.3"};
  film.fitted.values.assign(3 * kSize * kSize, 0.25f);
  film.fitted.padding.assign(kSize * kSize, 0);
  film.fitted.padding[3] = 1;
  film.fitted.scale = 2.5;
  film.facts = {.modality = Modality::kDx, .view = View::kPa, .sex = Sex::kMale, .age_years = 44};
  film.branches.voi = VoiBranch::kPercentile;
  film.branches.lossy = true;
  film.spacing_mm = {0.2, 0.3};
  return film;
}

std::string CodeAfter(Bytes answer) {
  return std::string(CodeOf(DecodeAnswer(answer, kSize).status()));
}

TEST(WorkerMessages, CarryAFilm) {
  const ReadyFilm film = Example();
  const Bytes bytes = EncodeAnswer(film);
  EXPECT_LE(bytes.size(), AnswerLimitBytes(kSize));
  HILUM_ASSERT_OK_AND_ASSIGN(const ReadyFilm back, DecodeAnswer(bytes, kSize));
  EXPECT_EQ(back.identity.patient_id, "ID-1");
  EXPECT_EQ(back.identity.issuer, "Hospital");
  EXPECT_EQ(back.identity.sop_uid, "1.2.3");
  EXPECT_EQ(back.fitted.values, film.fitted.values);
  EXPECT_EQ(back.fitted.padding, film.fitted.padding);
  EXPECT_EQ(back.fitted.scale, 2.5);
  EXPECT_EQ(back.facts.modality, Modality::kDx);
  EXPECT_EQ(back.facts.age_years, 44);
  EXPECT_EQ(back.branches.ToText(), film.branches.ToText());
  EXPECT_EQ(back.spacing_mm, film.spacing_mm);
}

TEST(WorkerMessages, CarryARefusal) {
  const absl::Status refusal = Refuse(Refusal::kView, "the view is LL");
  EXPECT_EQ(DecodeAnswer(EncodeAnswer(refusal), kSize).status(), refusal);
}

TEST(WorkerMessages, CarryARequest) {
  FilmRequest request{.profile = "cxr96"};
  request.options.reviewed_for_text = true;
  request.options.limits.frames = 7;
  request.options.limits.pixel_bytes = 1234;
  HILUM_ASSERT_OK_AND_ASSIGN(const FilmRequest back, DecodeRequest(EncodeRequest(request)));
  EXPECT_EQ(back.profile, "cxr96");
  EXPECT_TRUE(back.options.reviewed_for_text);
  EXPECT_EQ(back.options.limits.frames, 7);
  EXPECT_EQ(back.options.limits.pixel_bytes, 1234u);
  EXPECT_EQ(back.options.limits.nesting, GateLimits{}.nesting);
  Bytes other = EncodeRequest(request);
  other[0] = 2;
  EXPECT_THAT(DecodeRequest(other), StatusIs(absl::StatusCode::kInvalidArgument, "version"));
}

TEST(WorkerMessages, RefuseEveryLengthButTheRightOne) {
  const Bytes whole = EncodeAnswer(Example());
  for (size_t n = 0; n < whole.size(); ++n) {
    EXPECT_EQ(CodeAfter(Bytes(whole.begin(), whole.begin() + static_cast<ptrdiff_t>(n))), "WORKER")
        << n;
  }
  Bytes longer = whole;
  longer.push_back(0);
  EXPECT_EQ(CodeAfter(longer), "WORKER");
  EXPECT_EQ(CodeOf(DecodeAnswer(whole, kSize + 1).status()), "WORKER");
}

TEST(WorkerMessages, RefuseValuesThatNoFilmHas) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const float value : {-0.1f, 1.5f, nan}) {
    ReadyFilm film = Example();
    film.fitted.values[5] = value;
    EXPECT_EQ(CodeAfter(EncodeAnswer(film)), "WORKER") << value;
  }
  ReadyFilm film = Example();
  film.fitted.padding[0] = 2;
  EXPECT_EQ(CodeAfter(EncodeAnswer(film)), "WORKER");
  film = Example();
  film.fitted.scale = 0;
  EXPECT_EQ(CodeAfter(EncodeAnswer(film)), "WORKER");
  film = Example();
  film.facts.age_years = std::numeric_limits<double>::infinity();
  EXPECT_EQ(CodeAfter(EncodeAnswer(film)), "WORKER");
  film = Example();
  film.facts.view = static_cast<View>(17);
  EXPECT_EQ(CodeAfter(EncodeAnswer(film)), "WORKER");
}

TEST(WorkerMessages, RefuseRefusalsThatNoReaderMakes) {
  EXPECT_EQ(CodeAfter(EncodeAnswer(absl::UnavailableError("the disk is gone"))), "WORKER");
  EXPECT_EQ(CodeAfter(EncodeAnswer(absl::InvalidArgumentError("no code here"))), "WORKER");
  EXPECT_EQ(CodeAfter(EncodeAnswer(Refuse(Refusal::kView, "\x1b[2J"))), "WORKER");
  Bytes ok = EncodeAnswer(Refuse(Refusal::kView, "x"));
  ok[1] = 0;  // a status of OK is no refusal
  EXPECT_EQ(CodeAfter(ok), "WORKER");
}

}  // namespace
}  // namespace hilum::dicom

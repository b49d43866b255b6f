#include "client/review.h"

#include "client/import.h"
#include "tests/client/films.h"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

using absl::StatusCode;

constexpr int64_t kNow = 1767225600;  // 2026-01-01

// Four films, one of which no longer says that it holds no text.
class ReviewTest : public ::testing::Test {
 protected:
  void SetUp() override {
    HILUM_ASSERT_OK_AND_ASSIGN(state_, State::Open(folder_ / "state.sqlite"));
    open_ = source_ / "films/DEMO-A-0001_1.dcm";
    Annotate("  ");
  }

  // Sets BurnedInAnnotation of the film.
  void Annotate(const std::string& value) {
    std::string bytes = ReadText(open_);
    const std::string head(
        "\x28\x00\x01\x03"
        "CS\x02\x00",
        8);
    const size_t at = bytes.find(head);
    ASSERT_NE(at, std::string::npos);
    bytes.replace(at + head.size(), 2, value);
    WriteText(open_, bytes);
  }

  absl::StatusOr<ImportReport> Take() {
    ImportOptions options;
    options.source = source_;
    options.now_s = kNow;
    return Import(*state_, cache_, TestSecret(), options);
  }
  absl::Status Release(const fs::path& file, const std::string& by = "Dr Adams") {
    return ReleaseFilm(*state_, {.file = file, .by = by, .now_s = kNow});
  }
  std::string CodeOfOpenFilm(const ImportReport& report) {
    for (const ImportRow& row : report.rows) {
      if (row.path == "films/DEMO-A-0001_1.dcm") return row.code;
    }
    return "not listed";
  }

  fs::path folder_ = NewFolder("site");
  fs::path source_ = MakeSource("hospital-a", 4);
  fs::path open_;
  FilmCache cache_{folder_ / "cache"};
  std::unique_ptr<State> state_;
};

TEST_F(ReviewTest, AFilmWaitsUntilAPersonReleasesIt) {
  HILUM_ASSERT_OK_AND_ASSIGN(ImportReport report, Take());
  EXPECT_EQ(report.accepted, 3u);
  EXPECT_EQ(CodeOfOpenFilm(report), "BURNED_IN");
  HILUM_ASSERT_OK(Release(open_));
  HILUM_ASSERT_OK_AND_ASSIGN(report, Take());
  EXPECT_EQ(report.accepted, 4u);
  EXPECT_EQ(CodeOfOpenFilm(report), "");
  EXPECT_THAT(Release(open_), StatusIs(StatusCode::kFailedPrecondition, "it was accepted"));
  HILUM_ASSERT_OK_AND_ASSIGN(report, Take());
  EXPECT_EQ(report.unchanged, 4u);
}

TEST_F(ReviewTest, AReleaseIsForTheseBytesOnly) {
  HILUM_ASSERT_OK(Take());
  HILUM_ASSERT_OK(Release(open_));
  std::string bytes = ReadText(open_);
  bytes[0] = 'x';  // of the preamble: another file under the same name
  WriteText(open_, bytes);
  HILUM_ASSERT_OK_AND_ASSIGN(const ImportReport report, Take());
  EXPECT_EQ(CodeOfOpenFilm(report), "BURNED_IN");
}

TEST_F(ReviewTest, NothingOverridesAHeaderThatStatesText) {
  Annotate("YES ");
  std::string bytes = ReadText(open_);
  const std::string head("CS\x02\x00YES ", 8);
  const size_t found = bytes.find(head);
  ASSERT_NE(found, std::string::npos);
  bytes[found + 2] = 4;  // the length
  WriteText(open_, bytes);
  HILUM_ASSERT_OK(Take());
  HILUM_ASSERT_OK(Release(open_));
  HILUM_ASSERT_OK_AND_ASSIGN(const ImportReport report, Take());
  EXPECT_EQ(CodeOfOpenFilm(report), "BURNED_IN");
}

TEST_F(ReviewTest, RefusesWhatIsNoRelease) {
  EXPECT_THAT(Release(open_), StatusIs(StatusCode::kNotFound, "import its folder first"));
  HILUM_ASSERT_OK(Take());
  EXPECT_THAT(Release(open_, ""), StatusIs(StatusCode::kInvalidArgument, "who looked"));
  EXPECT_THAT(Release(open_, std::string(201, 'x')),
              StatusIs(StatusCode::kInvalidArgument, "not 201"));
  EXPECT_THAT(Release(source_ / "films/DEMO-A-0001_2.dcm.gone"),
              StatusIs(StatusCode::kNotFound, "no import has seen"));
  HILUM_ASSERT_OK_AND_ASSIGN(const std::string by, ReleasedBy(*state_, Digest{}));
  EXPECT_EQ(by, "");
}

}  // namespace
}  // namespace hilum::client

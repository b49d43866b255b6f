#include "client/import.h"

#include <map>

#include "client/film_folder.h"
#include "tests/client/films.h"
#include "tests/status_matchers.h"

namespace hilum::client {
namespace {

constexpr int64_t kNow = 1767225600;  // 2026-01-01

// A site's database and cache, and imports into them.
class ImportTest : public ::testing::Test {
 protected:
  void SetUp() override {
    HILUM_ASSERT_OK_AND_ASSIGN(state_, State::Open(folder_ / "state.sqlite"));
  }

  absl::StatusOr<ImportReport> Take(const fs::path& source) {
    ImportOptions options;
    options.source = source;
    options.now_s = kNow;
    options.issuers = issuers_;
    options.dry_run = dry_run_;
    options.forget = forget_;
    return Import(*state_, cache_, TestSecret(), options);
  }
  absl::StatusOr<ImportReport> Forget(const fs::path& source) {
    forget_ = true;
    absl::StatusOr<ImportReport> report = Take(source);
    forget_ = false;
    return report;
  }

  static std::map<std::string, ImportRow> ByPath(const ImportReport& report) {
    std::map<std::string, ImportRow> rows;
    for (const ImportRow& row : report.rows) rows[row.path] = row;
    return rows;
  }

  size_t CachedFiles() const {
    size_t n = 0;
    if (!fs::exists(folder_ / "cache")) return 0;
    for (const auto& file : fs::recursive_directory_iterator(folder_ / "cache")) {
      n += file.is_regular_file() ? 1 : 0;
    }
    return n;
  }

  fs::path folder_ = NewFolder("site");
  FilmCache cache_{folder_ / "cache"};
  std::unique_ptr<State> state_;
  std::vector<std::string> issuers_;
  bool dry_run_ = false;
  bool forget_ = false;
};

TEST_F(ImportTest, TakesUpFilmsWithConsentAndLabel) {
  const fs::path source = MakeSource("hospital-a", 4);
  HILUM_ASSERT_OK_AND_ASSIGN(const ImportReport report, Take(source));
  EXPECT_EQ(report.accepted, 4u);
  EXPECT_EQ(report.rejected, 0u);
  EXPECT_EQ(report.unchanged, 0u);
  EXPECT_EQ(report.patients_granted, 46u);
  EXPECT_EQ(CachedFiles(), 4u);
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<FilmRecord> films, state_->Films());
  ASSERT_EQ(films.size(), 4u);
  EXPECT_EQ(films[0].pid.size(), 64u);
  EXPECT_EQ(films[0].origin, "gwcmc");
  EXPECT_EQ(films[0].age_years, 3.0);
}

TEST_F(ImportTest, ASecondImportReadsNothingAgain) {
  const fs::path source = MakeSource("hospital-a", 4);
  HILUM_ASSERT_OK(Take(source));
  std::map<fs::path, int64_t> written;  // a second reading would write them again
  for (const auto& file : fs::recursive_directory_iterator(folder_ / "cache")) {
    if (file.is_regular_file()) written[file.path()] = *LastChangeNs(file.path());
  }
  HILUM_ASSERT_OK_AND_ASSIGN(const ImportReport report, Take(source));
  EXPECT_EQ(report.accepted, 4u);
  EXPECT_EQ(report.unchanged, 4u);
  EXPECT_EQ(written.size(), 4u);
  for (const auto& [path, time] : written) EXPECT_EQ(*LastChangeNs(path), time);
}

// docs/site.md: cache/ may be deleted.
TEST_F(ImportTest, ALostOrDamagedCacheIsMadeAgain) {
  const fs::path source = MakeSource("hospital-a", 4);
  HILUM_ASSERT_OK(Take(source));
  fs::remove_all(folder_ / "cache");
  HILUM_ASSERT_OK(Take(source));
  EXPECT_EQ(CachedFiles(), 4u);
  for (const auto& file : fs::recursive_directory_iterator(folder_ / "cache")) {
    if (!file.is_regular_file()) continue;
    HILUM_ASSERT_OK_AND_ASSIGN(Bytes bytes, ReadFile(file.path(), 1 << 20));
    bytes.back() ^= 1;
    HILUM_ASSERT_OK(WriteFileDurably(file.path(), bytes));
  }
  HILUM_ASSERT_OK(Take(source));
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<FilmRecord> films, state_->Films());
  for (const FilmRecord& film : films) {
    HILUM_EXPECT_OK(
        cache_.Load({film.pid, film.sop, film.profile_digest, film.cache_digest}).status());
  }
}

// An editor that keeps the time, or `touch -r`: the size and the time of modification are as
// before.
TEST_F(ImportTest, AConsentThatChangesWithoutATraceIsReadAgain) {
  const fs::path source = MakeSource("hospital-a", 4);
  HILUM_ASSERT_OK(Take(source));
  const fs::path file = source / "consent/DEMO-A-0002.json";
  const auto time = fs::last_write_time(file);
  HILUM_ASSERT_OK_AND_ASSIGN(std::string text, ReadTextFile(file, 1 << 20));
  const size_t at = text.find("HRESCH");
  ASSERT_NE(at, std::string::npos);
  text.replace(at, 6, "HRESCX");
  HILUM_ASSERT_OK(WriteFileDurably(file, AsBytes(text)));
  fs::last_write_time(file, time);
  HILUM_ASSERT_OK_AND_ASSIGN(const ImportReport report, Take(source));
  EXPECT_EQ(ByPath(report).at("films/DEMO-A-0002_1.dcm").code, "CONSENT");
}

TEST_F(ImportTest, NoConsentIsARejectionAndLeavesNoImage) {
  const fs::path source = MakeSource("hospital-a", 4);
  fs::remove(source / "consent/DEMO-A-0002.json");
  HILUM_ASSERT_OK_AND_ASSIGN(const ImportReport report, Take(source));
  EXPECT_EQ(report.accepted, 3u);
  const auto rows = ByPath(report);
  EXPECT_EQ(rows.at("films/DEMO-A-0002_1.dcm").code, "CONSENT");
  EXPECT_EQ(rows.at("films/DEMO-A-0002_1.dcm").reason, "no Consent on file");
  EXPECT_EQ(CachedFiles(), 3u);
}

TEST_F(ImportTest, ARevocationTakesEffectAndErasesTheImages) {
  const fs::path source = MakeSource("hospital-b", 30);
  HILUM_ASSERT_OK_AND_ASSIGN(const ImportReport before, Take(source));
  EXPECT_EQ(before.accepted, 30u);
  fs::copy(DemoData() / "revocation/hospital-b/consent/DEMO-B-0011.json", source / "consent",
           fs::copy_options::overwrite_existing);
  HILUM_ASSERT_OK_AND_ASSIGN(const ImportReport after, Take(source));
  EXPECT_EQ(after.accepted, 28u);  // the patient has two films
  EXPECT_EQ(after.rejected, 2u);
  EXPECT_EQ(after.patients_revoked, 1u);
  EXPECT_EQ(ByPath(after).at("films/DEMO-B-0011_1.dcm").reason, "Consent: status inactive");
  EXPECT_EQ(CachedFiles(), 28u);
}

TEST_F(ImportTest, ARevocationInAnotherFolderCountsForTheFilmsOfTheFirst) {
  HILUM_ASSERT_OK(Take(MakeSource("hospital-b", 30)));
  const fs::path second = NewFolder("source");
  fs::create_directories(second / "consent");
  fs::copy(DemoData() / "revocation/hospital-b/consent/DEMO-B-0011.json", second / "consent");
  HILUM_ASSERT_OK_AND_ASSIGN(const ImportReport report, Take(second));
  EXPECT_EQ(report.patients_revoked, 1u);
  EXPECT_EQ(CachedFiles(), 28u);
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<FilmRecord> films, state_->Films());
  EXPECT_EQ(std::count_if(films.begin(), films.end(),
                          [](const FilmRecord& film) { return film.code == "CONSENT"; }),
            2);
}

TEST_F(ImportTest, TheSameFilmsInACopyOfTheFolderAreNoNewFilms) {
  HILUM_ASSERT_OK(Take(MakeSource("hospital-b", 30)));
  const fs::path copy = MakeSource("hospital-b", 30);
  fs::copy(DemoData() / "revocation/hospital-b/consent/DEMO-B-0011.json", copy / "consent",
           fs::copy_options::overwrite_existing);
  HILUM_ASSERT_OK_AND_ASSIGN(const ImportReport report, Take(copy));
  EXPECT_EQ(report.accepted, 28u);
  EXPECT_EQ(report.unchanged, 28u);
  EXPECT_EQ(CachedFiles(), 28u);
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<FilmRecord> films, state_->Films());
  EXPECT_EQ(films.size(), 30u);
}

TEST_F(ImportTest, ADeletedConsentFileRevokes) {
  const fs::path source = MakeSource("hospital-a", 4);
  HILUM_ASSERT_OK(Take(source));
  fs::remove(source / "consent/DEMO-A-0001.json");
  HILUM_ASSERT_OK_AND_ASSIGN(const ImportReport report, Take(source));
  EXPECT_EQ(report.accepted, 3u);
  EXPECT_EQ(report.patients_revoked, 1u);
  EXPECT_EQ(CachedFiles(), 3u);
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<ConsentRecord> consents, state_->Consents());
  EXPECT_EQ(consents.size(), 45u) << "the next round would still find the Consent";
}

TEST_F(ImportTest, AConsentMissingInACopyStandsUntilTheOldFolderIsForgotten) {
  const fs::path old = fs::weakly_canonical(MakeSource("hospital-a", 4));
  HILUM_ASSERT_OK(Take(old));
  const fs::path copy = MakeSource("hospital-a", 4);
  fs::remove(copy / "consent/DEMO-A-0001.json");
  HILUM_ASSERT_OK_AND_ASSIGN(const ImportReport copied, Take(copy));
  EXPECT_EQ(copied.accepted, 4u);
  ASSERT_EQ(copied.others.size(), 1u);
  EXPECT_EQ(copied.others[0].path, old.string());
  EXPECT_EQ(copied.others[0].films, 0u) << "they belong to the copy now";
  EXPECT_EQ(copied.others[0].consent_files, 46u);

  fs::remove_all(old);
  EXPECT_THAT(Take(old), StatusIs(absl::StatusCode::kNotFound, "with --forget"));
  dry_run_ = true;
  HILUM_EXPECT_OK(Forget(old));
  dry_run_ = false;
  EXPECT_EQ(CachedFiles(), 4u);
  HILUM_ASSERT_OK_AND_ASSIGN(const ImportReport forgotten, Forget(old / ""));
  EXPECT_EQ(forgotten.patients_revoked, 1u);
  EXPECT_EQ(CachedFiles(), 3u);
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<ConsentRecord> consents, state_->Consents());
  EXPECT_EQ(consents.size(), 45u);
  EXPECT_THAT(Forget(old), StatusIs(absl::StatusCode::kNotFound, "nothing was imported from"));
}

TEST_F(ImportTest, AForgottenFolderTakesItsFilmsAlong) {
  const fs::path source = MakeSource("hospital-a", 4);
  HILUM_ASSERT_OK(Take(source));
  HILUM_ASSERT_OK_AND_ASSIGN(const ImportReport forgotten, Forget(source));
  EXPECT_EQ(forgotten.removed, 4u);
  EXPECT_EQ(forgotten.patients_granted, 0u);
  EXPECT_EQ(CachedFiles(), 0u);
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<FilmRecord> films, state_->Films());
  EXPECT_TRUE(films.empty());
}

TEST_F(ImportTest, ForgettingNeverGivesAPermissionBack) {
  HILUM_ASSERT_OK(Take(MakeSource("hospital-b", 30)));
  const fs::path second = NewFolder("source");
  fs::create_directories(second / "consent");
  fs::copy(DemoData() / "revocation/hospital-b/consent/DEMO-B-0011.json", second / "consent");
  HILUM_ASSERT_OK(Take(second));
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<ConsentRecord> before, state_->Consents());
  EXPECT_THAT(Forget(second), StatusIs(absl::StatusCode::kFailedPrecondition,
                                       "training on 1 of the patients whom it denies"));
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<ConsentRecord> after, state_->Consents());
  EXPECT_EQ(after.size(), before.size());
  EXPECT_EQ(CachedFiles(), 28u);
}

TEST_F(ImportTest, AConsentGivenAgainBringsTheFilmBack) {
  const fs::path source = MakeSource("hospital-a", 2);
  const fs::path consent = source / "consent/DEMO-A-0001.json";
  const std::string text = ReadText(consent);
  fs::remove(consent);
  HILUM_ASSERT_OK_AND_ASSIGN(const ImportReport without, Take(source));
  EXPECT_EQ(without.accepted, 1u);
  WriteText(consent, text);
  HILUM_ASSERT_OK_AND_ASSIGN(const ImportReport with, Take(source));
  EXPECT_EQ(with.accepted, 2u);
  EXPECT_EQ(with.unchanged, 1u);
}

TEST_F(ImportTest, ADeletedFilmIsDropped) {
  const fs::path source = MakeSource("hospital-a", 4);
  HILUM_ASSERT_OK(Take(source));
  fs::remove(source / "films/DEMO-A-0001_1.dcm");
  HILUM_ASSERT_OK_AND_ASSIGN(const ImportReport report, Take(source));
  EXPECT_EQ(report.accepted, 3u);
  EXPECT_EQ(report.removed, 1u);
  EXPECT_EQ(CachedFiles(), 3u);
}

TEST_F(ImportTest, OneBadFileNeverStopsTheRest) {
  const fs::path source = MakeSource("hospital-a", 3);
  WriteText(source / "films/bad.dcm", "not DICOM");
  WriteText(source / "films/cut.dcm", ReadText(source / "films/DEMO-A-0001_1.dcm").substr(0, 700));
  WriteText(source / "consent/bad.json", "{");
  HILUM_ASSERT_OK_AND_ASSIGN(const ImportReport report, Take(source));
  EXPECT_EQ(report.accepted, 3u);
  EXPECT_EQ(report.rejected, 2u);
  const auto rows = ByPath(report);
  EXPECT_EQ(rows.at("films/bad.dcm").code, "NO_PREAMBLE");
  EXPECT_FALSE(rows.at("films/cut.dcm").code.empty());
  EXPECT_EQ(rows.at("consent/bad.json").code, "CONSENT_FILE");
}

TEST_F(ImportTest, AFilmWithoutLabelOrTwiceIsRejected) {
  const fs::path source = MakeSource("hospital-a", 2);
  fs::copy(source / "films/DEMO-A-0001_1.dcm", source / "films/z-copy.dcm");
  WriteText(source / "labels.csv", "file,label\nDEMO-A-0001_1.dcm,normal\nz-copy.dcm,normal\n");
  HILUM_ASSERT_OK_AND_ASSIGN(const ImportReport report, Take(source));
  const auto rows = ByPath(report);
  EXPECT_EQ(rows.at("films/DEMO-A-0001_1.dcm").status, "accepted");
  EXPECT_EQ(rows.at("films/DEMO-A-0002_1.dcm").code, "NO_LABEL");
  EXPECT_EQ(rows.at("films/z-copy.dcm").code, "DUPLICATE");
}

TEST_F(ImportTest, AForeignIssuerFindsNoConsent) {
  issuers_ = {"OUR-HOSPITAL"};
  HILUM_ASSERT_OK_AND_ASSIGN(const ImportReport report, Take(MakeSource("hospital-a", 2)));
  EXPECT_EQ(report.accepted, 0u);
  EXPECT_EQ(report.rows[0].code, "ISSUER");
  issuers_ = {"HILUM-DEMO"};
  HILUM_ASSERT_OK_AND_ASSIGN(const ImportReport own, Take(MakeSource("hospital-a", 2)));
  EXPECT_EQ(own.accepted, 2u);
}

TEST_F(ImportTest, ADryRunChangesNothing) {
  dry_run_ = true;
  HILUM_ASSERT_OK_AND_ASSIGN(const ImportReport report, Take(MakeSource("hospital-a", 4)));
  EXPECT_EQ(report.accepted, 4u);
  EXPECT_EQ(CachedFiles(), 0u);
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<FilmRecord> films, state_->Films());
  EXPECT_TRUE(films.empty());
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<ConsentRecord> consents, state_->Consents());
  EXPECT_TRUE(consents.empty());
}

TEST_F(ImportTest, WrongArgumentsAreNamed) {
  EXPECT_THAT(Take("/nowhere/at/all"), StatusIs(absl::StatusCode::kNotFound, "/nowhere/at/all"));
  const fs::path source = MakeSource("hospital-a", 1);
  WriteText(source / "labels.csv", "name;class\n");
  EXPECT_THAT(Take(source), StatusIs(absl::StatusCode::kInvalidArgument, "labels.csv:1"));
}

TEST_F(ImportTest, NoRowOrRecordNamesThePatient) {
  HILUM_ASSERT_OK(Take(MakeSource("hospital-a", 4)));
  HILUM_ASSERT_OK_AND_ASSIGN(const std::vector<FilmRecord> films, state_->Films());
  for (const FilmRecord& film : films) {
    EXPECT_EQ(film.pid.find("DEMO"), std::string::npos);
    EXPECT_EQ(film.sop.find("2.25"), std::string::npos);
  }
}

TEST(Labels, FileNamesMayHoldCommasAndSpaces) {
  HILUM_ASSERT_OK_AND_ASSIGN(const Labels labels,
                             Labels::Parse("file,label,source\r\na, b.dcm,normal,nih\r\n"
                                           "\"c.dcm\",\"pneumonia\",\n"));
  ASSERT_NE(labels.Find("films/a, b.dcm", false), nullptr);
  EXPECT_EQ(labels.Find("films/a, b.dcm", false)->source, "nih");
  EXPECT_EQ(labels.Find("c.dcm", false)->label, "pneumonia");
  EXPECT_EQ(labels.Find("deep/down/c.dcm", false), nullptr);
  EXPECT_NE(labels.Find("deep/down/c.dcm", true), nullptr);
}

TEST(Labels, BadLinesAreNamed) {
  EXPECT_THAT(Labels::Parse("file,label\nx.dcm\n"),
              StatusIs(absl::StatusCode::kInvalidArgument, "labels.csv:2"));
  EXPECT_THAT(Labels::Parse("file,label\nx.dcm,\n"),
              StatusIs(absl::StatusCode::kInvalidArgument, "labels.csv:2"));
  EXPECT_THAT(Labels::Parse("file,label\nx.dcm,a\nx.dcm,b\n"),
              StatusIs(absl::StatusCode::kInvalidArgument, "second time"));
}

}  // namespace
}  // namespace hilum::client

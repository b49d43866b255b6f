#include "dicom/inspect.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <cstdlib>

#include "base/file.h"
#include "crypto/hash.h"
#include "dicom/read.h"
#include "dicom/refusal.h"
#include "tests/dicom/film_builder.h"
#include "tests/dicom/png_reader.h"
#include "tests/dicom/vectors.h"
#include "tests/status_matchers.h"

namespace hilum::dicom {
namespace {

#ifdef HILUM_SANITIZED
constexpr double kSlowestSeconds = 2;
#else
constexpr double kSlowestSeconds = 0.1;
#endif

struct Seen {
  InspectReport report;
  std::string stored_sha256;
};

Seen Look(const fs::path& path) {
  crypto::Sha256Stream hash;
  InspectOptions options;
  options.stored = [&](ByteView frame) { hash.Update(frame); };
  Seen seen{.report = Inspect(path, options), .stored_sha256 = {}};
  seen.stored_sha256 = ToHex(hash.Finish());
  return seen;
}

double Real(const std::string& text) { return std::strtod(text.c_str(), nullptr); }

// One row of a reference table: pydicom's view of a file that it reads.
void ExpectLikeReference(const Row& row, const Seen& seen) {
  const InspectReport& report = seen.report;
  ASSERT_TRUE(report.status.ok()) << report.status;
  EXPECT_EQ(report.transfer_syntax, row.at("transfer_syntax"));
  EXPECT_EQ(report.rows, std::atoll(row.at("rows").c_str()));
  EXPECT_EQ(report.columns, std::atoll(row.at("cols").c_str()));
  if (!row.at("bits_stored").empty()) {
    EXPECT_EQ(report.bits_stored, std::atoi(row.at("bits_stored").c_str()));
    EXPECT_EQ(report.is_signed, row.at("pixel_rep") == "1");
  }
  EXPECT_EQ(report.modality, row.at("modality"));
  const bool exact = row.at("decoder_dependent") == "no";
  EXPECT_TRUE(!exact || seen.stored_sha256 == row.at("sha256_pixels"));
  const double tolerance = exact ? 0 : 1;
  // The table rounds to four decimals, floats to seven digits.
  EXPECT_NEAR(*report.min, Real(row.at("min")), tolerance + 1e-7);
  EXPECT_NEAR(*report.max, Real(row.at("max")), tolerance + 1e-7);
  EXPECT_NEAR(*report.mean, Real(row.at("mean")), tolerance + 6e-5);
}

void CheckTable(const std::vector<Row>& rows, const fs::path& folder, const std::string& column,
                int least) {
  int n_ok = 0;
  for (const Row& row : rows) {
    SCOPED_TRACE(row.at(column));
    const Seen seen = Look(folder / row.at(column));
    const std::string& status = row.at("status");
    if (status == "ok") {
      ExpectLikeReference(row, seen);
      ++n_ok;
    } else if (status == "ok-no-preamble" || status == "not-part10-or-unreadable") {
      EXPECT_EQ(CodeOf(seen.report.status), "NO_PREAMBLE");
    } else if (status != "parse-error" && status.rfind("parse-error:", 0) != 0) {
      EXPECT_NE(CodeOf(seen.report.status), "") << seen.report.status;
    }
  }
  EXPECT_GE(n_ok, least);
}

TEST(Inspect, SeesWhatPydicomSees) {
  CheckTable(ReadCsv(VectorFolder() / "reference.csv"), VectorFolder() / "files", "file", 50);
}

TEST(Inspect, SeesWhatPydicomSeesInTheWholeTable) {
  const auto shared = SharedFolder();
  if (!shared) return;  // the vectors above cover every syntax
  CheckTable(ReadCsv(*shared / "dicom_reference.csv"), *shared, "path", 130);
}

// Largest difference between the picture of a film and its expected image.
int PictureError(const fs::path& film) {
  const InspectReport report = Inspect(film, {.picture = true});
  EXPECT_TRUE(report.status.ok()) << report.status;
  if (!report.picture) return 256;
  fs::path expected_path = film;
  expected_path.replace_extension(".expected.png");
  const Image8 expected = DecodePng(ReadFile(expected_path, 10'000'000).value());
  if (expected.width != report.picture->width || expected.height != report.picture->height) {
    return 256;
  }
  int error = 0;
  for (size_t i = 0; i < expected.values.size(); ++i) {
    error = std::max(error, std::abs(expected.values[i] - report.picture->values[i]));
  }
  return error;
}

TEST(Inspect, PicturesAreRightWithinOneGreyLevel) {
  std::vector<fs::path> folders = {VectorFolder() / "derived"};
  if (const auto shared = SharedFolder()) folders.push_back(*shared / "dicom_derived");
  int n_films = 0;
  for (const fs::path& folder : folders) {
    for (const auto& entry : fs::directory_iterator(folder)) {
      if (entry.path().extension() != ".dcm") continue;
      EXPECT_LE(PictureError(entry.path()), 1) << entry.path();
      ++n_films;
    }
  }
  EXPECT_GE(n_films, 3);
}

// A malformed file ends in a named refusal or a clean read, quickly, by both doors.
void ExpectTamed(const fs::path& path) {
  const auto start = std::chrono::steady_clock::now();
  const InspectReport report = Inspect(path, {.picture = true});
  const absl::Status status =
      ReadVolume({path}, FindProfile("cxr96").value(), [](absl::string_view, absl::string_view) {
        return std::string("x");
      }).status();
  const auto spent = std::chrono::steady_clock::now() - start;
  EXPECT_TRUE(report.status.ok() || CodeOf(report.status) != "") << path << report.status;
  EXPECT_TRUE(status.ok() || CodeOf(status) != "") << path << status;
  EXPECT_LT(std::chrono::duration<double>(spent).count(), kSlowestSeconds) << path;
}

TEST(Inspect, TamesEveryMalformedFile) {
  int n_files = 0;
  for (const Row& row : ReadCsv(VectorFolder() / "fuzz.csv")) {
    const fs::path path = VectorFolder() / "fuzz" / row.at("file");
    ExpectTamed(path);
    EXPECT_TRUE(row.at("expected") != "accept" || Inspect(path).status.ok()) << path;
    ++n_files;
  }
  EXPECT_GE(n_files, 70);
  const auto shared = SharedFolder();
  if (!shared) return;
  for (const auto& entry : fs::recursive_directory_iterator(*shared / "dicom_fuzz")) {
    if (entry.is_regular_file()) ExpectTamed(entry.path());
  }
}

TEST(Inspect, NormalisesStoredValues) {
  // Twelve signed bits with rubbish above: -1, 5 and -2048.
  Film film(1, 3, 16, {0xAFFF, 0x7005, 0x0800});
  film.Short(0x00280101, {12}).Short(0x00280102, {11}).Short(0x00280103, {1});
  Bytes stored;
  InspectOptions options;
  options.stored = [&](ByteView frame) { AppendBytes(stored, frame); };
  const InspectReport report = InspectBytes(film.Build(), options);
  HILUM_ASSERT_OK(report.status);
  EXPECT_EQ(stored, (Bytes{0xFF, 0xFF, 0x05, 0x00, 0x00, 0xF8}));
  EXPECT_EQ(report.min, -2'048);
  EXPECT_EQ(report.max, 5);
  EXPECT_DOUBLE_EQ(*report.mean, -2'044 / 3.0);
}

TEST(Inspect, KnowsHounsfieldUnitsAndSpacing) {
  Film film(2, 2, 16, {0, 1, 2, 3});
  film.Text(0x00080060, "CS", "CT").Text(0x00280030, "DS", "0.7\\0.5");
  const InspectReport report = InspectBytes(film.Build(), {.picture = true});
  HILUM_ASSERT_OK(report.status);
  EXPECT_EQ(report.unit, "HU");
  ASSERT_TRUE(report.spacing_mm.has_value());
  EXPECT_EQ((*report.spacing_mm)[0], 0.7);
  EXPECT_EQ((*report.spacing_mm)[1], 0.5);
  // Without a window of its own a CT picture has centre -600 and width 1500: 0 HU is 229.
  ASSERT_TRUE(report.picture.has_value());
  EXPECT_EQ(report.picture->values[0], 230);  // LINEAR: (599.5 / 1499 + 0.5) * 255 = 229.5
}

TEST(Inspect, APictureThatCannotBeMadeIsNoFaultOfTheFile) {
  Film film(2, 2, 8, {0, 1, 2, 3});
  film.Text(0x00280004, "CS", "PALETTE COLOR");
  const InspectReport report = InspectBytes(film.Build(), {.picture = true});
  HILUM_EXPECT_OK(report.status);
  EXPECT_FALSE(report.picture.has_value());
  EXPECT_EQ(CodeOf(report.picture_status), "COLOUR");
}

TEST(Inspect, ARefusalKeepsWhatWasKnown) {
  const InspectReport report =
      InspectBytes(Film(2, 2, 8, {}).BuildCompressed(kRle, {Bytes(64, 0)}));
  EXPECT_EQ(CodeOf(report.status), "CODESTREAM");
  EXPECT_EQ(report.transfer_syntax, kRle);
  EXPECT_EQ(report.rows, 2);
  EXPECT_FALSE(report.mean.has_value());
}

}  // namespace
}  // namespace hilum::dicom

#include "dicom/read.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <thread>

#include "base/file.h"
#include "dicom/film_gate.h"
#include "dicom/header.h"
#include "dicom/refusal.h"
#include "dicom/syntax.h"
#include "tests/dicom/film_builder.h"
#include "tests/status_matchers.h"

namespace hilum::dicom {
namespace {

std::string Mark(absl::string_view kind, absl::string_view value) {
  return std::string(kind) + "#" + std::to_string(std::hash<std::string>{}(std::string(value)));
}

Profile Small() { return FindProfile("cxr96").value(); }

absl::StatusOr<PixelVolume> Read(const Bytes& file, const ReadOptions& options = {}) {
  return ReadVolumeFromBytes(file, Small(), Mark, options);
}

std::string CodeFor(const Film& film, const ReadOptions& options = {}) {
  return std::string(CodeOf(Read(film.Build(), options).status()));
}

Film Chest() { return Film(16, 16, 8, Ramp(256)); }

TEST(ReadVolume, ReadsAFilm) {
  Film film = Chest();
  film.Text(0x00101010, "AS", "018M").Text(0x00100040, "CS", "F");
  film.Text(0x00181164, "DS", "0.2\\0.1").Text(0x00200020, "CS", "L\\F");
  HILUM_ASSERT_OK_AND_ASSIGN(const PixelVolume volume, Read(film.Build()));
  EXPECT_EQ(volume.shape(), (std::array<int64_t, 3>{3, 96, 96}));
  EXPECT_EQ(volume.values().size(), 3u * 96 * 96);
  EXPECT_EQ(volume.padding().size(), 96u * 96);
  EXPECT_EQ(volume.ids().patient, Mark("patient", "ID-1"));
  EXPECT_EQ(volume.ids().study, Mark("study", "1.2.3.1"));
  EXPECT_EQ(volume.ids().series, Mark("series", "1.2.3.2"));
  EXPECT_EQ(volume.ids().sop, Mark("sop", "1.2.3.4"));
  EXPECT_EQ(volume.facts().view, View::kPa);
  EXPECT_EQ(volume.facts().sex, Sex::kFemale);
  EXPECT_DOUBLE_EQ(volume.facts().age_years.value(), 1.5);
  EXPECT_EQ(volume.profile_name(), "cxr96");
  // 16 rows lose int(1.28) = 1, so the square has 15 pixels a side.
  ASSERT_TRUE(volume.spacing_mm().has_value());
  EXPECT_DOUBLE_EQ((*volume.spacing_mm())[0], 0.2 * 15 / 96);
  EXPECT_DOUBLE_EQ((*volume.spacing_mm())[1], 0.1 * 15 / 96);
  EXPECT_EQ(volume.branches().ToText(),
            "voi=as_is inverted=0 shape_overrides=0 padded=0 monochrome1=0 intensity=absent "
            "lossy=0 reoriented=0 "
            "orientation_absent=0 view_absent=0 body_part_absent=0 age_absent=0 "
            "spacing_calibrated=0");
}

TEST(ReadVolume, RecordsPhotometricAndIntensity) {
  Film film = Chest();
  film.Text(0x00280004, "CS", "MONOCHROME1").Text(0x00281040, "CS", "LOG");
  HILUM_ASSERT_OK_AND_ASSIGN(const PixelVolume volume, Read(film.Build()));
  EXPECT_TRUE(volume.branches().monochrome1);
  EXPECT_EQ(volume.branches().intensity, Intensity::kLogarithmic);
  film.Text(0x00281040, "CS", "DOEJANE");
  HILUM_ASSERT_OK_AND_ASSIGN(const PixelVolume other, Read(film.Build()));
  EXPECT_EQ(other.branches().intensity, Intensity::kOther);
}

TEST(ReadVolume, RecordsWhatIsAbsent) {
  Film film = Chest();
  film.Drop(0x00185101).Drop(0x00180015).Drop(0x00100020);
  HILUM_ASSERT_OK_AND_ASSIGN(const PixelVolume volume, Read(film.Build()));
  EXPECT_TRUE(volume.branches().view_absent);
  EXPECT_TRUE(volume.branches().body_part_absent);
  EXPECT_TRUE(volume.branches().age_absent);
  EXPECT_TRUE(volume.branches().orientation_absent);
  EXPECT_EQ(volume.facts().view, View::kUnknown);
  EXPECT_EQ(volume.ids().patient, "");
  EXPECT_FALSE(volume.spacing_mm().has_value());
}

TEST(ReadVolume, ReadsAttributesThatAWriterMarkedUnknown) {
  std::vector<uint16_t> words = Ramp(256);
  Film film(16, 16, 8, words);
  film.Text(0x00080060, "UN", "CR").Text(0x00100020, "UN", "ID-1").Text(0x00185101, "UN", "AP");
  film.Text(0x00200020, "UN", "R\\F").Short(0x00280120, {255}, "UN");
  film.Put({0x0020000D, "UN", {'1', '.', '2', '.', '3', '.', '1', 0}});
  HILUM_ASSERT_OK_AND_ASSIGN(const PixelVolume volume, Read(film.Build()));
  EXPECT_EQ(volume.ids().patient, Mark("patient", "ID-1"));
  EXPECT_EQ(volume.ids().study, Mark("study", "1.2.3.1"));
  EXPECT_EQ(volume.facts().view, View::kAp);
  EXPECT_TRUE(volume.branches().reoriented);
  EXPECT_TRUE(volume.branches().padded);
}

TEST(ReadVolume, TheIssuerBelongsToThePatient) {
  Film film = Chest();
  film.Text(0x00100021, "LO", "CLINIC");
  HILUM_ASSERT_OK_AND_ASSIGN(const PixelVolume volume, Read(film.Build()));
  EXPECT_EQ(volume.ids().patient, Mark("patient", "ID-1\\CLINIC"));
}

TEST(ReadVolume, AMirroredFilmGivesTheSameInput) {
  std::vector<uint16_t> mirrored;
  for (int row = 0; row < 16; ++row) {
    for (int column = 15; column >= 0; --column) {
      mirrored.push_back(static_cast<uint16_t>(row * 16 + column));
    }
  }
  Film straight = Chest();
  straight.Text(0x00200020, "CS", "L\\F");
  Film turned(16, 16, 8, mirrored);
  turned.Text(0x00200020, "CS", "R\\F");
  HILUM_ASSERT_OK_AND_ASSIGN(const PixelVolume a, Read(straight.Build()));
  HILUM_ASSERT_OK_AND_ASSIGN(const PixelVolume b, Read(turned.Build()));
  EXPECT_EQ(a.values(), b.values());
  EXPECT_FALSE(a.branches().reoriented);
  EXPECT_TRUE(b.branches().reoriented);
}

TEST(ReadVolume, TakesOnlyFrontalChestFilmsForPresentation) {
  EXPECT_EQ(CodeFor(Chest()), "");
  EXPECT_EQ(CodeFor(Chest().Text(0x00080060, "CS", "CT")), "MODALITY");
  EXPECT_EQ(CodeFor(Chest().Drop(0x00080060)), "MODALITY");
  EXPECT_EQ(CodeFor(Chest().Text(0x00080060, "CS", "DX")), "FOR_PROCESSING");
  EXPECT_EQ(CodeFor(Chest().Text(0x00080060, "CS", "DX").Text(0x00080068, "CS", "FOR PROCESSING")),
            "FOR_PROCESSING");
  EXPECT_EQ(
      CodeFor(Chest().Text(0x00080060, "CS", "DX").Text(0x00080068, "CS", "FOR PRESENTATION")), "");
  EXPECT_EQ(CodeFor(Chest().Text(0x00280004, "CS", "PALETTE COLOR")), "COLOUR");
  EXPECT_EQ(CodeFor(Chest().Drop(0x00280004)), "COLOUR");
  EXPECT_EQ(CodeFor(Chest().Text(0x00185101, "CS", "LL")), "VIEW");
  EXPECT_EQ(CodeFor(Chest().Text(0x00200020, "CS", "P\\F")), "VIEW");
  EXPECT_EQ(CodeFor(Chest().Text(0x00180015, "CS", "HAND")), "BODY_PART");
  EXPECT_EQ(CodeFor(Chest().Text(0x00180015, "CS", "UNKNOWN")), "");
  EXPECT_EQ(CodeFor(Chest().Drop(0x00080018)), "DICOM");
  EXPECT_EQ(CodeFor(Chest().Text(0x00280008, "IS", "1")), "");
}

TEST(ReadVolume, TakesOneFrameOfOneFile) {
  Film film(16, 16, 8, std::vector<uint16_t>(512, 1));
  EXPECT_EQ(CodeFor(film.Text(0x00280008, "IS", "2")), "FRAMES");
  EXPECT_EQ(CodeOf(ReadVolume({"a", "b"}, Small(), Mark).status()), "FRAMES");
  EXPECT_EQ(CodeOf(ReadVolume({}, Small(), Mark).status()), "FRAMES");
}

TEST(ReadVolume, TakesOneSampleOfEightOrSixteenBits) {
  Film film(16, 16, 8, std::vector<uint16_t>(1'024, 1));
  film.Short(0x00280100, {32}).Short(0x00280101, {32}).Short(0x00280102, {31});
  EXPECT_EQ(CodeFor(film), "BITS");
}

// The decoder would take memory for all pixels that a small stream claims.
TEST(ReadVolume, RefusesMorePixelsThanAnyDetectorHas) {
  GateReport report;
  report.syntax = FindSyntax("1.2.840.10008.1.2.4.90");
  report.has_pixels = true;
  report.pixels.rows = 8192;
  report.pixels.columns = 8193;
  report.pixels.frames = report.pixels.samples = 1;
  report.pixels.bits_allocated = report.pixels.bits_stored = 16;
  const Bytes file = Chest().Build();
  HILUM_ASSERT_OK_AND_ASSIGN(const SafeFile safe, OpenFile(file));
  HILUM_ASSERT_OK_AND_ASSIGN(const Header header, ParseHeader(safe));
  EXPECT_THAT(CheckFilm(report, header, false),
              StatusIs(absl::StatusCode::kInvalidArgument, "8192 x 8193 pixels, the limit is"));
  report.pixels.columns = 8192;
  HILUM_EXPECT_OK(CheckFilm(report, header, false));
}

TEST(ReadVolume, QuarantinesFilmsThatMayHoldBurnedInText) {
  EXPECT_EQ(CodeFor(Chest().Text(0x00280301, "CS", "YES")), "BURNED_IN");
  Film secondary = Chest();
  secondary.Text(0x00080008, "CS", "DERIVED\\SECONDARY");
  EXPECT_EQ(CodeFor(secondary), "BURNED_IN");
  EXPECT_EQ(CodeFor(secondary, {.reviewed_for_text = true}), "");
  EXPECT_EQ(CodeFor(secondary.Text(0x00280301, "CS", "NO")), "");
  EXPECT_EQ(CodeFor(Chest().Text(0x00280301, "CS", "YES"), {.reviewed_for_text = true}),
            "BURNED_IN");
}

TEST(ReadVolume, RefusesAFileThatIsNotThereWithoutItsName) {
  const absl::Status status = ReadVolume({"/nowhere/DOE^JANE.dcm"}, Small(), Mark).status();
  EXPECT_EQ(CodeOf(status), "FILE");
  EXPECT_EQ(std::string(status.message()).find("DOE"), std::string::npos);
}

// Names, numbers, dates and UIDs, in places where people and machines leave them.
struct Secret {
  uint32_t tag;
  const char* vr;
  const char* text;
};
constexpr Secret kSecrets[] = {
    {0x00100010, "PN", "DOE^JANE"},          {0x00100020, "LO", "PAT-774411"},
    {0x00100030, "DA", "19610203"},          {0x00101000, "LO", "OTHER-8899"},
    {0x00101040, "LO", "12 Elm Street"},     {0x00104000, "LT", "called mother"},
    {0x00080020, "DA", "20210405"},          {0x00080030, "TM", "101112"},
    {0x00080050, "SH", "ACC-556677"},        {0x00080080, "LO", "St Elsewhere"},
    {0x00080090, "PN", "HOUSE^GREGORY"},     {0x00081030, "LO", "chest of Jane"},
    {0x00081010, "SH", "STATION-7"},         {0x00080018, "UI", "1.2.999.1234567.4"},
    {0x0020000D, "UI", "1.2.999.1234567.1"}, {0x0020000E, "UI", "1.2.999.1234567.2"},
    {0x00200010, "SH", "STUDY-31337"},       {0x00181000, "LO", "SERIAL-424242"},
    {0x00091010, "LO", "private DOE"},
};

std::string AllTextOf(const PixelVolume& volume) {
  return volume.ids().patient + "|" + volume.ids().study + "|" + volume.ids().series + "|" +
         volume.ids().sop + "|" + volume.profile_name() + "|" + volume.branches().ToText() + "|" +
         std::string(volume.unit());
}

TEST(ReadVolume, KeepsNothingThatNamesThePatient) {
  Film film = Chest();
  for (const Secret& secret : kSecrets) film.Text(secret.tag, secret.vr, secret.text);
  HILUM_ASSERT_OK_AND_ASSIGN(const PixelVolume volume, Read(film.Build()));
  for (const Secret& secret : kSecrets) {
    EXPECT_EQ(AllTextOf(volume).find(secret.text), std::string::npos) << secret.text;
  }
}

TEST(ReadVolume, NoRefusalRepeatsTextOfTheFile) {
  // A name typed into each attribute that a refusal speaks about.
  for (const uint32_t tag :
       {0x00080060u, 0x00080068u, 0x00185101u, 0x00180015u, 0x00280004u, 0x00280008u, 0x00280301u,
        0x00281050u, 0x00281051u, 0x00281052u, 0x00281053u, 0x00281056u, 0x00200020u, 0x00080008u,
        0x20500020u, 0x00101010u, 0x00100040u, 0x00280010u, 0x00280101u}) {
    Film film = Chest();
    film.Text(0x00281050, "DS", "1").Text(0x00281051, "DS", "100");
    film.Text(0x00080060, "CS", tag == 0x00080068u ? "DX" : "CR");
    film.Text(tag, "CS", "DOEJANE");
    const absl::Status status = Read(film.Build()).status();
    EXPECT_EQ(status.ToString().find("DOE"), std::string::npos) << std::hex << tag;
    EXPECT_TRUE(status.ok() || CodeOf(status) != "") << status;
  }
}

TEST(ReadVolume, PrintsNothing) {
  Film film = Chest();
  film.Text(0x00100010, "PN", "DOE^JANE");
  // DCMTK would warn about this one: an item that is cut off.
  Bytes broken = film.Build();
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  (void)Read(broken);
  film.Put({0x00081140, "SQ", Bytes(4, 1)});
  (void)Read(film.Build());
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
}

TEST(ReadVolume, ThreadsGetTheSameBits) {
  const Bytes file = Chest().Build();
  HILUM_ASSERT_OK_AND_ASSIGN(const PixelVolume expected, Read(file));
  std::vector<std::thread> threads;
  std::array<int, 4> equal{};
  for (size_t i = 0; i < equal.size(); ++i) {
    threads.emplace_back([&, i] {
      for (int n = 0; n < 20; ++n) {
        const absl::StatusOr<PixelVolume> volume = Read(file);
        equal[i] += volume.ok() && volume->values() == expected.values();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const int n : equal) EXPECT_EQ(n, 20);
}

TEST(ReadVolume, ReadsEveryFilmOfTheDemo) {
  const fs::path demo = fs::path(HILUM_SOURCE_DIR) / "demo" / "data";
  const Profile profile = FindProfile("cxr128").value();
  int n_films = 0;
  for (const auto& entry : fs::recursive_directory_iterator(demo)) {
    if (entry.path().extension() != ".dcm") continue;
    const absl::StatusOr<PixelVolume> volume = ReadVolume({entry.path()}, profile, Mark);
    EXPECT_TRUE(volume.ok()) << entry.path() << volume.status();
    EXPECT_TRUE(!volume.ok() || volume->ids().patient != "") << entry.path();
    ++n_films;
  }
  EXPECT_GE(n_films, 300);
}

}  // namespace
}  // namespace hilum::dicom

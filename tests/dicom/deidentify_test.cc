#include "dicom/deidentify.h"

#include <gtest/gtest.h>

#include <cctype>
#include <functional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "dicom/deidentify_table.h"
#include "dicom/gate.h"
#include "dicom/header.h"
#include "dicom/inspect.h"
#include "dicom/refusal.h"
#include "tests/dicom/film_builder.h"
#include "tests/dicom/vectors.h"
#include "tests/status_matchers.h"

namespace hilum::dicom {
namespace {

// What is planted, in every spelling that a search finds.
constexpr absl::string_view kSecret = "Zaphodbeeb";

std::string Number(absl::string_view text) {
  return absl::StrCat("2.25.", std::hash<std::string>{}(std::string(text)));
}

SiteKeys Keys() {
  return {.pseudonym = [](absl::string_view,
                          absl::string_view value) { return absl::StrCat("P", Number(value)); },
          .uid = Number,
          .days = [](absl::string_view) { return -40; }};
}

absl::StatusOr<DeidentifiedFile> Deidentified(const Bytes& file, const ReadOptions& options = {}) {
  return Deidentify(file, Keys(), options);
}

Film Chest() {
  Film film(16, 16, 8, Ramp(256));
  film.Text(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.1").Text(0x00280301, "CS", "NO");
  return film;
}

// How often the secret stands in the bytes, whatever the case.
int64_t Hits(const Bytes& bytes) {
  std::string text(AsText(bytes));
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  std::string secret(kSecret);
  for (char& c : secret) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  int64_t n = 0;
  for (size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at + 1)) ++n;
  return n;
}

Header HeaderOf(const Bytes& file) {
  const absl::StatusOr<SafeFile> safe = OpenFile(file);
  EXPECT_TRUE(safe.ok()) << safe.status();
  const absl::StatusOr<Header> header = ParseHeader(*safe);
  EXPECT_TRUE(header.ok()) << header.status();
  return *header;
}

// Stored values of all frames, by value.
Bytes StoredOf(const Bytes& file) {
  Bytes all;
  InspectOptions options;
  options.stored = [&](ByteView frame) { AppendBytes(all, frame); };
  const InspectReport report = InspectBytes(file, options);
  EXPECT_TRUE(report.status.ok()) << report.status;
  return all;
}

TEST(Deidentify, FindsNothingPlantedInAnyVrDepthOrPrivateTag) {
  const std::string name(kSecret);
  Film film = Chest();
  film.Text(0x00100010, "PN", name + "^Trillian").Text(0x00100020, "LO", name + "42");
  // Attributes that the table does not know, one of each VR.
  uint32_t tag = 0x00101080;
  for (const char* vr : {"AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "OB", "OW", "PN",
                         "SH", "ST", "TM", "UI", "UN", "UT"}) {
    film.Text(tag += 2, vr, name);
    film.Text(0x00091000 + (tag & 0xFF), vr, name);  // private
  }
  film.Text(0x00090010, "LO", name);                                      // a private creator
  film.Text(0x00081030, "LO", "Study of " + name);                        // description
  film.Text(0x00204000, "LT", "Seen by " + name);                         // comments
  film.Text(0x60003000, "OW", name).Text(0x50003000, "OW", name);         // overlay, curve
  film.Put(Sequence(0x00880200, {{0x7FE00010, "OW", TextBytes(name)}}));  // icon
  // Attributes that stay, holding what they should not.
  film.Text(0x00080070, "LO", "Made for " + name).Text(0x00181210, "SH", "Zaphodbeeb");
  film.Text(0x00180015, "CS", "ZAPHODBEEB").Text(0x00280A02, "CS", name);
  film.Text(0x00180060, "DS", name).Text(0x00200013, "IS", name).Text(0x00101010, "AS", name);
  film.Text(0x00080020, "DA", name).Text(0x00080022, "LO", name);
  film.Text(0x00181150, "LO", "lives in Magrathea");  // an exposure time
  film.Text(0x00081155, "UI", "1.7.42").Text(0x00081150, "UI", "1.7.43");
  film.Text(0x00080005, "LO", name).Text(0x00181151, "UT", name);
  film.Text(0x00281201, "OW", name).Text(0x00281202, "OW", name);  // palettes
  const std::string many(12'000, '\\');                            // the last of many values
  film.Text(0x00180022, "CS", many + "ZAPHODBEEB");
  // In items: a kept sequence with a comment, a person and a private attribute, three deep.
  const std::vector<Element> inner = {{0x00081150, "UI", TextBytes("1.2.840.10008.1.1 ")},
                                      {0x00081155, "UI", TextBytes("1.9.9.9.1")},
                                      {0x00100010, "PN", TextBytes(name)},
                                      {0x00111001, "LT", TextBytes(name)}};
  Element deep = Sequence(0x00081140, inner);
  for (int i = 0; i < 3; ++i) deep = Sequence(0x00081140, {deep});
  film.Put(deep);
  const Bytes before = film.Build();
  ASSERT_GT(Hits(before), 50);
  HILUM_ASSERT_OK_AND_ASSIGN(const DeidentifiedFile file, Deidentified(before));
  EXPECT_EQ(Hits(file.bytes), 0);
  EXPECT_FALSE(absl::StrContains(AsText(file.bytes), "Trillian"));
  EXPECT_FALSE(absl::StrContains(AsText(file.bytes), "1.9.9.9.1"));
  EXPECT_TRUE(absl::StrContains(AsText(file.bytes), Number("1.9.9.9.1")));
  EXPECT_FALSE(absl::StrContains(AsText(file.bytes), "Magrathea"));
  EXPECT_FALSE(absl::StrContains(AsText(file.bytes), "1.7.42"));
  EXPECT_FALSE(absl::StrContains(AsText(file.bytes), "1.7.43"));
  EXPECT_GE(file.report.n_private, 20);
  EXPECT_EQ(file.report.removed.count("(0008,1030)"), 1u);
  EXPECT_EQ(file.report.removed.count("(6000,3000)"), 1u);
  EXPECT_EQ(file.report.removed.count("(0088,0200)"), 1u);
  for (const char* kept : {"(0008,0070)", "(0018,1210)", "(0018,0015)", "(0018,0060)"}) {
    EXPECT_EQ(file.report.scrubbed.count(kept), 1u) << kept;
  }
}

TEST(Deidentify, KeepsTheImageAndItsMeaning) {
  Film film = Chest();
  film.Text(0x00281050, "DS", "40").Text(0x00281051, "DS", "400");
  film.Text(0x00101010, "AS", "045Y").Text(0x00100040, "CS", "F");
  film.Text(0x00180060, "DS", "120").Text(0x00080070, "LO", "Acme");
  const Bytes before = film.Build();
  HILUM_ASSERT_OK_AND_ASSIGN(const DeidentifiedFile file, Deidentified(before));
  EXPECT_EQ(StoredOf(file.bytes), StoredOf(before));
  const Header header = HeaderOf(file.bytes);
  EXPECT_EQ(header.window_centre, 40);
  EXPECT_EQ(header.age, "045Y");
  EXPECT_EQ(header.sex, "F");
  EXPECT_EQ(header.body_part, "CHEST");
  EXPECT_EQ(header.view_position, "PA");
  EXPECT_TRUE(absl::StrContains(AsText(file.bytes), "Acme"));
}

TEST(Deidentify, ReplacesIdentifiersConsistently) {
  const Bytes before = Chest().Build();
  HILUM_ASSERT_OK_AND_ASSIGN(const DeidentifiedFile file, Deidentified(before));
  const Header header = HeaderOf(file.bytes);
  EXPECT_EQ(header.patient_id, "P" + Number("ID-1"));
  EXPECT_EQ(header.study_uid, Number("1.2.3.1"));
  EXPECT_EQ(header.series_uid, Number("1.2.3.2"));
  EXPECT_EQ(header.sop_uid, Number("1.2.3.4"));
  // File meta in step: the instance UID stands there and in the data set.
  const std::string text(AsText(file.bytes));
  const size_t first = text.find(header.sop_uid);
  EXPECT_LT(first, 400u);
  EXPECT_NE(text.find(header.sop_uid, first + 1), std::string::npos);
  EXPECT_FALSE(absl::StrContains(text, "1.2.3.4"));
  EXPECT_TRUE(absl::StrContains(text, "1.2.840.10008.5.1.4.1.1.1"));  // never mapped
}

TEST(Deidentify, NoInstanceKeepsItsUidBelowTheStandardsRoot) {
  const std::string number = "1.2.840.10008.5551234";
  Film film = Chest();
  for (const uint32_t tag : {0x00080018u, 0x0020000Du, 0x0020000Eu, 0x00200052u}) {
    film.Text(tag, "UI", number);
  }
  film.Put(Sequence(0x00081140, {{0x00081155, "UI", TextBytes(number)}}));
  HILUM_ASSERT_OK_AND_ASSIGN(const DeidentifiedFile file, Deidentified(film.Build()));
  EXPECT_FALSE(absl::StrContains(AsText(file.bytes), "5551234"));
  EXPECT_EQ(HeaderOf(file.bytes).sop_uid, Number(number));
  // An atlas of the standard is nobody's.
  film.Text(0x00200052, "UI", "1.2.840.10008.1.4.1.1");
  HILUM_ASSERT_OK_AND_ASSIGN(const DeidentifiedFile atlas, Deidentified(film.Build()));
  EXPECT_TRUE(absl::StrContains(AsText(atlas.bytes), "1.2.840.10008.1.4.1.1"));
}

TEST(Deidentify, MovesDatesAndDropsTimes) {
  Film film = Chest();
  film.Text(0x00080020, "DA", "20250110").Text(0x00080030, "TM", "101112");
  film.Text(0x0008002A, "DT", "20250301101112.5").Text(0x00080022, "DA", "20251399");
  film.Text(0x00080031, "TM", "101113").Text(0x00100030, "DA", "19700203");
  HILUM_ASSERT_OK_AND_ASSIGN(const DeidentifiedFile file, Deidentified(film.Build()));
  const std::string text(AsText(file.bytes));
  EXPECT_TRUE(absl::StrContains(text, "20241201"));  // 40 days before
  EXPECT_TRUE(absl::StrContains(text, "20250120"));
  for (const char* gone : {"20250110", "101112", "101113", "20250301", "20251399", "19700203"}) {
    EXPECT_FALSE(absl::StrContains(text, gone)) << gone;
  }
  EXPECT_EQ(file.report.shifted.size(), 2u);
  EXPECT_EQ(file.report.scrubbed.count("(0008,0022)"), 1u);
  EXPECT_EQ(file.report.emptied.count("(0010,0030)"), 1u);
}

TEST(Deidentify, SaysWhatWasDoneAndWhetherThePixelsAreClean) {
  HILUM_ASSERT_OK_AND_ASSIGN(const DeidentifiedFile clean, Deidentified(Chest().Build()));
  EXPECT_TRUE(clean.report.pixels_clean);
  for (const char* word : {"YES", "MODIFIED", "113100", "113103", "113105", "113107", "113108"}) {
    EXPECT_TRUE(absl::StrContains(AsText(clean.bytes), word)) << word;
  }
  HILUM_ASSERT_OK_AND_ASSIGN(const DeidentifiedFile open,
                             Deidentified(Chest().Drop(0x00280301).Build()));
  EXPECT_FALSE(open.report.pixels_clean);
  EXPECT_FALSE(absl::StrContains(AsText(open.bytes), "YES"));
}

TEST(Deidentify, RefusesImagesThatMayHoldText) {
  EXPECT_EQ(CodeOf(Deidentified(Chest().Text(0x00280301, "CS", "YES").Build()).status()),
            "BURNED_IN");
  Film film = Chest().Drop(0x00280301).Text(0x00080060, "CS", "US");
  EXPECT_EQ(CodeOf(Deidentified(film.Build()).status()), "BURNED_IN");
  HILUM_EXPECT_OK(Deidentified(film.Build(), {.reviewed_for_text = true}).status());
  film = Chest().Drop(0x00280301).Text(0x00080008, "CS", "DERIVED\\SECONDARY");
  EXPECT_EQ(CodeOf(Deidentified(film.Build()).status()), "BURNED_IN");
  // An overlay in the unused bits of the pixels: nobody's review takes it out.
  film = Chest().Short(0x60020100, {16}).Short(0x60020102, {12});
  EXPECT_EQ(CodeOf(Deidentified(film.Build(), {.reviewed_for_text = true}).status()), "BURNED_IN");
  film = Chest().Short(0x60020100, {1}).Short(0x60020102, {0});  // one of its own, which goes
  HILUM_EXPECT_OK(Deidentified(film.Build()).status());
  EXPECT_EQ(CodeOf(Deidentified(Chest().Drop(0x00080016).Build()).status()), "DICOM");
  EXPECT_EQ(CodeOf(Deidentified(Chest().Text(0x00080016, "UI", "1.2.3").Build()).status()),
            "DICOM");
}

TEST(Deidentify, DropsWhatFollowsThePixels) {
  Bytes file = Chest().Build();
  AppendBytes(file, Encode({0xFFFCFFFC, "OB", TextBytes(std::string(kSecret))}));
  HILUM_ASSERT_OK_AND_ASSIGN(const DeidentifiedFile clean, Deidentified(file));
  EXPECT_EQ(Hits(clean.bytes), 0);
  EXPECT_EQ(StoredOf(clean.bytes), StoredOf(file));
}

// Every real file that is read gives a file that is read, with the same stored values.
TEST(Deidentify, RealFilesOfEverySyntaxKeepTheirPixels) {
  int n = 0;
  for (const auto& item : fs::directory_iterator(VectorFolder() / "files")) {
    HILUM_ASSERT_OK_AND_ASSIGN(const Bytes before, ReadFile(item.path(), 100 << 20));
    if (!InspectBytes(before).status.ok()) continue;
    const absl::StatusOr<DeidentifiedFile> file = Deidentified(before, {.reviewed_for_text = true});
    if (!file.ok()) {
      EXPECT_FALSE(CodeOf(file.status()).empty()) << item.path() << file.status();
      continue;
    }
    ++n;
    EXPECT_EQ(StoredOf(file->bytes), StoredOf(before)) << item.path();
  }
  EXPECT_GT(n, 20);
}

TEST(DeidentifyTable, KnowsActionsAndRemovesTheRest) {
  EXPECT_EQ(ActionFor(0x00100010), TagAction::kEmpty);
  EXPECT_EQ(ActionFor(0x00100020), TagAction::kPseudonym);
  EXPECT_EQ(ActionFor(0x0020000D), TagAction::kUid);
  EXPECT_EQ(ActionFor(0x00080020), TagAction::kShiftDate);
  EXPECT_EQ(ActionFor(0x00280010), TagAction::kKeep);
  EXPECT_EQ(ActionFor(0x52009230), TagAction::kRecurse);
  for (const uint32_t tag : {0x00000000u, 0x00080080u, 0x00104000u, 0x60003000u, 0xFFFFFFFFu}) {
    EXPECT_EQ(ActionFor(tag), TagAction::kRemove) << tag;
  }
}

}  // namespace
}  // namespace hilum::dicom

#include "dicom/gate.h"

#include <gtest/gtest.h>

#include <chrono>

#include "dicom/refusal.h"
#include "tests/dicom/film_builder.h"
#include "tests/status_matchers.h"

namespace hilum::dicom {
namespace {

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

Film SmallFilm() { return Film(4, 6, 8, Ramp(24)); }

// A whole file around the elements of a data set.
Bytes File(const Bytes& data_set, const std::string& syntax = kExplicit) {
  Bytes file = Preamble(syntax);
  AppendBytes(file, data_set);
  return file;
}

std::string CodeFor(const Bytes& file, const GateLimits& limits = {}) {
  return std::string(CodeOf(CheckFile(file, limits).status()));
}

int64_t MillisecondsFor(const Bytes& file) {
  const auto start = std::chrono::steady_clock::now();
  (void)CheckFile(file);
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                               start)
      .count();
}

TEST(Gate, DescribesAFilm) {
  HILUM_ASSERT_OK_AND_ASSIGN(const GateReport report, CheckFile(SmallFilm().Build()));
  EXPECT_EQ(report.syntax->name, "explicit");
  EXPECT_TRUE(report.has_pixels);
  EXPECT_EQ(report.pixels.rows, 4);
  EXPECT_EQ(report.pixels.columns, 6);
  EXPECT_EQ(report.pixels.frames, 1);
  EXPECT_EQ(report.pixels.bits_stored, 8);
  EXPECT_EQ(report.pixels.photometric, "MONOCHROME2");
  EXPECT_EQ(report.native.size_bytes, 24u);
  EXPECT_TRUE(report.warnings.empty());
}

TEST(Gate, TakesAFileWithoutPixels) {
  HILUM_ASSERT_OK_AND_ASSIGN(const GateReport report,
                             CheckFile(File(Encode({0x00080060, "CS", TextBytes("SR")}))));
  EXPECT_FALSE(report.has_pixels);
  EXPECT_EQ(report.n_elements, 1);
}

TEST(Gate, RefusesAFileWithoutPreamble) {
  Bytes file = SmallFilm().Build();
  file.erase(file.begin(), file.begin() + 132);
  EXPECT_EQ(CodeFor(file), "NO_PREAMBLE");
  EXPECT_EQ(CodeFor({}), "NO_PREAMBLE");
  EXPECT_EQ(CodeFor(Bytes(132, 0)), "NO_PREAMBLE");
}

TEST(Gate, RefusesALongFile) {
  EXPECT_EQ(CodeFor(SmallFilm().Build(), {.file_bytes = 100}), "FILE_SIZE");
}

TEST(Gate, NamesATransferSyntaxThatIsNotRead) {
  Bytes file = Preamble("1.2.840.10008.1.2.4.53");
  AppendBytes(file, SmallFilm().Header());
  EXPECT_THAT(CheckFile(file), StatusIs(kInvalid,
                                        "TRANSFER_SYNTAX: transfer syntax "
                                        "1.2.840.10008.1.2.4.53"));
  EXPECT_EQ(PeekTransferSyntax(file), "1.2.840.10008.1.2.4.53");
}

TEST(Gate, DoesNotRepeatATransferSyntaxOutsideTheStandard) {
  const absl::Status status = CheckFile(File({}, "1.2.276.0.DOE.JANE")).status();
  EXPECT_EQ(CodeOf(status), "TRANSFER_SYNTAX");
  EXPECT_EQ(std::string(status.message()).find("DOE"), std::string::npos);
  EXPECT_EQ(PeekTransferSyntax(File({}, "1.2.840.10008.DOE")), "");
}

TEST(Gate, RefusesAFileThatStatesNoTransferSyntax) {
  Bytes file(128, 0);
  AppendText(file, "DICM");
  AppendBytes(file, SmallFilm().Header());
  EXPECT_EQ(CodeFor(file), "TRANSFER_SYNTAX");
}

TEST(Gate, RefusesAFileMetaElementPastTheEnd) {
  Bytes file(128, 0);
  AppendText(file, "DICM");
  AppendBytes(file, Encode({0x00020010, "UI", TextBytes("1.2")}, 60'000));
  EXPECT_EQ(CodeFor(file), "LENGTH");
}

TEST(Gate, ReadsImplicitDataBehindAnExplicitSyntax) {
  Bytes data;
  for (const auto& [tag, value] : {std::pair{0x00280010u, uint16_t{4}},
                                   {0x00280011u, uint16_t{6}},
                                   {0x00280100u, uint16_t{8}},
                                   {0x00280101u, uint16_t{8}},
                                   {0x00280102u, uint16_t{7}},
                                   {0x00280103u, uint16_t{0}}}) {
    AppendBytes(data, Encode({tag, "", ShortBytes({value})}));
  }
  AppendBytes(data, Encode({0x7FE00010, "", Bytes(24, 1)}));
  HILUM_ASSERT_OK_AND_ASSIGN(const GateReport report, CheckFile(File(data)));
  EXPECT_FALSE(report.explicit_vr);
  EXPECT_EQ(report.warnings.size(), 1u);
  EXPECT_EQ(CodeFor(File(data, kImplicit)), "");
}

// Sequences in sequences, `depth` deep, of defined or undefined length.
Bytes Nested(int depth, bool undefined) {
  if (undefined) {
    Bytes data;
    for (int i = 0; i < depth; ++i) {
      AppendBytes(data, Encode({0x00081140, "SQ", {}}, 0xFFFFFFFF));
      AppendBytes(data, Encode({0xFFFEE000, "", {}}, 0xFFFFFFFF));
    }
    for (int i = 0; i < depth; ++i) {
      AppendBytes(data, Encode({0xFFFEE00D, "", {}}));
      AppendBytes(data, Encode({0xFFFEE0DD, "", {}}));
    }
    return data;
  }
  Bytes data;
  for (int i = 0; i < depth; ++i) {
    data = Encode({0x00081140, "SQ", Encode({0xFFFEE000, "", data})});
  }
  return data;
}

TEST(Gate, RefusesDeepNesting) {
  for (const bool undefined : {false, true}) {
    EXPECT_EQ(CodeFor(File(Nested(32, undefined))), "") << undefined;
    EXPECT_EQ(CodeFor(File(Nested(33, undefined))), "NESTING") << undefined;
  }
  const Bytes hostile = File(Nested(10'000, true));
  EXPECT_EQ(CodeFor(hostile), "NESTING");
  EXPECT_LT(MillisecondsFor(hostile), 100);
}

TEST(Gate, CountsNestingAlsoWhereImplicitVrHidesIt) {
  Bytes data;
  for (int i = 0; i < 40; ++i) {
    data = Encode({0x00081140, "", Encode({0xFFFEE000, "", data})});
  }
  EXPECT_EQ(CodeFor(File(data, kImplicit)), "NESTING");
}

// A reader with a dictionary takes (0008,1140) for a sequence: it ends it at the delimiter, and
// what the gate would skip as a value becomes elements, `depth` deep.
Bytes BehindADelimiter(uint32_t delimiter, int depth) {
  Bytes data = Encode({delimiter, "", {}});
  for (int i = 0; i < depth; ++i) {
    AppendBytes(data, Encode({0x00081140, "", {}}, 0xFFFFFFFF));
    AppendBytes(data, Encode({0xFFFEE000, "", {}}, 0xFFFFFFFF));
  }
  return Encode({0x00081140, "", data});
}

TEST(Gate, LetsNoDelimiterHideNesting) {
  for (const uint32_t delimiter : {0xFFFEE0DDu, 0xFFFEE00Du, 0xFFFE1234u}) {
    EXPECT_EQ(CodeFor(File(BehindADelimiter(delimiter, 1000), kImplicit)), "LENGTH");
    // Inside an element of unknown VR, whose content is implicit.
    Bytes data = Encode({0x00091010, "UN", {}}, 0xFFFFFFFF);
    AppendBytes(data, Encode({0xFFFEE000, "", BehindADelimiter(delimiter, 1000)}));
    AppendBytes(data, Encode({0xFFFEE0DD, "", {}}));
    EXPECT_EQ(CodeFor(File(data)), "LENGTH");
  }
}

// The tag of an item or delimiter is all of the value, or less: a reader takes the rest from the
// bytes behind.
TEST(Gate, LetsNoShortSequenceHideNesting) {
  const Bytes tag = Encode({0xFFFEE000, "", {}});
  for (const size_t length : {1, 2, 3, 4, 5, 6, 7}) {
    Bytes data = Encode({0x00081140, "", Bytes(tag.begin(), tag.begin() + length)});
    AppendBytes(data, Bytes(tag.begin() + length, tag.end()));
    for (int i = 0; i < 1000; ++i) {
      AppendBytes(data, Encode({0x00081140, "", {}}, 0xFFFFFFFF));
      AppendBytes(data, Encode({0xFFFEE000, "", {}}, 0xFFFFFFFF));
    }
    EXPECT_EQ(CodeFor(File(data, kImplicit)), "LENGTH") << length;
  }
}

TEST(Gate, RefusesImplicitVrInBigEndian) {
  Bytes data;
  for (int i = 0; i < 1000; ++i) {
    AppendBytes(data, Bytes{0x00, 0x08, 0x11, 0x40, 0xFF, 0xFF, 0xFF, 0xFF});
    AppendBytes(data, Bytes{0xFF, 0xFE, 0xE0, 0x00, 0xFF, 0xFF, 0xFF, 0xFF});
  }
  EXPECT_EQ(CodeFor(File(data, kBigEndian)), "TRANSFER_SYNTAX");
}

TEST(Gate, ReadsUnknownElementsOfUndefinedLengthAsImplicitSequences) {
  Bytes inner = Encode({0x00080100, "", TextBytes("CODE")});
  Bytes data = Encode({0x00091010, "UN", {}}, 0xFFFFFFFF);
  AppendBytes(data, Encode({0xFFFEE000, "", inner}));
  AppendBytes(data, Encode({0xFFFEE0DD, "", {}}));
  EXPECT_EQ(CodeFor(File(data)), "");
}

TEST(Gate, RefusesManyElements) {
  Bytes data;
  for (int i = 0; i < 50; ++i) AppendBytes(data, Encode({0x00080060, "CS", {}}));
  EXPECT_EQ(CodeFor(File(data), {.elements = 50}), "");
  EXPECT_EQ(CodeFor(File(data), {.elements = 49}), "ELEMENTS");
}

TEST(Gate, RefusesALongValue) {
  const Bytes file = File(Encode({0x00091010, "UN", Bytes(100, 0)}));
  EXPECT_EQ(CodeFor(file, {.value_bytes = 100}), "");
  EXPECT_EQ(CodeFor(file, {.value_bytes = 99}), "VALUE_SIZE");
}

TEST(Gate, RefusesALengthBeyondTheFile) {
  EXPECT_EQ(CodeFor(File(Encode({0x00080060, "CS", TextBytes("CR")}, 400))), "LENGTH");
  EXPECT_EQ(CodeFor(File(Encode({0x00091010, "UN", {}}, 0x7FFFFFFF), kExplicit),
                    {.value_bytes = uint64_t{1} << 40}),
            "LENGTH");
  EXPECT_EQ(CodeFor(File({0x08, 0x00, 0x60})), "LENGTH");
}

TEST(Gate, RefusesALengthBeyondItsParent) {
  const Bytes item = Encode({0xFFFEE000, "", Encode({0x00080100, "SH", TextBytes("AB")}, 40)});
  Bytes data = Encode({0x00081140, "SQ", item});
  AppendBytes(data, Encode({0x00091010, "UN", Bytes(100, 0)}));  // the file itself is long enough
  EXPECT_EQ(CodeFor(File(data)), "LENGTH");
}

TEST(Gate, RefusesASequenceWithoutDelimiter) {
  Bytes data = Encode({0x00081140, "SQ", {}}, 0xFFFFFFFF);
  EXPECT_EQ(CodeFor(File(data)), "LENGTH");
  AppendBytes(data, Encode({0xFFFEE000, "", {}}));
  EXPECT_EQ(CodeFor(File(data)), "LENGTH");
  AppendBytes(data, Encode({0xFFFEE0DD, "", {}}));
  EXPECT_EQ(CodeFor(File(data)), "");
}

TEST(Gate, RefusesDelimitersWhereNoneBelong) {
  EXPECT_EQ(CodeFor(File(Encode({0xFFFEE0DD, "", {}}))), "LENGTH");
  EXPECT_EQ(CodeFor(File(Encode({0xFFFEE000, "", {}}))), "LENGTH");
  const Bytes element = Encode({0x00080100, "SH", TextBytes("AB")});
  EXPECT_EQ(CodeFor(File(Encode({0x00081140, "SQ", element}))), "LENGTH");
}

TEST(Gate, RefusesAnUndefinedLengthOfAPlainElement) {
  EXPECT_EQ(CodeFor(File(Encode({0x00091010, "OB", {}}, 0xFFFFFFFF))), "LENGTH");
}

TEST(Gate, RefusesAValueRepresentationThatDoesNotExist) {
  Bytes data = Encode({0x00080060, "CS", TextBytes("CR")});
  AppendBytes(data, Encode({0x00080070, "ZZ", TextBytes("MAKER")}));
  EXPECT_EQ(CodeFor(File(data)), "DICOM");
}

TEST(Gate, RefusesAPixelDescriptionThatIsThereTwice) {
  Bytes data = SmallFilm().Header();
  AppendBytes(data, Encode({0x00280010, "US", ShortBytes({400})}));
  AppendBytes(data, Encode({0x7FE00010, "OB", Bytes(24, 0)}));
  EXPECT_EQ(CodeFor(File(data)), "DICOM");
}

TEST(Gate, RefusesDimensionsOutsideTheLimits) {
  EXPECT_EQ(CodeFor(SmallFilm().Short(0x00280010, {0}).Build()), "DIMENSIONS");
  EXPECT_EQ(CodeFor(SmallFilm().Short(0x00280011, {16'385}).Build()), "DIMENSIONS");
  EXPECT_EQ(CodeFor(SmallFilm().Drop(0x00280010).Build()), "DIMENSIONS");
  EXPECT_EQ(CodeFor(SmallFilm().Text(0x00280008, "IS", "10001").Build()), "DIMENSIONS");
  EXPECT_EQ(CodeFor(SmallFilm().Text(0x00280008, "IS", "-1").Build()), "DIMENSIONS");
  EXPECT_EQ(CodeFor(SmallFilm().Text(0x00280008, "IS", "many").Build()), "DIMENSIONS");
}

TEST(Gate, RefusesTheHostileFileOf65535Squared) {
  const Bytes file = SmallFilm().Short(0x00280010, {65'535}).Short(0x00280011, {65'535}).Build();
  EXPECT_EQ(CodeFor(file), "DIMENSIONS");
  EXPECT_LT(MillisecondsFor(file), 100);
}

TEST(Gate, RefusesBitsThatDoNotFit) {
  EXPECT_EQ(CodeFor(SmallFilm().Short(0x00280100, {12}).Build()), "BITS");
  EXPECT_EQ(CodeFor(SmallFilm().Short(0x00280101, {9}).Short(0x00280102, {8}).Build()), "BITS");
  EXPECT_EQ(CodeFor(SmallFilm().Short(0x00280101, {0}).Build()), "BITS");
  EXPECT_EQ(CodeFor(SmallFilm().Short(0x00280102, {6}).Build()), "BITS");
  EXPECT_EQ(CodeFor(SmallFilm().Short(0x00280103, {2}).Build()), "BITS");
  EXPECT_EQ(CodeFor(SmallFilm().Short(0x00280002, {4}).Build()), "BITS");
}

TEST(Gate, TakesAnAbsentHighBitAndSaysSo) {
  HILUM_ASSERT_OK_AND_ASSIGN(const GateReport report,
                             CheckFile(SmallFilm().Drop(0x00280102).Build()));
  EXPECT_EQ(report.pixels.high_bit, 7);
  EXPECT_EQ(report.warnings.size(), 1u);
}

TEST(Gate, RefusesMorePixelsThanTheLimit) {
  const Bytes file = SmallFilm().Build();
  EXPECT_EQ(CodeFor(file, {.pixel_bytes = 24}), "");
  EXPECT_EQ(CodeFor(file, {.pixel_bytes = 23}), "PIXEL_SIZE");
  const Bytes large = SmallFilm()
                          .Short(0x00280010, {16'384})
                          .Short(0x00280011, {16'384})
                          .Text(0x00280008, "IS", "10")
                          .Build();
  EXPECT_EQ(CodeFor(large), "PIXEL_SIZE");
}

TEST(Gate, RefusesShortPixelData) {
  EXPECT_EQ(CodeFor(Film(4, 6, 8, Ramp(22)).Build()), "TRUNCATED");
  Bytes file = SmallFilm().Build();
  file.resize(file.size() - 2);
  EXPECT_EQ(CodeFor(file), "TRUNCATED");
}

TEST(Gate, RefusesEveryTruncationOfAFile) {
  const Bytes whole = SmallFilm().Build();
  // A cut between two elements of the header leaves a file without pixels, which is no fault.
  for (size_t n = 0; n < whole.size(); ++n) {
    const absl::StatusOr<GateReport> report = CheckFile(ByteView(whole).first(n));
    EXPECT_FALSE(report.ok() && report->has_pixels) << n;
  }
}

TEST(Gate, ToleratesFourKibibytesAfterThePixels) {
  EXPECT_EQ(CodeFor(Film(4, 6, 8, Ramp(24 + 4'096)).Build()), "");
  EXPECT_EQ(CodeFor(Film(4, 6, 8, Ramp(24 + 4'098)).Build()), "LENGTH");
}

TEST(Gate, RefusesTooFewAndTooManyFragments) {
  const Bytes fragment(2, 0);
  Film film = SmallFilm();
  EXPECT_EQ(CodeFor(film.BuildCompressed(kRle, {})), "FRAGMENTS");
  const GateLimits limits{.extra_fragments = 5};
  EXPECT_EQ(CodeFor(film.BuildCompressed(kRle, std::vector<Bytes>(15, fragment)), limits), "");
  EXPECT_EQ(CodeFor(film.BuildCompressed(kRle, std::vector<Bytes>(16, fragment)), limits),
            "FRAGMENTS");
  film.Text(0x00280008, "IS", "2");
  EXPECT_EQ(CodeFor(film.BuildCompressed(kRle, {fragment})), "FRAGMENTS");
}

TEST(Gate, RefusesAHundredThousandFragmentsAtOnce) {
  const Bytes file = SmallFilm().BuildCompressed(kRle, std::vector<Bytes>(100'000, Bytes(2, 0)));
  EXPECT_EQ(CodeFor(file), "FRAGMENTS");
  EXPECT_LT(MillisecondsFor(file), 100);
}

TEST(Gate, RefusesAFragmentPastTheEnd) {
  Bytes file = Preamble(kRle);
  AppendBytes(file, SmallFilm().Header());
  AppendBytes(file, Encode({0x7FE00010, "OB", {}}, 0xFFFFFFFF));
  AppendBytes(file, Encode({0xFFFEE000, "", {}}));
  AppendBytes(file, Encode({0xFFFEE000, "", Bytes(10, 0)}, 4'000'000'000));
  EXPECT_EQ(CodeFor(file), "TRUNCATED");
}

TEST(Gate, RefusesNativePixelsUnderACompressedSyntax) {
  Bytes file = Preamble(kRle);
  AppendBytes(file, SmallFilm().Header());
  AppendBytes(file, Encode({0x7FE00010, "OB", Bytes(24, 0)}));
  EXPECT_EQ(CodeFor(file), "LENGTH");
}

TEST(Gate, IgnoresAnOffsetTableOfTheWrongLength) {
  Bytes file = Preamble(kRle);
  AppendBytes(file, SmallFilm().Header());
  AppendBytes(file, Encode({0x7FE00010, "OB", {}}, 0xFFFFFFFF));
  AppendBytes(file, Encode({0xFFFEE000, "", Bytes(4'000, 0)}));
  AppendBytes(file, Encode({0xFFFEE000, "", Bytes(10, 0)}));
  AppendBytes(file, Encode({0xFFFEE0DD, "", {}}));
  HILUM_ASSERT_OK_AND_ASSIGN(const GateReport report, CheckFile(file));
  EXPECT_TRUE(report.offsets.empty());
  EXPECT_EQ(report.warnings.size(), 1u);
}

Bytes DeflatedFile(const Bytes& data_set) { return File(Deflate(data_set), kDeflated); }

TEST(Gate, InflatesADataSet) {
  Bytes data = SmallFilm().Header();
  AppendBytes(data, Encode({0x7FE00010, "OB", Bytes(24, 7)}));
  HILUM_ASSERT_OK_AND_ASSIGN(const GateReport report, CheckFile(DeflatedFile(data)));
  EXPECT_EQ(report.pixels.rows, 4);
  EXPECT_EQ(report.native.size_bytes, 24u);
}

TEST(Gate, StopsADeflateBombAfterTheFirstMebibyte) {
  // A private element that announces 1 GiB of zeros; the first 64 MiB of them are there.
  Bytes plain = Encode({0x00091010, "UN", {}}, uint32_t{1} << 30);
  plain.resize(size_t{64} << 20);
  const Bytes in_element = DeflatedFile(plain);
  EXPECT_EQ(CodeFor(in_element), "VALUE_SIZE");
  EXPECT_LT(MillisecondsFor(in_element), 100);
  // The same as many elements below the limit of one value.
  Bytes many;
  for (int i = 0; i < 8; ++i) AppendBytes(many, Encode({0x00091010, "UN", Bytes(8 << 20, 0)}));
  const Bytes bomb = DeflatedFile(many);
  EXPECT_EQ(CodeFor(bomb), "INFLATE");
  EXPECT_LT(MillisecondsFor(bomb), 100);
}

TEST(Gate, StopsADeflateBombInPixelData) {
  // The announced length does not fit the dimensions: refused before one pixel is inflated.
  Bytes data = SmallFilm().Header();
  AppendBytes(data, Encode({0x7FE00010, "OB", Bytes(32 << 20, 0)}));
  EXPECT_EQ(CodeFor(DeflatedFile(data)), "LENGTH");
  // It fits, and the ratio gives it away.
  Bytes fitting = Film(8'192, 4'096, 8, {}).Header();
  AppendBytes(fitting, Encode({0x7FE00010, "OB", Bytes(32 << 20, 0)}));
  EXPECT_EQ(CodeFor(DeflatedFile(fitting)), "INFLATE");
}

TEST(Gate, CapsTheInflatedSize) {
  Bytes data;
  for (int i = 0; i < 4; ++i) AppendBytes(data, Encode({0x00091010, "UN", Bytes(1'000, 0)}));
  EXPECT_EQ(CodeFor(DeflatedFile(data), {.inflated_bytes = 1'000}), "INFLATE");
}

TEST(Gate, RefusesABrokenDeflateStream) {
  Bytes data = SmallFilm().Header();
  AppendBytes(data, Encode({0x7FE00010, "OB", Bytes(24, 7)}));
  Bytes file = DeflatedFile(data);
  file.resize(file.size() - 20);
  EXPECT_EQ(CodeFor(file), "INFLATE");
  EXPECT_EQ(CodeFor(File(Bytes(40, 0xFF), kDeflated)), "INFLATE");
}

}  // namespace
}  // namespace hilum::dicom

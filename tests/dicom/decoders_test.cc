#include "dicom/decoders.h"

#include <charls/charls.h>
#include <gtest/gtest.h>

#include <chrono>

#include "base/file.h"
#include "dicom/frames.h"
#include "dicom/native.h"
#include "dicom/refusal.h"
#include "tests/dicom/film_builder.h"
#include "tests/dicom/vectors.h"
#include "tests/status_matchers.h"

namespace hilum::dicom {
namespace {

PixelHeader Header(int64_t rows, int64_t columns, int bits, int samples = 1) {
  return {.rows = rows,
          .columns = columns,
          .samples = samples,
          .bits_allocated = bits,
          .bits_stored = bits,
          .high_bit = bits - 1};
}

// An RLE frame of these segments, offsets worked out.
Bytes RleFrame(const std::vector<Bytes>& segments) {
  Bytes frame(64, 0);
  frame[0] = static_cast<uint8_t>(segments.size());
  for (size_t i = 0; i < segments.size(); ++i) {
    for (int byte = 0; byte < 4; ++byte) {
      frame[4 + 4 * i + static_cast<size_t>(byte)] =
          static_cast<uint8_t>(frame.size() >> (8 * byte));
    }
    AppendBytes(frame, segments[i]);
  }
  return frame;
}

// Two bytes copied, 128 does nothing, a run of four: 1 2 9 9 9 9.
const Bytes kSegment = {0x01, 1, 2, 0x80, 0xFD, 9};

TEST(Rle, DecodesLiteralsRunsAndNothing) {
  HILUM_ASSERT_OK_AND_ASSIGN(const Bytes words, DecodeRle(RleFrame({kSegment}), Header(2, 3, 8)));
  EXPECT_EQ(words, (Bytes{1, 2, 9, 9, 9, 9}));
}

TEST(Rle, PutsThePlaneOfHighBytesFirst) {
  const Bytes low = {0xFB, 7};  // six times 7
  HILUM_ASSERT_OK_AND_ASSIGN(const Bytes words,
                             DecodeRle(RleFrame({kSegment, low}), Header(2, 3, 16)));
  EXPECT_EQ(words, (Bytes{7, 1, 7, 2, 7, 9, 7, 9, 7, 9, 7, 9}));
}

TEST(Rle, InterleavesSamples) {
  const Bytes red = {0xFF, 1}, green = {0xFF, 2}, blue = {0xFF, 3};
  HILUM_ASSERT_OK_AND_ASSIGN(const Bytes words,
                             DecodeRle(RleFrame({red, green, blue}), Header(1, 2, 8, 3)));
  EXPECT_EQ(words, (Bytes{1, 2, 3, 1, 2, 3}));
}

TEST(Rle, RefusesFramesThatLie) {
  const PixelHeader pixels = Header(2, 3, 8);
  const auto code = [&](const Bytes& frame) {
    return std::string(CodeOf(DecodeRle(frame, pixels).status()));
  };
  EXPECT_EQ(code({}), "CODESTREAM");
  EXPECT_EQ(code(Bytes(63, 0)), "CODESTREAM");
  EXPECT_EQ(code(RleFrame({})), "CODESTREAM");
  EXPECT_EQ(code(RleFrame({kSegment, kSegment})), "CODESTREAM");
  EXPECT_EQ(code(RleFrame({{0x05, 1, 2}})), "CODESTREAM");     // literals past the end
  EXPECT_EQ(code(RleFrame({{0xFD}})), "CODESTREAM");           // a run without its byte
  EXPECT_EQ(code(RleFrame({{0xFD, 9}})), "CODESTREAM");        // too few bytes
  EXPECT_EQ(code(RleFrame({{0x81, 9}})), "CODESTREAM");        // 128 bytes for a plane of 6
  EXPECT_EQ(code(RleFrame({Bytes(50, 0x80)})), "CODESTREAM");  // nothing, often
  Bytes offset_in_header = RleFrame({kSegment});
  offset_in_header[4] = 8;
  EXPECT_EQ(code(offset_in_header), "CODESTREAM");
  Bytes offset_outside = RleFrame({kSegment});
  offset_outside[7] = 0xFF;
  EXPECT_EQ(code(offset_outside), "CODESTREAM");
  Bytes segments_outside = RleFrame({kSegment});
  segments_outside[0] = 0xFF;
  segments_outside[1] = 0xFF;
  EXPECT_EQ(code(segments_outside), "CODESTREAM");
}

Bytes EncodeJpegLs(const Bytes& words, const PixelHeader& pixels, int near_lossless) {
  charls::jpegls_encoder encoder;
  encoder.frame_info({static_cast<uint32_t>(pixels.columns), static_cast<uint32_t>(pixels.rows),
                      pixels.bits_stored, pixels.samples});
  encoder.near_lossless(near_lossless);
  Bytes out(encoder.estimated_destination_size());
  encoder.destination(out);
  out.resize(encoder.encode(words));
  return out;
}

TEST(JpegLs, DecodesWhatCharLsEncodes) {
  for (const int bits : {8, 16}) {
    const PixelHeader pixels = Header(20, 30, bits);
    Bytes words(static_cast<size_t>(pixels.frame_bytes()));
    for (size_t i = 0; i < words.size(); ++i) words[i] = static_cast<uint8_t>(i * i / 7);
    const Bytes stream = EncodeJpegLs(words, pixels, 0);
    HILUM_ASSERT_OK_AND_ASSIGN(const CodestreamHeader header, ReadCodestreamHeader(stream));
    HILUM_ASSERT_OK(CheckCodestream(header, pixels, *FindSyntax(kJpegLs)));
    HILUM_ASSERT_OK_AND_ASSIGN(const Bytes back, DecodeJpegLs(stream, header, pixels));
    EXPECT_EQ(back, words);
  }
}

// The first frame of a vector, whole or cut to `share` of its bytes.
struct Frame {
  Bytes stream;
  PixelHeader pixels;
  const Syntax* syntax;
};
Frame FirstFrame(const std::string& name) {
  const Bytes file = ReadFile(VectorFolder() / "files" / name, 10'000'000).value();
  const SafeFile safe = OpenFile(file).value();
  Frame frame{.stream = {}, .pixels = safe.report().pixels, .syntax = safe.report().syntax};
  const size_t n = frame.pixels.frames == 1 ? safe.report().fragments.size() : 1;
  for (size_t i = 0; i < n; ++i) {
    const Extent& fragment = safe.report().fragments[i];
    AppendBytes(frame.stream, safe.data_set().subspan(fragment.offset, fragment.size_bytes));
  }
  return frame;
}

absl::StatusOr<Bytes> Decode(const Frame& frame, ByteView stream) {
  if (frame.syntax->codec == Codec::kRle) return DecodeRle(stream, frame.pixels);
  HILUM_ASSIGN_OR_RETURN(const CodestreamHeader header, ReadCodestreamHeader(stream));
  HILUM_RETURN_IF_ERROR(CheckCodestream(header, frame.pixels, *frame.syntax));
  if (frame.syntax->codec == Codec::kJpeg) return DecodeJpeg(stream, header, frame.pixels);
  if (frame.syntax->codec == Codec::kJpegLs) return DecodeJpegLs(stream, header, frame.pixels);
  return DecodeJpeg2000(stream, header, frame.pixels);
}

void Append16(Bytes& out, uint32_t value) {
  AppendU8(out, static_cast<uint8_t>(value >> 8));
  AppendU8(out, static_cast<uint8_t>(value));
}

// A JPEG 2000 codestream of 256 x 256 in four tiles, with tile-parts of these tiles.
Bytes FourTiles(const std::vector<uint16_t>& tiles, uint32_t tile_side = 128) {
  Bytes out = {0xFF, 0x4F, 0xFF, 0x51, 0, 41, 0, 0};  // SOC, SIZ, its length, capabilities
  for (const uint32_t value : {256u, 256u, 0u, 0u, tile_side, tile_side, 0u, 0u}) {
    AppendU32(out, value);
  }
  AppendBytes(out, Bytes{0, 1, 7, 1, 1});
  for (const uint16_t tile : tiles) {
    AppendBytes(out, Bytes{0xFF, 0x90, 0, 10});
    Append16(out, tile);
    AppendU32(out, 18);  // the tile-part's length
    AppendBytes(out, Bytes{0, 1, 0xFF, 0x93, 0, 0, 0, 0});
  }
  AppendBytes(out, Bytes{0xFF, 0xD9});
  return out;
}

// A decoder leaves an absent tile black and says nothing.
TEST(Jpeg2000, RefusesAFrameWithoutAllItsTiles) {
  HILUM_EXPECT_OK(CheckTiles(FourTiles({0, 1, 2, 3})));
  HILUM_EXPECT_OK(CheckTiles(FourTiles({3, 1, 1, 0, 2})));
  const auto code = [](ByteView stream) { return std::string(CodeOf(CheckTiles(stream))); };
  EXPECT_EQ(code(FourTiles({0, 1})), "CODESTREAM");
  EXPECT_EQ(code(FourTiles({0, 1, 2, 2})), "CODESTREAM");
  EXPECT_EQ(code(FourTiles({})), "CODESTREAM");
  EXPECT_EQ(code(FourTiles({0, 1, 2, 3, 4})), "CODESTREAM");  // one of no tile
  EXPECT_EQ(code(FourTiles({0, 1, 2, 3}, 0)), "CODESTREAM");  // no grid
  EXPECT_EQ(code(FourTiles({0, 1, 2, 3}, 1)), "CODESTREAM");  // 65,536 tiles
  const Bytes whole = FourTiles({0, 1, 2, 3});
  for (size_t n = 42; n < whole.size(); ++n) {
    if (n == whole.size() - 2) continue;  // all tiles and no end marker: the decoder refuses that
    EXPECT_EQ(code(ByteView(whole).first(n)), "CODESTREAM") << n;
  }
}

constexpr const char* kCompressed[] = {
    "MR_small_RLE.dcm",          "MR_small_jpeg_ls_lossless.dcm",
    "MR_small_jp2klossless.dcm", "SC_rgb_jpeg_gdcm.dcm",
    "JPGExtended.dcm",           "JPEGBaseline_1s_1f_u_08_08.dcm",
    "SC_rgb_jls_lossy_line.dcm"};

TEST(Decoders, RefuseEveryStreamThatIsCutOff) {
  for (const char* name : kCompressed) {
    const Frame frame = FirstFrame(name);
    HILUM_ASSERT_OK(Decode(frame, frame.stream));
    for (const double share : {0.0, 0.02, 0.1, 0.5, 0.9}) {
      const size_t n = static_cast<size_t>(static_cast<double>(frame.stream.size()) * share);
      const absl::Status status = Decode(frame, ByteView(frame.stream).first(n)).status();
      EXPECT_EQ(CodeOf(status), "CODESTREAM") << name << " " << share << status;
    }
  }
}

// CharLS without the end marker that we add takes seconds for some of these 64 x 64 pixels.
TEST(Decoders, RefuseACutJpegLsStreamAtOnce) {
  const Frame frame = FirstFrame("MR_small_jpeg_ls_lossless.dcm");
  const auto start = std::chrono::steady_clock::now();
  for (size_t n = 40; n < frame.stream.size(); n += 61) {
    EXPECT_EQ(CodeOf(Decode(frame, ByteView(frame.stream).first(n)).status()), "CODESTREAM") << n;
  }
  EXPECT_LT(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), 2);
}

TEST(Decoders, SurviveEveryFlippedByte) {
  for (const char* name : kCompressed) {
    const Frame frame = FirstFrame(name);
    const size_t step = std::max<size_t>(1, frame.stream.size() / 50);
    for (size_t at = 0; at < frame.stream.size(); at += step) {
      Bytes bad = frame.stream;
      bad[at] = static_cast<uint8_t>(~bad[at]);
      const absl::StatusOr<Bytes> words = Decode(frame, bad);
      if (words.ok()) {
        EXPECT_EQ(words->size(), static_cast<size_t>(frame.pixels.frame_bytes()));
      } else {
        EXPECT_NE(CodeOf(words.status()), "") << words.status();
      }
    }
  }
}

TEST(Decoders, RefuseAStreamOfAnotherSize) {
  for (const char* name : kCompressed) {
    Frame frame = FirstFrame(name);
    if (frame.syntax->codec == Codec::kRle) continue;  // has no size of its own
    for (int64_t PixelHeader::*side : {&PixelHeader::rows, &PixelHeader::columns}) {
      Frame other = frame;
      other.pixels.*side += 1;
      EXPECT_EQ(CodeOf(Decode(other, other.stream).status()), "CODESTREAM") << name;
      other.pixels.*side -= 2;
      EXPECT_EQ(CodeOf(Decode(other, other.stream).status()), "CODESTREAM") << name;
    }
    frame.pixels.samples = 4 - frame.pixels.samples;
    EXPECT_EQ(CodeOf(Decode(frame, frame.stream).status()), "CODESTREAM") << name;
  }
}

TEST(Decoders, RefuseAStreamOfAnotherProcess) {
  Frame frame = FirstFrame("MR_small_jpeg_ls_lossless.dcm");
  for (const char* uid :
       {"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90"}) {
    frame.syntax = FindSyntax(uid);
    EXPECT_EQ(CodeOf(Decode(frame, frame.stream).status()), "CODESTREAM") << uid;
  }
}

TEST(Codestream, NamesProcessesThatAreNotRead) {
  Bytes stream = {0xFF, 0xD8, 0xFF, 0xC2, 0, 11, 8, 0, 10, 0, 20, 1, 1, 0x11, 0};
  EXPECT_THAT(ReadCodestreamHeader(stream), StatusIs(absl::StatusCode::kInvalidArgument, "SOF2"));
  stream[3] = 0xC0;
  HILUM_ASSERT_OK_AND_ASSIGN(const CodestreamHeader header, ReadCodestreamHeader(stream));
  EXPECT_EQ(header.height, 10);
  EXPECT_EQ(header.width, 20);
  EXPECT_EQ(header.precision, 8);
}

TEST(Codestream, RefusesGarbage) {
  EXPECT_EQ(CodeOf(ReadCodestreamHeader({}).status()), "CODESTREAM");
  EXPECT_EQ(CodeOf(ReadCodestreamHeader(Bytes(100, 0)).status()), "CODESTREAM");
  EXPECT_EQ(CodeOf(ReadCodestreamHeader(Bytes{0xFF, 0xD8, 0xFF, 0xDA, 0, 8}).status()),
            "CODESTREAM");
  EXPECT_EQ(CodeOf(ReadCodestreamHeader(Bytes{0xFF, 0x4F, 0xFF, 0x51, 0, 8}).status()),
            "CODESTREAM");
  EXPECT_EQ(CodeOf(ReadCodestreamHeader(Bytes{0xFF, 0xD8, 0xFF, 0xE0, 0, 0, 1, 1}).status()),
            "CODESTREAM");
}

TEST(Frames, FragmentsAreMappedByTableOrByMarker) {
  const Bytes segment = {0xFF, 5, 0, 0};
  const Bytes frame = RleFrame({segment});
  Film film(1, 2, 8, {});
  film.Text(0x00280008, "IS", "2");
  // Two fragments for two frames: one each.
  const Bytes one_each = film.BuildCompressed(kRle, {frame, frame});
  // Three fragments, no table, no start markers: nobody can tell.
  const Bytes unclear = film.BuildCompressed(kRle, {Bytes(frame.begin(), frame.begin() + 64),
                                                    Bytes(frame.begin() + 64, frame.end()), frame});
  HILUM_ASSERT_OK_AND_ASSIGN(const SafeFile clear_file, OpenFile(one_each));
  HILUM_ASSERT_OK_AND_ASSIGN(const FrameReader reader, FrameReader::Create(clear_file));
  HILUM_ASSERT_OK_AND_ASSIGN(const Bytes second, reader.Read(1));
  EXPECT_EQ(second, (Bytes{5, 5}));
  HILUM_ASSERT_OK_AND_ASSIGN(const SafeFile unclear_file, OpenFile(unclear));
  EXPECT_EQ(CodeOf(FrameReader::Create(unclear_file).status()), "FRAGMENTS");
}

TEST(Frames, AnOffsetTableJoinsFragments) {
  const Bytes frame = RleFrame({{0xFF, 5, 0, 0}});
  const Bytes head(frame.begin(), frame.begin() + 64);
  const Bytes tail(frame.begin() + 64, frame.end());
  Film film(1, 2, 8, {});
  film.Text(0x00280008, "IS", "2");
  const auto file_with = [&](uint8_t second_offset) {
    Bytes file = Preamble(kRle);
    AppendBytes(file, film.Header());
    AppendBytes(file, Encode({0x7FE00010, "OB", {}}, 0xFFFFFFFF));
    AppendBytes(file, Encode({0xFFFEE000, "", {0, 0, 0, 0, second_offset, 0, 0, 0}}));
    for (const Bytes& fragment : {head, tail, frame}) {
      AppendBytes(file, Encode({0xFFFEE000, "", fragment}));
    }
    AppendBytes(file, Encode({0xFFFEE0DD, "", {}}));
    return file;
  };
  const Bytes right = file_with(72 + 12);
  HILUM_ASSERT_OK_AND_ASSIGN(const SafeFile safe, OpenFile(right));
  HILUM_ASSERT_OK_AND_ASSIGN(const FrameReader reader, FrameReader::Create(safe));
  for (const int64_t i : {0, 1}) {
    HILUM_ASSERT_OK_AND_ASSIGN(const Bytes words, reader.Read(i));
    EXPECT_EQ(words, (Bytes{5, 5}));
  }
  for (const uint8_t wrong : {uint8_t{0}, uint8_t{83}, uint8_t{255}}) {
    const Bytes file = file_with(wrong);
    HILUM_ASSERT_OK_AND_ASSIGN(const SafeFile bad, OpenFile(file));
    EXPECT_EQ(CodeOf(FrameReader::Create(bad).status()), "FRAGMENTS") << int{wrong};
  }
}

TEST(Native, SwapsAndUnpacksAndInterleaves) {
  EXPECT_EQ(ReadNativeFrame(Bytes{1, 2, 3, 4}, Header(1, 2, 16), true, 0), (Bytes{2, 1, 4, 3}));
  EXPECT_EQ(ReadNativeFrame(Bytes{1, 2, 3, 4}, Header(1, 1, 16), false, 1), (Bytes{3, 4}));
  // Bits: 5 a frame, least significant first; frame 1 begins at bit 5.
  EXPECT_EQ(ReadNativeFrame(Bytes{0b10100001, 0b00000010}, Header(1, 5, 1), false, 1),
            (Bytes{1, 0, 1, 0, 1}));
  PixelHeader planar = Header(1, 2, 8, 3);
  planar.planar = true;
  EXPECT_EQ(ReadNativeFrame(Bytes{1, 2, 3, 4, 5, 6}, planar, false, 0), (Bytes{1, 3, 5, 2, 4, 6}));
  PixelHeader words = Header(1, 3, 8);
  words.words = true;
  EXPECT_EQ(ReadNativeFrame(Bytes{2, 1, 9, 3}, words, true, 0), (Bytes{1, 2, 3}));
  PixelHeader half = Header(1, 2, 8, 3);
  half.half_chroma = true;
  EXPECT_EQ(ReadNativeFrame(Bytes{10, 20, 30, 40}, half, false, 0),
            (Bytes{10, 30, 40, 20, 30, 40}));
}

}  // namespace
}  // namespace hilum::dicom

#include "dicom/multipart.h"

#include <string>
#include <vector>

#include "tests/status_matchers.h"

namespace hilum::dicom {
namespace {

using absl::StatusCode;

struct Part {
  std::string type;
  std::string body;
  bool ended = false;
};

// What comes of a body that arrives in pieces of that size.
struct Parsed {
  absl::Status status;
  std::vector<Part> parts;
};

Parsed Parse(const std::string& body, size_t piece, const MultipartLimits& limits = {}) {
  Parsed parsed;
  MultipartParser parser("b",
                         {.on_part =
                              [&](absl::string_view type) {
                                parsed.parts.push_back({std::string(type), "", false});
                                return absl::OkStatus();
                              },
                          .on_bytes =
                              [&](absl::string_view bytes) {
                                parsed.parts.back().body += std::string(bytes);
                                return absl::OkStatus();
                              },
                          .on_end =
                              [&] {
                                parsed.parts.back().ended = true;
                                return absl::OkStatus();
                              }},
                         limits);
  for (size_t at = 0; at < body.size() && parsed.status.ok(); at += piece) {
    parsed.status = parser.Feed(absl::string_view(body).substr(at, piece));
  }
  if (parsed.status.ok()) parsed.status = parser.Finish();
  return parsed;
}

TEST(Multipart, GivesEachPartWhateverThePiecesThatItComesIn) {
  // A body may hold all but the end of a delimiter, and nothing at all.
  const std::string body =
      "preamble\r\n--b\r\nContent-Type: application/dicom\r\nX: y\r\n\r\nDI\r\n--CM\r\n-\r\n--b  "
      "\r\n\r\n\r\n--b--\r\nepilogue";
  for (size_t piece = 1; piece <= body.size(); ++piece) {
    const Parsed parsed = Parse(body, piece);
    HILUM_ASSERT_OK(parsed.status) << piece;
    ASSERT_EQ(parsed.parts.size(), 2u) << piece;
    EXPECT_EQ(parsed.parts[0].type, "application/dicom");
    EXPECT_EQ(parsed.parts[0].body, "DI\r\n--CM\r\n-");
    EXPECT_EQ(parsed.parts[1].type, "");
    EXPECT_EQ(parsed.parts[1].body, "");
    EXPECT_TRUE(parsed.parts[0].ended && parsed.parts[1].ended);
  }
}

TEST(Multipart, ABodyThatEndsEarlyIsToldFromAWholeOne) {
  const std::string whole = "--b\r\n\r\nDICM\r\n--b--";
  HILUM_EXPECT_OK(Parse(whole, 3).status);
  for (size_t n = 0; n < whole.size(); ++n) {
    EXPECT_THAT(Parse(whole.substr(0, n), 3).status, StatusIs(StatusCode::kDataLoss, "ended"));
  }
}

TEST(Multipart, AHeadWithoutAnEndIsRefused) {
  const Parsed parsed = Parse("--b\r\n" + std::string(100'000, 'x'), 1000);
  EXPECT_THAT(parsed.status, StatusIs(StatusCode::kInvalidArgument, "no head within 8192 bytes"));
  EXPECT_TRUE(parsed.parts.empty());
}

TEST(Multipart, TextWithoutABoundaryIsRefusedBeforeItIsLong) {
  EXPECT_THAT(Parse(std::string(100'000, 'x'), 1000).status,
              StatusIs(StatusCode::kInvalidArgument, "does not begin with its boundary"));
}

TEST(Multipart, MorePartsThanTheLimitAreRefused) {
  const std::string part = "--b\r\n\r\nx\r\n";
  HILUM_EXPECT_OK(Parse(part + part + "--b--", 7, {.parts = 2}).status);
  EXPECT_THAT(Parse(part + part + part + "--b--", 7, {.parts = 2}).status,
              StatusIs(StatusCode::kResourceExhausted, "more than 2 parts"));
}

TEST(Multipart, ALongerBoundaryIsNotOurs) {
  EXPECT_THAT(Parse("--bc\r\n\r\nx\r\n--bc--", 64).status,
              StatusIs(StatusCode::kInvalidArgument, "text behind its boundary"));
}

TEST(Multipart, AnErrorOfTheSinkEndsTheBody) {
  MultipartParser parser(
      "b", {.on_part = [](absl::string_view) { return absl::OkStatus(); },
            .on_bytes = [](absl::string_view) { return absl::ResourceExhaustedError("full"); },
            .on_end = [] { return absl::OkStatus(); }});
  EXPECT_THAT(parser.Feed("--b\r\n\r\n" + std::string(100, 'x')),
              StatusIs(StatusCode::kResourceExhausted, "full"));
}

TEST(Multipart, ReadsTheBoundaryOfAContentType) {
  for (const char* type : {"multipart/related; boundary=b:1", "Multipart/Related;boundary=\"b:1\"",
                           "multipart/related; type=\"a;boundary=c\"; Boundary=b:1 ; x=y"}) {
    HILUM_ASSERT_OK_AND_ASSIGN(const std::string boundary, BoundaryOf(type));
    EXPECT_EQ(boundary, "b:1") << type;
  }
  const std::string too_long = "multipart/related; boundary=" + std::string(71, 'b');
  for (const std::string& type :
       {std::string("application/dicom"), std::string("multipart/related"),
        std::string("multipart/mixed; boundary=b"), std::string("multipart/related; boundary=\"b"),
        std::string("multipart/related; boundary=\"b\n\""), too_long}) {
    EXPECT_THAT(BoundaryOf(type), StatusIs(StatusCode::kInvalidArgument, "boundary")) << type;
  }
}

}  // namespace
}  // namespace hilum::dicom

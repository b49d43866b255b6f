#include "crypto/hash.h"

#include <gtest/gtest.h>

#include "tests/crypto/vector_file.h"

namespace hilum::crypto {
namespace {

TEST(Sha256, EqualsTheStandardsExamples) {
  const auto vectors = ReadVectors("crypto/sha256.json");
  for (const auto& test : vectors.at("tests")) {
    std::string message;
    for (int i = 0; i < test.at("repeat").get<int>(); ++i) {
      message += test.at("text").get<std::string>();
    }
    EXPECT_EQ(ToHex(Sha256(message)), test.at("digest").get<std::string>());
  }
}

TEST(Sha256Stream, GivesTheSameDigestHoweverTheBytesAreCut) {
  const std::string text(1000, 'x');
  for (const size_t part : {1, 3, 63, 64, 65, 999, 1000}) {
    Sha256Stream stream;
    for (size_t at = 0; at < text.size(); at += part) {
      stream.Update(absl::string_view(text).substr(at, part));
    }
    EXPECT_EQ(stream.Finish(), Sha256(text)) << part;
  }
}

TEST(Sha256Stream, IsEmptyAgainAfterFinish) {
  Sha256Stream stream;
  stream.Update("something");
  stream.Finish();
  EXPECT_EQ(stream.Finish(), Sha256(""));
}

TEST(Sha256Stream, ACopyGoesOnFromTheSameState) {
  Sha256Stream stream;
  stream.Update("ab");
  Sha256Stream copy = stream;
  stream.Update("c");
  copy.Update("d");
  EXPECT_EQ(stream.Finish(), Sha256("abc"));
  EXPECT_EQ(copy.Finish(), Sha256("abd"));
}

TEST(LabelledHash, HashesLengthLabelAndMessage) {
  Bytes expected;
  AppendU8(expected, 15);
  AppendText(expected, "hilum/sa/v1/cfg");
  AppendText(expected, "message");
  EXPECT_EQ(LabelledHash("hilum/sa/v1/cfg", AsBytes("message")), Sha256(ByteView(expected)));
}

TEST(LabelledHash, DiffersWhereLabelAndMessageMeetElsewhere) {
  EXPECT_NE(LabelledHash("ab", AsBytes("c")), LabelledHash("a", AsBytes("bc")));
}

TEST(LabelledStream, EqualsTheHashOfTheWhole) {
  Sha256Stream stream = LabelledStream("hilum/sa/v1/tag");
  stream.Update("mess");
  stream.Update("age");
  EXPECT_EQ(stream.Finish(), LabelledHash("hilum/sa/v1/tag", AsBytes("message")));
}

}  // namespace
}  // namespace hilum::crypto

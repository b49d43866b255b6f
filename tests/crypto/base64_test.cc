#include "crypto/base64.h"

#include <gtest/gtest.h>

#include "crypto/random.h"
#include "tests/crypto/vector_file.h"
#include "tests/status_matchers.h"

namespace hilum::crypto {
namespace {

using absl::StatusCode;

TEST(Base64, EqualsRfc4648) {
  const auto vectors = ReadVectors("crypto/base64.json");
  for (const auto& test : vectors.at("tests")) {
    const std::string text = test.at("text").get<std::string>();
    const std::string base64 = test.at("base64").get<std::string>();
    const std::string url = test.at("url").get<std::string>();
    EXPECT_EQ(Base64Encode(AsBytes(text)), base64);
    EXPECT_EQ(Base64UrlEncode(AsBytes(text)), url);
    HILUM_ASSERT_OK_AND_ASSIGN(const Bytes decoded, Base64Decode(base64));
    EXPECT_EQ(AsText(decoded), text);
    HILUM_ASSERT_OK_AND_ASSIGN(const Bytes decoded_url, Base64UrlDecode(url));
    EXPECT_EQ(AsText(decoded_url), text);
  }
}

TEST(Base64, RefusesEverySecondSpelling) {
  const auto vectors = ReadVectors("crypto/base64.json");
  for (const auto& text : vectors.at("refused")) {
    EXPECT_THAT(Base64Decode(text.get<std::string>()),
                StatusIs(StatusCode::kInvalidArgument, "base64"))
        << text;
  }
  for (const auto& text : vectors.at("refused_url")) {
    EXPECT_THAT(Base64UrlDecode(text.get<std::string>()),
                StatusIs(StatusCode::kInvalidArgument, "base64"))
        << text;
  }
}

TEST(Base64, GivesAllBytesBack) {
  SeededStream stream({64});
  for (size_t n = 0; n < 200; ++n) {
    Bytes bytes(n);
    stream.Fill(bytes);
    HILUM_ASSERT_OK_AND_ASSIGN(const Bytes again, Base64Decode(Base64Encode(bytes)));
    EXPECT_EQ(again, bytes);
    HILUM_ASSERT_OK_AND_ASSIGN(const Bytes again_url, Base64UrlDecode(Base64UrlEncode(bytes)));
    EXPECT_EQ(again_url, bytes);
  }
}

}  // namespace
}  // namespace hilum::crypto

#include "crypto/mac.h"

#include <gtest/gtest.h>

#include "tests/crypto/vector_file.h"

namespace hilum::crypto {
namespace {

TEST(Hmac, EqualsRfc4231) {
  const auto vectors = ReadVectors("crypto/hmac_sha256.json");
  for (const auto& test : vectors.at("tests")) {
    Bytes key;
    if (test.contains("key")) {
      key = HexField(test, "key");
    } else {
      key.assign(test.at("key_length").get<size_t>(), HexField(test, "key_byte")[0]);
    }
    const std::string mac = test.at("mac").get<std::string>();
    EXPECT_EQ(ToHex(HmacSha256(key, HexField(test, "data"))).substr(0, mac.size()), mac);
  }
}

TEST(Hmac, TakesAnEmptyKey) {
  // RFC 2104: the same as a key of zero bytes.
  EXPECT_EQ(HmacSha256({}, AsBytes("m")), HmacSha256(Bytes(64), AsBytes("m")));
  EXPECT_NE(HmacSha256({}, AsBytes("m")), HmacSha256({}, AsBytes("n")));
}

TEST(Hkdf, EqualsRfc5869) {
  const auto vectors = ReadVectors("crypto/hkdf_sha256.json");
  for (const auto& test : vectors.at("tests")) {
    const Bytes ikm = HexField(test, "ikm");
    const Bytes salt = HexField(test, "salt");
    const Bytes info = HexField(test, "info");
    const Bytes okm = HkdfSha256({.key_material = ikm, .salt = salt, .info = info},
                                 test.at("length").get<size_t>());
    EXPECT_EQ(ToHex(okm), test.at("okm").get<std::string>());
  }
}

TEST(Hkdf, LongerOutputStartsWithTheShorter) {
  const Bytes ikm(32, 1);
  const HkdfInput input{.key_material = ikm, .salt = {}, .info = {}};
  const Bytes longest = HkdfSha256(input, 255 * 32);
  for (const size_t n : {1, 31, 32, 33, 64, 8159}) {
    EXPECT_EQ(HkdfSha256(input, n),
              Bytes(longest.begin(), longest.begin() + static_cast<ptrdiff_t>(n)));
  }
}

TEST(ConstantTimeEqual, ComparesLengthAndBytes) {
  const Bytes a = {1, 2, 3};
  EXPECT_TRUE(ConstantTimeEqual(a, Bytes{1, 2, 3}));
  EXPECT_FALSE(ConstantTimeEqual(a, Bytes{1, 2, 4}));
  EXPECT_FALSE(ConstantTimeEqual(a, Bytes{1, 2}));
  EXPECT_TRUE(ConstantTimeEqual({}, {}));
}

}  // namespace
}  // namespace hilum::crypto

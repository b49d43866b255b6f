#include "crypto/key_agreement.h"

#include "crypto/random.h"
#include "tests/crypto/vector_file.h"
#include "tests/status_matchers.h"

namespace hilum::crypto {
namespace {

SecretKey KeyOf(const std::array<uint8_t, 32>& bytes) { return SecretKey::CopyOf(bytes); }

std::string AgreeHex(const std::array<uint8_t, 32>& scalar, const std::array<uint8_t, 32>& u) {
  const auto shared = Agree(KeyOf(scalar), {.bytes = u});
  EXPECT_TRUE(shared.ok()) << shared.status();
  return ToHex(shared->bytes());
}

TEST(X25519, EqualsRfc7748) {
  const auto vectors = ReadVectors("crypto/x25519.json");
  for (const auto& test : vectors.at("tests")) {
    EXPECT_EQ(AgreeHex(HexArray<32>(test, "scalar"), HexArray<32>(test, "u")),
              test.at("out").get<std::string>());
  }
  std::array<uint8_t, 32> k{9}, u{9};
  for (int i = 1; i <= 1000; ++i) {
    const auto next = Agree(KeyOf(k), {.bytes = u});
    HILUM_ASSERT_OK(next);
    u = k;
    std::copy(next->bytes().begin(), next->bytes().end(), k.begin());
    if (i == 1) {
      EXPECT_EQ(ToHex(k), vectors.at("iterated").at("1").get<std::string>());
    }
  }
  EXPECT_EQ(ToHex(k), vectors.at("iterated").at("1000").get<std::string>());
}

TEST(X25519, BothSidesAgree) {
  const SecretKey a = KeyOf(RandomArray<32>()), b = KeyOf(RandomArray<32>());
  HILUM_ASSERT_OK_AND_ASSIGN(const SecretKey ab, Agree(a, AgreementKeyOf(b)));
  HILUM_ASSERT_OK_AND_ASSIGN(const SecretKey ba, Agree(b, AgreementKeyOf(a)));
  EXPECT_TRUE(ab == ba);
}

TEST(X25519, RefusesPointsOfSmallOrder) {
  const SecretKey key = KeyOf(RandomArray<32>());
  // Orders 4, 1 and 8 (RFC 7748, section 6.1, asks for the check of zero).
  for (const char* hex : {"0000000000000000000000000000000000000000000000000000000000000000",
                          "0100000000000000000000000000000000000000000000000000000000000000",
                          "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
                          "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
                          "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"}) {
    HILUM_ASSERT_OK_AND_ASSIGN(const Digest bytes, DigestFromHex(hex));
    EXPECT_THAT(Agree(key, {.bytes = bytes}),
                StatusIs(absl::StatusCode::kInvalidArgument, "is a point of small order"));
  }
}

}  // namespace
}  // namespace hilum::crypto

#include "crypto/aead.h"

#include "tests/crypto/vector_file.h"
#include "tests/status_matchers.h"

namespace hilum::crypto {
namespace {

TEST(Aead, EqualsRfc8439) {
  const auto vectors = ReadVectors("crypto/chacha20_poly1305.json");
  for (const auto& test : vectors.at("tests")) {
    const SecretKey key = SecretKey::CopyOf(HexArray<32>(test, "key"));
    const Bytes associated = HexField(test, "associated");
    const AeadInput input{
        .key = key, .nonce = HexArray<12>(test, "nonce"), .associated = associated};
    const std::string text = test.at("plaintext_text").get<std::string>();
    EXPECT_EQ(ToHex(AeadSeal(input, AsBytes(text))), test.at("sealed").get<std::string>());
    Bytes opened(text.size());
    HILUM_ASSERT_OK(AeadOpen(input, HexField(test, "sealed"), opened));
    EXPECT_EQ(AsText(opened), text);
  }
}

TEST(Aead, RefusesEachFlippedBitAndLeavesZeros) {
  const SecretKey key = SecretKey::CopyOf(std::array<uint8_t, 32>{7});
  Bytes associated = {1, 2, 3};
  const Bytes text = {10, 20, 30, 40};
  const Bytes sealed = AeadSeal({.key = key, .associated = associated}, text);
  ASSERT_EQ(sealed.size(), text.size() + kAeadTagBytes);
  Bytes opened(text.size());
  for (size_t bit = 0; bit < 8 * sealed.size(); ++bit) {
    Bytes changed = sealed;
    changed[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    opened.assign(text.size(), 0xff);
    EXPECT_THAT(AeadOpen({.key = key, .associated = associated}, changed, opened),
                StatusIs(absl::StatusCode::kDataLoss, "does not open"));
    EXPECT_EQ(opened, Bytes(text.size()));
  }
  associated[0] ^= 1;
  EXPECT_FALSE(AeadOpen({.key = key, .associated = associated}, sealed, opened).ok());
}

TEST(Aead, RefusesOtherSizes) {
  const SecretKey key = SecretKey::CopyOf(std::array<uint8_t, 32>{7});
  const Bytes sealed = AeadSeal({.key = key, .associated = {}}, Bytes(4));
  for (const size_t size : {0, 3, 5}) {
    Bytes opened(size);
    EXPECT_FALSE(AeadOpen({.key = key, .associated = {}}, sealed, opened).ok());
  }
  EXPECT_FALSE(AeadOpen({.key = key, .associated = {}}, ByteView(sealed).first(15), {}).ok());
}

}  // namespace
}  // namespace hilum::crypto

#include "crypto/sign.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "crypto/hash.h"
#include "crypto/labels.h"
#include "crypto/random.h"
#include "tests/crypto/vector_file.h"
#include "tests/status_matchers.h"

namespace hilum::crypto {
namespace {

using absl::StatusCode;

class KeyFile : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = fs::path(::testing::TempDir()) / ("hilum_key_" + ToHex(RandomArray<8>()));
  }
  void TearDown() override { fs::remove(path_); }
  fs::path path_;
};

TEST(Ed25519, EqualsRfc8032) {
  const auto vectors = ReadVectors("crypto/ed25519.json");
  for (const auto& test : vectors.at("tests")) {
    const SigningKey key = SigningKey::FromSeed(HexArray<32>(test, "seed"));
    EXPECT_EQ(ToHex(key.public_key().bytes), test.at("public_key").get<std::string>());
    const Bytes message = HexField(test, "message");
    const Signature signature = key.Sign(ByteView(message));
    EXPECT_EQ(ToHex(signature.bytes), test.at("signature").get<std::string>());
    HILUM_EXPECT_OK(Verify(key.public_key(), ByteView(message), signature));
  }
}

TEST(Ed25519, RefusesEachFlippedBit) {
  const SigningKey key = SigningKey::FromSeed({1, 2, 3});
  const std::string message = "an update";
  const Signature signature = key.Sign(message);
  for (size_t bit = 0; bit < 512; ++bit) {
    Signature changed = signature;
    changed.bytes[bit / 8] ^= static_cast<uint8_t>(1u << (bit % 8));
    EXPECT_THAT(Verify(key.public_key(), message, changed), StatusIs(StatusCode::kDataLoss, ""))
        << bit;
  }
  EXPECT_THAT(Verify(key.public_key(), "an updatf", signature),
              StatusIs(StatusCode::kDataLoss, "is not of the key"));
  EXPECT_THAT(Verify(SigningKey::FromSeed({4}).public_key(), message, signature),
              StatusIs(StatusCode::kDataLoss, "is not of the key"));
}

// Under a key of small order this signature, S = 1 and R the base point, holds for some messages
// or all.
TEST(Ed25519, RefusesKeysThatBindNobody) {
  Signature signature;
  signature.bytes.fill(0x66);
  signature.bytes[0] = 0x58;
  std::fill(signature.bytes.begin() + 32, signature.bytes.end(), 0);
  signature.bytes[32] = 1;
  const auto vectors = ReadVectors("crypto/ed25519.json");
  for (const auto& point : vectors.at("bad_points")) {
    for (uint8_t i = 0; i < 16; ++i) {
      EXPECT_FALSE(Verify({HexArray<32>(point, "key")}, ByteView(&i, 1), signature).ok())
          << point.at("why");
    }
  }
}

TEST(CheckPublicKey, RefusesPointsThatBindNobody) {
  const auto vectors = ReadVectors("crypto/ed25519.json");
  for (const auto& point : vectors.at("bad_points")) {
    EXPECT_THAT(CheckPublicKey({HexArray<32>(point, "key")}),
                StatusIs(StatusCode::kInvalidArgument, "canonical point"))
        << point.at("why");
  }
  HILUM_EXPECT_OK(CheckPublicKey(SigningKey::Generate().public_key()));
}

TEST(SigningKey, GeneratesAnotherKeyEachTime) {
  EXPECT_NE(SigningKey::Generate().public_key(), SigningKey::Generate().public_key());
}

TEST_F(KeyFile, IsPrivateAndGivesTheSameKeyBack) {
  const SigningKey key = SigningKey::Generate();
  HILUM_ASSERT_OK(key.Save(path_));
  EXPECT_EQ(fs::status(path_).permissions(), fs::perms::owner_read | fs::perms::owner_write);
  HILUM_ASSERT_OK_AND_ASSIGN(const SigningKey loaded, SigningKey::Load(path_));
  EXPECT_EQ(loaded.public_key(), key.public_key());
  EXPECT_EQ(loaded.Sign("m"), key.Sign("m"));
}

TEST_F(KeyFile, IsNeverOverwritten) {
  HILUM_ASSERT_OK(SigningKey::Generate().Save(path_));
  EXPECT_THAT(SigningKey::Generate().Save(path_),
              StatusIs(StatusCode::kAlreadyExists, "never overwritten"));
}

TEST_F(KeyFile, ThatOthersCanReadIsRefused) {
  HILUM_ASSERT_OK(SigningKey::Generate().Save(path_));
  fs::permissions(path_, fs::perms::group_read, fs::perm_options::add);
  EXPECT_THAT(SigningKey::Load(path_), StatusIs(StatusCode::kPermissionDenied, "0600"));
}

TEST_F(KeyFile, OfAnotherFormIsRefused) {
  const std::string hex(64, 'a');
  for (const std::string& text :
       {std::string(), hex, hex + "\n\n", hex.substr(2) + "\n", std::string(64, 'A') + "\n"}) {
    HILUM_ASSERT_OK(WriteFileDurably(path_, AsBytes(text), FileMode::kPrivate));
    EXPECT_THAT(SigningKey::Load(path_), StatusIs(StatusCode::kDataLoss, "64 hexadecimal")) << text;
  }
  fs::remove(path_);
  EXPECT_THAT(SigningKey::Load(path_), StatusIs(StatusCode::kNotFound, ""));
}

TEST(KeyText, IsTheStrictBase64OfTheBytes) {
  const SigningKey key = SigningKey::FromSeed({9});
  HILUM_ASSERT_OK_AND_ASSIGN(const PublicKey again,
                             PublicKeyFromBase64(ToBase64(key.public_key())));
  EXPECT_EQ(again, key.public_key());
  HILUM_ASSERT_OK_AND_ASSIGN(const Signature signature,
                             SignatureFromBase64(ToBase64(key.Sign("m"))));
  EXPECT_EQ(signature, key.Sign("m"));
  EXPECT_THAT(PublicKeyFromBase64("AAAA"), StatusIs(StatusCode::kInvalidArgument, "3 bytes"));
  EXPECT_THAT(SignatureFromBase64(ToBase64(key.public_key())),
              StatusIs(StatusCode::kInvalidArgument, "32 bytes, not 64"));
}

class Labelled : public ::testing::Test {
 protected:
  LabelledFields Fields() const {
    return {.label = kLabelR2Root,
            .rid = rid_,
            .sender = 3,
            .cfg_hash = cfg_,
            .message = AsBytes(message_)};
  }
  SigningKey key_ = SigningKey::FromSeed({5});
  Rid rid_ = MakeRid({1, 2}, 7, 1);
  Digest cfg_ = Sha256("cfg");
  std::string message_ = "root";
};

TEST_F(Labelled, MessageIsTheDocumentedConcatenation) {
  Bytes expected;
  AppendU8(expected, 19);
  AppendText(expected, "hilum/sa/v1/r2-root");
  Bytes federation(16);
  federation[0] = 1;
  federation[1] = 2;
  AppendBytes(expected, federation);
  AppendU64(expected, 7);
  AppendU8(expected, 1);
  AppendU16(expected, 3);
  AppendBytes(expected, cfg_);
  AppendText(expected, "root");
  EXPECT_EQ(LabelledMessage(Fields()), expected);
}

// A signature of one flight, round, attempt, sender or configuration serves in no other.
TEST_F(Labelled, SignatureHoldsForItsFieldsOnly) {
  const Signature signature = SignLabelled(key_, Fields());
  HILUM_EXPECT_OK(VerifyLabelled(key_.public_key(), Fields(), signature));
  LabelledFields other = Fields();
  other.label = kLabelR3Vote;  // of the same length
  EXPECT_FALSE(VerifyLabelled(key_.public_key(), other, signature).ok());
  other = Fields();
  other.rid = MakeRid({1, 2}, 7, 2);
  EXPECT_FALSE(VerifyLabelled(key_.public_key(), other, signature).ok());
  other.rid = MakeRid({1, 2}, 8, 1);
  EXPECT_FALSE(VerifyLabelled(key_.public_key(), other, signature).ok());
  other.rid = MakeRid({1, 3}, 7, 1);
  EXPECT_FALSE(VerifyLabelled(key_.public_key(), other, signature).ok());
  other = Fields();
  other.sender = kServerSender;
  EXPECT_FALSE(VerifyLabelled(key_.public_key(), other, signature).ok());
  other = Fields();
  other.cfg_hash[31] ^= 1;
  EXPECT_FALSE(VerifyLabelled(key_.public_key(), other, signature).ok());
  other = Fields();
  other.message = AsBytes("roou");
  EXPECT_FALSE(VerifyLabelled(key_.public_key(), other, signature).ok());
}

}  // namespace
}  // namespace hilum::crypto

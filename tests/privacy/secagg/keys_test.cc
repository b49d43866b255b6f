#include "privacy/secagg/keys.h"

#include <set>
#include <string>

#include "privacy/secagg/masks.h"
#include "tests/privacy/secagg/fixtures.h"
#include "tests/privacy/vectors.h"

namespace hilum::privacy::secagg {
namespace {

class Keys : public ::testing::Test {
 protected:
  static SecretKey Filled(uint8_t byte) {
    std::array<uint8_t, 32> bytes;
    bytes.fill(byte);
    return SecretKey::CopyOf(bytes);
  }
  static Digest FilledDigest(uint8_t byte) {
    Digest digest;
    digest.fill(byte);
    return digest;
  }
  const ContextPtr context_ = ContextOf(MaskedRound(5, 10));
};

// Independent values: tests/vectors/privacy/make_secagg_vectors.py, by Python's hashlib and
// integers.
TEST_F(Keys, EqualTheVectors) {
  const std::map<std::string, Bytes> vectors = ReadVectors("secagg.txt");
  const auto is = [&](const std::string& name, ByteView value) {
    EXPECT_EQ(ToHex(value), ToHex(vectors.at(name))) << name;
  };
  RoundConfig config = VectorConfig();
  config.c_max = 0;
  config.u_min = 3;
  const auto context = Context::Create({.config = config, .attempt = 2});
  HILUM_ASSERT_OK(context);
  const Context& c = **context;
  const Scalar a = Scalar::FromInteger(0x0102030405060708), b = Scalar::FromInteger(9);
  is("cfg_hash", c.cfg_hash());
  is("mask_private", MaskPrivateKey(c, 1, a).bytes());
  is("self_mask", SelfMaskKey(c, 1, b, FilledDigest(0x22)).bytes());
  is("self_commit", SelfCommitment(c, 1, b));
  is("graph_commit", GraphCommitment(FilledDigest(0x44)));
  is("channel", ChannelKey(c, {.shared = Filled(0x55),
                               .psk = Filled(0x66),
                               .sender = 2,
                               .receiver = 0,
                               .u1_hash = FilledDigest(0x11)})
                    .bytes());
  const SecretKey one = Filled(0x77), two = Filled(0x78);
  HILUM_ASSERT_OK_AND_ASSIGN(const SecretKey pair,
                             PairMaskKey(c, {.mask_private = one,
                                             .peer = crypto::AgreementKeyOf(two),
                                             .i = 2,
                                             .j = 0,
                                             .u2_hash = FilledDigest(0x22)}));
  is("pair_mask", pair.bytes());
}

TEST_F(Keys, PairsAgreeAndNobodyElse) {
  const SecretKey one = Filled(1), two = Filled(2), three = Filled(3);
  const auto key = [&](const SecretKey& own, const SecretKey& peer, uint16_t i, uint16_t j,
                       uint8_t u2) {
    const auto made = PairMaskKey(*context_, {.mask_private = own,
                                              .peer = crypto::AgreementKeyOf(peer),
                                              .i = i,
                                              .j = j,
                                              .u2_hash = Digest{u2}});
    return ToHex(made.value().bytes());
  };
  EXPECT_EQ(key(one, two, 0, 1, 0), key(two, one, 1, 0, 0));
  const std::set<std::string> different = {key(one, two, 0, 1, 0), key(one, two, 0, 2, 0),
                                           key(one, two, 0, 1, 1), key(one, three, 0, 1, 0)};
  EXPECT_EQ(different.size(), 4u);
}

TEST_F(Keys, ChannelsDifferByDirectionPairAndPsk) {
  const SecretKey shared = Filled(1), none, psk = Filled(2);
  const auto key = [&](const SecretKey& with, uint16_t sender, uint16_t receiver, uint8_t u1) {
    return ToHex(ChannelKey(*context_, {.shared = shared,
                                        .psk = with,
                                        .sender = sender,
                                        .receiver = receiver,
                                        .u1_hash = Digest{u1}})
                     .bytes());
  };
  const std::set<std::string> different = {key(none, 0, 1, 0), key(none, 1, 0, 0),
                                           key(psk, 0, 1, 0), key(none, 0, 1, 1)};
  EXPECT_EQ(different.size(), 4u);
}

TEST_F(Keys, SuitesDoNotShareMasks) {
  RoundConfig config = MaskedRound(5, 10);
  config.suite = Suite::kAes256Ctr;
  const Scalar b = Scalar::FromInteger(5);
  EXPECT_FALSE(SelfMaskKey(*context_, 1, b, Digest{}) ==
               SelfMaskKey(*ContextOf(config), 1, b, Digest{}));
}

TEST_F(Keys, DrawnEntropyIsFresh) {
  const SiteEntropy one = SiteEntropy::Draw(), two = SiteEntropy::Draw();
  EXPECT_FALSE(one.a == two.a);
  EXPECT_FALSE(one.a == one.b);
  EXPECT_FALSE(one.nonce == crypto::Secret<64>());
}

}  // namespace
}  // namespace hilum::privacy::secagg

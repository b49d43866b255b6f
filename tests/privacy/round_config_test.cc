#include "privacy/round_config.h"

#include "tests/privacy/fixtures.h"
#include "tests/privacy/vectors.h"

namespace hilum::privacy {
namespace {

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

TEST(RoundConfig, EncodesAsTheVectorDoes) {
  const std::map<std::string, Bytes> vectors = ReadVectors("round_config.txt");
  const RoundConfig config = VectorConfig();
  EXPECT_EQ(ToHex(EncodeRoundConfig(config)), ToHex(vectors.at("cfg")));
  EXPECT_EQ(ToHex(HashConfig(config)), ToHex(vectors.at("cfg_hash")));
  EXPECT_EQ(ToHex(RidOf(config, 2)), ToHex(vectors.at("rid_of_attempt_2")));
  Digest base_model;
  base_model.fill(0x99);
  EXPECT_EQ(ToHex(ModelHash({.architecture_digest = config.architecture_digest,
                             .n_params = 814,
                             .base_model = base_model})),
            ToHex(vectors.at("model_hash")));
}

TEST(RoundConfig, ComesBackAsItWas) {
  for (const RoundConfig& config : {VectorConfig(), OpenRound(1, 1), OpenRound(500, 1 << 30)}) {
    HILUM_ASSERT_OK_AND_ASSIGN(const RoundConfig read,
                               DecodeRoundConfig(EncodeRoundConfig(config)));
    EXPECT_EQ(read, config);
  }
}

TEST(RoundConfig, EveryByteChangesTheHash) {
  const Bytes bytes = EncodeRoundConfig(VectorConfig());
  const Digest hash = HashConfig(VectorConfig());
  int n_read = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    Bytes changed = bytes;
    changed[i] ^= 1;
    if (const auto read = DecodeRoundConfig(changed); read.ok()) {
      EXPECT_NE(HashConfig(*read), hash) << i;
      EXPECT_EQ(EncodeRoundConfig(*read), changed) << i;
      ++n_read;
    }
  }
  EXPECT_GT(n_read, 400);  // all but the count, the indices and some enumerations
}

TEST(DecodeRoundConfig, RefusesEveryShorterText) {
  const Bytes bytes = EncodeRoundConfig(OpenRound(2, 10));
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_THAT(DecodeRoundConfig(ByteView(bytes).first(n)), StatusIs(kInvalid, "ends too early"))
        << n;
  }
}

TEST(DecodeRoundConfig, RefusesTrailingBytes) {
  Bytes bytes = EncodeRoundConfig(OpenRound(2, 10));
  bytes.push_back(0);
  EXPECT_THAT(DecodeRoundConfig(bytes), StatusIs(kInvalid, "followed by 1 bytes"));
}

TEST(DecodeRoundConfig, RefusesIndicesThatAreUnsortedRepeatedOrMissing) {
  for (const auto& [place, index] : {std::pair{0, 1}, {1, 0}, {1, 2}, {2, 1}}) {
    RoundConfig config = OpenRound(3, 10);
    config.roster[static_cast<size_t>(place)].index = static_cast<uint16_t>(index);
    EXPECT_THAT(DecodeRoundConfig(EncodeRoundConfig(config)),
                StatusIs(kInvalid, "roster has index"));
  }
}

TEST(DecodeRoundConfig, RefusesARosterAboveTheLimit) {
  HILUM_EXPECT_OK(DecodeRoundConfig(EncodeRoundConfig(OpenRound(kMaxRoster, 10))));
  EXPECT_THAT(DecodeRoundConfig(EncodeRoundConfig(OpenRound(kMaxRoster + 1, 10))),
              StatusIs(kInvalid, "lists 1001 members, the limit is 1000"));
}

TEST(DecodeRoundConfig, RefusesUnknownEnumerations) {
  const auto with = [](auto change) {
    RoundConfig config = OpenRound(2, 10);
    change(config);
    return DecodeRoundConfig(EncodeRoundConfig(config));
  };
  EXPECT_THAT(with([](auto& c) { c.suite = static_cast<Suite>(3); }),
              StatusIs(kInvalid, "suite is 3, the largest known is 2"));
  EXPECT_THAT(with([](auto& c) { c.mode = static_cast<RoundMode>(3); }),
              StatusIs(kInvalid, "mode is 3"));
  EXPECT_THAT(with([](auto& c) { c.share_proof = static_cast<ShareProof>(2); }),
              StatusIs(kInvalid, "share proof is 2"));
  EXPECT_THAT(with([](auto& c) { c.unit = static_cast<PrivacyUnit>(3); }),
              StatusIs(kInvalid, "privacy unit is 3"));
  EXPECT_THAT(with([](auto& c) { c.mechanism = static_cast<NoiseMechanism>(255); }),
              StatusIs(kInvalid, "noise mechanism is 255"));
}

TEST(ScaleOf, FillsTheRange) {
  EXPECT_EQ(ScaleOf(1.0, 8), 127.0);
  EXPECT_EQ(ScaleOf(2.0, 32), 2147483647.0 / 2.0);
}

TEST(DefaultCohort, IsThatOfTheDesign) {
  EXPECT_EQ(DefaultCohort(6), (CohortRule{.c_max = 1, .drop_max = 1, .quorum = 5, .u_min = 5}));
  EXPECT_EQ(DefaultCohort(5), (CohortRule{.c_max = 1, .drop_max = 0, .quorum = 4, .u_min = 5}));
  EXPECT_EQ(DefaultCohort(50),
            (CohortRule{.c_max = 10, .drop_max = 10, .quorum = 34, .u_min = 34}));
  EXPECT_GT(DefaultCohort(4).u_min, 4);
}

TEST(RaiseCohort, LowersNothing) {
  const CohortRule low{.c_max = 1, .drop_max = 2, .quorum = 2, .u_min = 3};
  CohortRule rule = RaiseCohort(50, low);
  EXPECT_EQ(rule.c_max, 10);
  EXPECT_EQ(rule.quorum, 34);
  EXPECT_EQ(rule.u_min, 34);
  EXPECT_EQ(rule.drop_max, 2);
  rule = RaiseCohort(50, {.c_max = 30, .drop_max = 0, .quorum = 0, .u_min = 40});
  EXPECT_EQ(rule.c_max, 30);
  EXPECT_GT(2 * rule.quorum - 50, 30) << "two sets of voters must share an honest site";
  EXPECT_EQ(rule.u_min, 40);
}

}  // namespace
}  // namespace hilum::privacy

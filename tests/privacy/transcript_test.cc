#include "privacy/transcript.h"

#include "crypto/labels.h"
#include "crypto/tree.h"
#include "tests/privacy/fixtures.h"
#include "tests/privacy/vectors.h"

namespace hilum::privacy {
namespace {

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kFalse = absl::StatusCode::kDataLoss;
constexpr uint8_t kAttempt = 2;

Digest Filled(uint8_t byte) {
  Digest digest;
  digest.fill(byte);
  return digest;
}

Transcript VectorTranscript() {
  Transcript transcript;
  transcript.model_hash = Filled(0x33);
  for (const auto& [index, byte] : {std::pair{0, 0xB0}, {2, 0xB2}}) {
    TranscriptMember member;
    member.index = static_cast<uint16_t>(index);
    member.root = Filled(static_cast<uint8_t>(byte));
    member.signature.bytes.fill(static_cast<uint8_t>(byte + 1));
    transcript.members.push_back(member);
  }
  transcript.n_coords = 817;
  transcript.sum_root = Filled(0x77);
  return transcript;
}

TranscriptMember Signed(const RoundConfig& config, uint16_t index, const Digest& root) {
  const Bytes message = UpdateMessage({.u2_hash = {}, .root = root, .n_coords = config.n_coords()});
  TranscriptMember member{.index = index, .root = root, .signature = {}};
  member.signature = crypto::SignLabelled(MemberKey(index), {.label = crypto::kLabelR2Root,
                                                             .rid = RidOf(config, kAttempt),
                                                             .sender = index,
                                                             .cfg_hash = HashConfig(config),
                                                             .message = message});
  return member;
}

// Members 0, 1 and 3 of a round of five.
Transcript SignedTranscript(const RoundConfig& config) {
  Transcript transcript;
  transcript.model_hash = config.model_hash;
  transcript.n_coords = config.n_coords();
  transcript.sum_root = Filled(0x55);
  for (const uint16_t index : {0, 1, 3}) {
    transcript.members.push_back(Signed(config, index, Filled(static_cast<uint8_t>(index))));
  }
  return transcript;
}

TEST(Transcript, EncodesAsTheVectorDoes) {
  const std::map<std::string, Bytes> vectors = ReadVectors("transcript.txt");
  const RoundConfig config = VectorConfig();
  EXPECT_EQ(ToHex(EncodeTranscript(VectorTranscript())), ToHex(vectors.at("transcript")));
  EXPECT_EQ(ToHex(HashTranscript(VectorTranscript(), RidOf(config, 2), HashConfig(config))),
            ToHex(vectors.at("transcript_hash")));
  EXPECT_EQ(ToHex(UpdateMessage({.u2_hash = {}, .root = Filled(0xB0), .n_coords = 817})),
            ToHex(vectors.at("update_message")));
}

TEST(Transcript, ComesBackAsItWas) {
  HILUM_ASSERT_OK_AND_ASSIGN(const Transcript read,
                             DecodeTranscript(EncodeTranscript(VectorTranscript())));
  EXPECT_EQ(read, VectorTranscript());
}

TEST(DecodeTranscript, RefusesEveryShorterAndEveryLongerText) {
  Bytes bytes = EncodeTranscript(VectorTranscript());
  for (size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_THAT(DecodeTranscript(ByteView(bytes).first(n)), StatusIs(kInvalid, "ends too early"));
  }
  bytes.push_back(0);
  EXPECT_THAT(DecodeTranscript(bytes), StatusIs(kInvalid, "followed by 1 bytes"));
}

TEST(DecodeTranscript, RefusesUnsortedAndRepeatedMembers) {
  for (const int second : {0, 1}) {
    Transcript transcript = VectorTranscript();
    transcript.members[0].index = 1;
    transcript.members[1].index = static_cast<uint16_t>(second);
    EXPECT_THAT(DecodeTranscript(EncodeTranscript(transcript)),
                StatusIs(kInvalid, "after member 1"));
  }
}

TEST(DecodeTranscript, AllocatesNothingFromAPeersCount) {
  Bytes bytes(96, 0);
  AppendU32(bytes, 0xffffffff);
  EXPECT_THAT(DecodeTranscript(bytes), StatusIs(kInvalid, "lists 4294967295 members, the limit"));
}

TEST(VerifyOpenTranscript, TakesWhatTheMembersSigned) {
  const RoundConfig config = OpenRound(5, 10, true);
  HILUM_EXPECT_OK(VerifyOpenTranscript(SignedTranscript(config), config, kAttempt));
}

TEST(VerifyOpenTranscript, RefusesASwappedRoot) {
  const RoundConfig config = OpenRound(5, 10, true);
  Transcript transcript = SignedTranscript(config);
  transcript.members[1].root[0] ^= 1;
  EXPECT_THAT(VerifyOpenTranscript(transcript, config, kAttempt),
              StatusIs(kFalse, "member 1 did not sign the root"));
}

TEST(VerifyOpenTranscript, RefusesASignatureOfAnotherMember) {
  const RoundConfig config = OpenRound(5, 10, true);
  Transcript transcript = SignedTranscript(config);
  transcript.members[1].index = 2;
  EXPECT_THAT(VerifyOpenTranscript(transcript, config, kAttempt),
              StatusIs(kFalse, "member 2 did not sign the root"));
}

TEST(VerifyOpenTranscript, RefusesSignaturesOfAnotherRoundOrAttempt) {
  const RoundConfig config = OpenRound(5, 10, true);
  const Transcript transcript = SignedTranscript(config);
  EXPECT_THAT(VerifyOpenTranscript(transcript, config, kAttempt + 1),
              StatusIs(kFalse, "member 0 did not sign"));
  RoundConfig next = config;
  ++next.round;
  EXPECT_THAT(VerifyOpenTranscript(transcript, next, kAttempt),
              StatusIs(kFalse, "member 0 did not sign"));
  RoundConfig other = config;
  other.clip_l2 = 2.0;
  EXPECT_THAT(VerifyOpenTranscript(transcript, other, kAttempt),
              StatusIs(kFalse, "member 0 did not sign"));
}

TEST(VerifyOpenTranscript, RefusesAStranger) {
  const RoundConfig config = OpenRound(5, 10, true);
  Transcript transcript = SignedTranscript(config);
  transcript.members.push_back(Signed(config, 5, Filled(5)));
  EXPECT_THAT(VerifyOpenTranscript(transcript, config, kAttempt),
              StatusIs(kFalse, "member 5 is not in the roster"));
}

TEST(VerifyOpenTranscript, RefusesDigestsOfAnotherRound) {
  const RoundConfig config = OpenRound(5, 10, true);
  const auto with = [&](auto change) {
    Transcript transcript = SignedTranscript(config);
    change(transcript);
    return VerifyOpenTranscript(transcript, config, kAttempt);
  };
  EXPECT_THAT(with([](auto& t) { t.model_hash[0] ^= 1; }), StatusIs(kFalse, "another model"));
  EXPECT_THAT(with([](auto& t) { ++t.n_coords; }), StatusIs(kFalse, "is of 14 coordinates"));
  EXPECT_THAT(with([](auto& t) { t.u1_hash[0] = 1; }), StatusIs(kFalse, "names sets U1 or U2"));
  EXPECT_THAT(with([](auto& t) { t.u2_hash[0] = 1; }), StatusIs(kFalse, "names sets U1 or U2"));
}

TEST(Roots, AreTheTreesOfTheChunksBytes) {
  std::vector<uint32_t> words;
  for (uint32_t i = 0; i < 2500; ++i) words.push_back(i * 0x01020304);
  const ByteView bytes(reinterpret_cast<const uint8_t*>(words.data()), words.size() * 4);
  for (const uint32_t chunk_coords : {1u, 1000u, 2500u, 1u << 18}) {
    EXPECT_EQ(UpdateRoot(words, {.n_coords = words.size(), .chunk_coords = chunk_coords}),
              crypto::ChunkTreeRoot(crypto::kLabelR2Chunk, bytes, chunk_coords * 4));
    EXPECT_EQ(RingRoot(words, chunk_coords),
              crypto::ChunkTreeRoot(crypto::kLabelZChunk, bytes, chunk_coords * 4));
  }
}

TEST(Roots, ASumTakesFiveBytesUpTo256Sites) {
  EXPECT_EQ(SumCoordBytes(OpenRound(1, 1)), 4);
  EXPECT_EQ(SumCoordBytes(OpenRound(2, 1)), 5);
  EXPECT_EQ(SumCoordBytes(OpenRound(256, 1)), 5);
  EXPECT_EQ(SumCoordBytes(OpenRound(257, 1)), 6);
  RoundConfig config = OpenRound(3, 1);
  config.chunk_coords = 2;
  const std::vector<uint64_t> sums = {0x0504030201, 6, 0xffffffff7};
  const Bytes bytes = {1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0xf7, 0xff, 0xff, 0xff, 0x0f};
  EXPECT_EQ(SumRoot(sums, config), crypto::ChunkTreeRoot(crypto::kLabelSumChunk, bytes, 10));
}

}  // namespace
}  // namespace hilum::privacy

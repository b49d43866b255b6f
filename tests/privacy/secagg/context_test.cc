#include "privacy/secagg/context.h"

#include "privacy/secagg/journal.h"
#include "tests/privacy/secagg/fixtures.h"

namespace hilum::privacy::secagg {
namespace {

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

absl::Status Create(const RoundConfig& config) {
  return Context::Create({.config = config, .server_key = ServerKey().public_key()}).status();
}

TEST(Context, TakesMaskedRoundsOfOneCohortOnly) {
  const auto with = [](auto change) {
    RoundConfig config = MaskedRound(6, 10);
    change(config);
    return Create(config);
  };
  HILUM_EXPECT_OK(with([](RoundConfig&) {}));
  EXPECT_THAT(with([](auto& c) { c.mode = RoundMode::kOpen; }), StatusIs(kInvalid, "mode 0"));
  EXPECT_THAT(with([](auto& c) { c.mode = RoundMode::kGrouped; }), StatusIs(kInvalid, "mode 2"));
  EXPECT_THAT(with([](auto& c) { c.suite = Suite::kNone; }), StatusIs(kInvalid, "mask suite 0"));
  EXPECT_THAT(with([](auto& c) { c.roster.resize(2); }), StatusIs(kInvalid, "lists 2 members"));
  EXPECT_THAT(with([](auto& c) { c.quorum = 7; }), StatusIs(kInvalid, "above the 6 members"));
  EXPECT_THAT(with([](auto& c) { c.quorum = 3; }), StatusIs(kInvalid, "vote for two transcripts"));
  EXPECT_THAT(with([](auto& c) { c.u_min = 2; }), StatusIs(kInvalid, "fewer than two honest"));
  EXPECT_THAT(with([](auto& c) { c.roster[3].key = c.roster[1].key; }),
              StatusIs(kInvalid, "member 3 has the key of another"));
}

TEST(Context, NeedsTheLargerOfQuorumAndFloor) {
  RoundConfig config = MaskedRound(9, 10);
  config.quorum = 7;
  config.u_min = 6;
  EXPECT_EQ(ContextOf(config)->min_count(), 7);
  config.u_min = 8;
  EXPECT_EQ(ContextOf(config)->min_count(), 8);
}

TEST(Frame, TellsRoundSenderAndBody) {
  const ContextPtr context = ContextOf(MaskedRound(5, 10));
  const Bytes body = {1, 2, 3};
  const Bytes message = Frame(*context, 4, body);
  EXPECT_EQ(ToHex(message), ToHex(ByteView(context->rid())) + "0004" + "010203");
  HILUM_ASSERT_OK_AND_ASSIGN(const Opened opened, OpenFrame(*context, message));
  EXPECT_EQ(opened.sender, 4);
  EXPECT_EQ(Bytes(opened.body.begin(), opened.body.end()), body);
  EXPECT_THAT(OpenFrame(*ContextOf(MaskedRound(5, 10), 1), message),
              StatusIs(absl::StatusCode::kFailedPrecondition, "another round or attempt"));
  EXPECT_THAT(OpenServerFrame(*context, message),
              StatusIs(absl::StatusCode::kPermissionDenied, "names sender 4"));
  for (size_t n = 0; n < 27; ++n) {
    EXPECT_THAT(OpenFrame(*context, ByteView(message).first(n)), StatusIs(kInvalid, "no frame"));
  }
}

TEST(Journal, RecordsComeBackAsTheyWere) {
  const crypto::Rid rid = ContextOf(MaskedRound(5, 10))->rid();
  EXPECT_EQ(DecodeRidRecord(EncodeRidRecord(rid)).value(), rid);
  const InputRecord input{.rid = rid, .u2_hash = Digest{1}, .root = Digest{2}};
  EXPECT_EQ(DecodeInputRecord(Encode(input)).value(), input);
  const VoteRecord vote{.rid = rid,
                        .transcript_hash = Digest{3},
                        .nonce = {4},
                        .model_hash = Digest{5},
                        .n = 12,
                        .u3 = {0, 7, 8, 11}};
  EXPECT_EQ(DecodeVoteRecord(Encode(vote)).value(), vote);
  Bytes bad = Encode(vote);
  bad.back() |= 0x10;  // member 12 of 12
  EXPECT_THAT(DecodeVoteRecord(bad), StatusIs(kInvalid, "beyond its roster"));
  bad.push_back(0);
  EXPECT_THAT(DecodeVoteRecord(bad), StatusIs(kInvalid, "followed by 1 bytes"));
  const AnswerRecord answer{.rid = rid, .transcript_hash = Digest{6}, .message = {7, 8}};
  EXPECT_EQ(DecodeAnswerRecord(Encode(answer)).value(), answer);
  EXPECT_THAT(DecodeAnswerRecord(Bytes(20)), StatusIs(kInvalid, "ends too early"));
}

TEST(Journal, ARidIsAboveTheLastOne) {
  const auto rid = [](uint64_t round, uint8_t attempt, uint8_t federation = 1) {
    return crypto::MakeRid({federation}, round, attempt);
  };
  HILUM_EXPECT_OK(CheckFreshRid(rid(1, 0), std::nullopt));
  HILUM_EXPECT_OK(CheckFreshRid(rid(1, 1), rid(1, 0)));
  HILUM_EXPECT_OK(CheckFreshRid(rid(256, 0), rid(255, 7)));
  constexpr auto kState = absl::StatusCode::kFailedPrecondition;
  EXPECT_THAT(CheckFreshRid(rid(1, 0), rid(1, 0)), StatusIs(kState, "signs each only once"));
  EXPECT_THAT(CheckFreshRid(rid(1, 7), rid(2, 0)), StatusIs(kState, "signs each only once"));
  EXPECT_THAT(CheckFreshRid(rid(9, 0, 2), rid(1, 0)), StatusIs(kState, "another federation"));
}

}  // namespace
}  // namespace hilum::privacy::secagg

// The attacks of docs/secure_aggregation.md, section 11, under the names that it gives. The
// attacker has the server's key, and the keys of colluding members where a test says so.
#include <set>

#include "crypto/random.h"
#include "privacy/secagg/journal.h"
#include "privacy/secagg/masks.h"
#include "privacy/secagg/tags.h"
#include "tests/privacy/secagg/fixtures.h"

namespace hilum::privacy::secagg {
namespace {

constexpr auto kFalse = absl::StatusCode::kDataLoss;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;
constexpr auto kWrongState = absl::StatusCode::kFailedPrecondition;

// --- R2 and R3
// ------------------------------------------------------------------------------------

TEST(Attacks, CohortBelowFloorRefused) {
  Federation federation(MaskedRound(6, 10));
  federation.RunTo(Federation::kTranscript);
  Transcript small = federation.confirming->transcript();
  small.members.erase(small.members.begin() + 3, small.members.end());
  EXPECT_THAT(
      std::move(federation.masked.at(0)).TakeTranscript(federation.SignTranscript(small), {}),
      StatusIs(kFalse, "the transcript has 3 members, the round needs 5"));
  // Too few keys are no list, too few reveals no U1.
  Federation other(MaskedRound(6, 10));
  other.RunTo(Federation::kKeyList);
  const Bytes forged = other.ForgeKeyList([](KeyList& list) { list.entries.resize(4); });
  EXPECT_THAT(std::move(other.advertised.at(0)).TakeKeyList(forged),
              StatusIs(kFalse, "the key list has 4 members, the round needs 5"));
}

TEST(Attacks, SameModelWithOneSiteLessRefused) {
  Federation federation(MaskedRound(6, 10));
  federation.RunTo(Federation::kTranscript);
  const SumRow earlier = RowOf(federation.config, {0, 1, 2, 3, 4});
  for (auto& [i, site] : federation.masked) {
    const std::vector<SumRow> rows = {earlier};
    EXPECT_THAT(
        std::move(site).TakeTranscript(federation.transcript, rows),
        StatusIs(absl::StatusCode::kPermissionDenied, "differs from an earlier one in 1 members"));
  }
}

// 101 members, four corrupt, runs of nine: the server ignores the honest members of two runs, which
// leaves two of the colluders in each.
TEST(Attacks, DropOutsThatCutTheRingAreRefused) {
  RoundConfig config = MaskedRound(101, 10);
  config.c_max = 4;
  config.drop_max = 4;
  config.share_proof = ShareProof::kNone;  // Feldman at this size is minutes of one core
  Federation federation(config), server(config);
  federation.RunTo(Federation::kTranscript);
  server.RunTo(Federation::kU2);
  const auto ignored = [](const Federation& attacked) {
    const U1 u1 = DecodeU1(BodyOf(*attacked.context, attacked.u1)).value();
    EXPECT_EQ(u1.graph, (GraphParameters{18, 5}));
    const Indices ring = RingOf(
        attacked.FactsAfterU1().graph->members(),
        GraphSeed(attacked.FactsAfterU1().list_hash, u1.entries, attacked.config.ledger_head));
    Indices members;
    for (const size_t run : {0, 50}) {
      for (size_t d = 0; d < 7; ++d) members.push_back(ring[run + d]);
    }
    return members;
  };
  const Indices out = ignored(federation);
  Transcript cut = federation.confirming->transcript();
  std::erase_if(cut.members, [&](const TranscriptMember& member) {
    return std::find(out.begin(), out.end(), member.index) != out.end();
  });
  ASSERT_GE(cut.members.size(), federation.context->min_count());
  const Bytes shown = federation.SignTranscript(cut);
  for (const TranscriptMember& member : cut.members) {
    EXPECT_THAT(std::move(federation.masked.at(member.index)).TakeTranscript(shown, {}),
                StatusIs(kFalse, "of 9 neighbours on the ring 2 sent vectors, 5 are needed"));
  }
  // An honest server asks nobody to open such a round.
  for (const uint16_t member : ignored(server)) server.Drop(member);
  server.SitesMask();
  for (const auto& [i, upload] : server.uploads) server.TakeVector(i, upload);
  EXPECT_THAT(std::move(*server.collecting).Close(),
              StatusIs(absl::StatusCode::kUnavailable, "9 neighbours on the ring 2 sent"));
}

// The server and one colluding member (c_max = 1) show two transcripts to the two halves.
TEST(Attacks, TwoTranscriptsNeverBothReachQuorum) {
  Federation federation(MaskedRound(6, 10));
  federation.RunTo(Federation::kTranscript);
  const Context& context = *federation.context;
  const Transcript all = federation.confirming->transcript();
  Transcript fewer = all;
  fewer.members.pop_back();  // without 5: its a-shares instead of its b-shares
  const Bytes shown[] = {federation.SignTranscript(all), federation.SignTranscript(fewer)};
  std::map<uint16_t, SiteVoted> voted[2];
  VoteList votes[2];
  const auto take = [&](int side, uint16_t i) {
    auto step = std::move(federation.masked.at(i)).TakeTranscript(shown[side], {});
    ASSERT_TRUE(step.ok()) << step.status();
    const Bytes message = std::move(step->out).ReleaseAfter(absl::OkStatus()).value();
    const TranscriptVote vote = DecodeTranscriptVote(BodyOf(context, message)).value();
    votes[side].push_back({.index = i, .nonce = vote.nonce, .signature = vote.signature});
    voted[side].emplace(i, std::move(step->next));
  };
  for (const uint16_t i : {1, 2, 5}) take(0, i);
  for (const uint16_t i : {3, 4}) take(1, i);
  for (const int side : {0, 1}) {  // colluding member 0 votes for both
    const Digest hash = HashOf(context, side == 0 ? all : fewer);
    VoteEntry vote{.index = 0, .nonce = {}, .signature = {}};
    vote.signature =
        context.Sign(federation.keys[0], crypto::kLabelR3Vote, 0, VoteFields(hash, vote.nonce));
    votes[side].insert(votes[side].begin(), vote);
    for (auto& [i, site] : voted[side]) {
      EXPECT_THAT(
          std::move(site).TakeVotes(Frame(context, crypto::kServerSender, Encode(votes[side]))),
          StatusIs(kFalse, "votes, the quorum is 5"));
    }
  }
}

// The other half's votes do not help: each vote is on one transcript.
TEST(Attacks, VotesOnAnotherTranscriptDoNotCount) {
  Federation federation(MaskedRound(6, 10));
  federation.RunTo(Federation::kVoteList);
  const Context& context = *federation.context;
  VoteList votes = DecodeVoteList(BodyOf(context, federation.vote_list)).value();
  votes[3].signature = context.Sign(federation.keys[3], crypto::kLabelR3Vote, 3,
                                    VoteFields(Digest{9}, votes[3].nonce));
  EXPECT_THAT(std::move(federation.voted.at(0))
                  .TakeVotes(Frame(context, crypto::kServerSender, Encode(votes))),
              StatusIs(kFalse, "a vote on this transcript is not signed by member 3"));
  votes = DecodeVoteList(BodyOf(context, federation.vote_list)).value();
  votes.erase(votes.begin() + 1);
  EXPECT_THAT(std::move(federation.voted.at(1))
                  .TakeVotes(Frame(context, crypto::kServerSender, Encode(votes))),
              StatusIs(kFalse, "does not have this site's vote"));
}

TEST(Attacks, OtherModelYieldsNoSumAndAborts) {
  const RoundConfig config = MaskedRound(5, 10);
  RoundConfig other = config;
  other.model_hash[0] ^= 1;
  // Shown to one site: its floors know the model that it loaded.
  Federation federation(config);
  SiteAdvertised::Options options = federation.StartOptions(2);
  options.context = ContextOf(other);
  EXPECT_THAT(SiteAdvertised::Start(std::move(options)),
              StatusIs(absl::StatusCode::kPermissionDenied, "another model"));
  // A site without that check signs under another H(cfg), which the others refuse.
  options = federation.StartOptions(2);
  options.context = ContextOf(other);
  options.floors = FloorsOf(other);
  auto tricked = SiteAdvertised::Start(std::move(options));
  HILUM_ASSERT_OK(tricked);
  const Bytes advert = std::move(tricked->out).ReleaseAfter(absl::OkStatus()).value();
  EXPECT_THAT(federation.advertising->Take(advert), StatusIs(kFalse, "is not signed by member 2"));
  // The model is in each mask key too: masks of two models do not cancel.
  const ContextPtr a = ContextOf(config), b = ContextOf(other);
  SecretKey mask_private;
  mask_private.mutable_bytes()[0] = 9;
  const AgreementKey peer = crypto::AgreementKeyOf(mask_private);
  const auto key = [&](const ContextPtr& context) {
    return PairMaskKey(
               *context,
               {.mask_private = mask_private, .peer = peer, .i = 0, .j = 1, .u2_hash = Digest{}})
        .value();
  };
  EXPECT_TRUE(key(a) == key(a));
  EXPECT_FALSE(key(a) == key(b));
  // A transcript of another model is refused by every site.
  federation.RunTo(Federation::kTranscript);
  Transcript transcript = federation.confirming->transcript();
  transcript.model_hash = other.model_hash;
  EXPECT_THAT(
      std::move(federation.masked.at(1)).TakeTranscript(federation.SignTranscript(transcript), {}),
      StatusIs(kFalse, "another model than the configuration"));
}

TEST(Attacks, ATranscriptWithoutOnesOwnVectorRefused) {
  Federation federation(MaskedRound(6, 10));
  federation.RunTo(Federation::kTranscript);
  const auto with = [&](auto change) {
    Transcript transcript = federation.confirming->transcript();
    change(transcript);
    return federation.SignTranscript(transcript);
  };
  // A root that member 1 signed for another vector.
  const Bytes other_root = with([&](Transcript& t) {
    t.members[1].root[0] ^= 1;
    t.members[1].signature = federation.context->Sign(
        federation.keys[1], crypto::kLabelR2Root, 1,
        UpdateMessage({.u2_hash = t.u2_hash, .root = t.members[1].root, .n_coords = t.n_coords}));
  });
  EXPECT_THAT(std::move(federation.masked.at(1)).TakeTranscript(other_root, {}),
              StatusIs(kFalse, "another root of this site's vector"));
  const Bytes without = with([](Transcript& t) { t.members.erase(t.members.begin() + 2); });
  EXPECT_THAT(std::move(federation.masked.at(2)).TakeTranscript(without, {}),
              StatusIs(kWrongState, "this site is not in the transcript"));
  const Bytes swapped = with([](Transcript& t) { t.members[4].root[0] ^= 1; });
  EXPECT_THAT(std::move(federation.masked.at(3)).TakeTranscript(swapped, {}),
              StatusIs(kFalse, "a root of the transcript is not signed by member 4"));
  const Bytes other_u2 = with([](Transcript& t) { t.u2_hash[0] ^= 1; });
  EXPECT_THAT(std::move(federation.masked.at(4)).TakeTranscript(other_u2, {}),
              StatusIs(kFalse, "of other sets U1 or U2"));
}

TEST(Attacks, LateUploadIsNeverUnmasked) {
  Federation federation(MaskedRound(6, 10));
  federation.RunTo(Federation::kU2);
  federation.SitesMask();
  const Upload late = federation.uploads.at(3);
  federation.uploads.erase(3);
  federation.ServerTakesVectors();  // ServerConfirming takes no vector: its type has no way to
  federation.stage = Federation::kTranscript;
  federation.Drop(3);
  federation.SitesVote();
  federation.ServerTakesVotes();
  federation.SitesAnswer();
  for (const auto& [i, message] : federation.answers) {
    HILUM_ASSERT_OK_AND_ASSIGN(const Unmasking unmasking,
                               DecodeUnmasking(BodyOf(*federation.context, message)));
    EXPECT_FALSE(Holds(IndicesOf(unmasking.b_shares), 3));
    EXPECT_EQ(IndicesOf(unmasking.a_shares), (Indices{3}));
  }
  federation.ServerTakesAnswers();
  const auto words = federation.opened->total.words();
  EXPECT_EQ(std::vector<uint32_t>(words.begin(), words.end()),
            federation.PlainSum({0, 1, 2, 4, 5}));
}

TEST(Attacks, HalfUploadLeavesNoTraceInSum) {
  Federation federation(MaskedRound(6, kChunkCoords + 10));  // two chunks
  federation.RunTo(Federation::kU2);
  federation.SitesMask();
  const Upload half = federation.uploads.at(3);
  const Bytes chunk = half.Chunk(0);
  const auto stored = [&](uint32_t) -> absl::StatusOr<Bytes> {
    const ByteView bytes =
        DecodeChunk(BodyOf(*federation.context, chunk), federation.config)->bytes;
    return Bytes(bytes.begin(), bytes.end());
  };
  federation.uploads.erase(3);
  HILUM_ASSERT_OK(federation.collecting->TakeChunk(3, chunk));
  for (const auto& [i, upload] : federation.uploads) federation.TakeVector(i, upload);
  EXPECT_EQ(federation.collecting->Unfinished(), (Indices{3}));
  EXPECT_THAT(federation.collecting->Withdraw(3,
                                              [&](uint32_t index) -> absl::StatusOr<Bytes> {
                                                Bytes bytes = stored(index).value();
                                                bytes[0] ^= 1;
                                                return bytes;
                                              }),
              StatusIs(kFalse, "stored chunk 0 is not the one that was added"));
  HILUM_ASSERT_OK(federation.collecting->Withdraw(3, stored));
  EXPECT_THAT(federation.collecting->TakeChunk(3, chunk),
              StatusIs(kWrongState, "member 3 was withdrawn"));
  EXPECT_THAT(federation.collecting->Withdraw(2, stored),
              StatusIs(kWrongState, "the vector of member 2 is whole"));
  federation.CloseVectors();
  federation.stage = Federation::kTranscript;
  federation.Drop(3);
  federation.RunTo(Federation::kOpened);
  const auto words = federation.opened->total.words();
  EXPECT_EQ(std::vector<uint32_t>(words.begin(), words.end()),
            federation.PlainSum({0, 1, 2, 4, 5}));
}

TEST(Attacks, AHalfUploadIsNotSummedUnseen) {
  Federation federation(MaskedRound(6, kChunkCoords + 10));
  federation.RunTo(Federation::kU2);
  federation.SitesMask();
  HILUM_ASSERT_OK(federation.collecting->TakeChunk(3, federation.uploads.at(3).Chunk(0)));
  federation.uploads.erase(3);
  for (const auto& [i, upload] : federation.uploads) federation.TakeVector(i, upload);
  EXPECT_THAT(std::move(*federation.collecting).Close(),
              StatusIs(kWrongState, "holds a part of the vector of member 3"));
}

TEST(Attacks, ChunksComeInOrderAndOnce) {
  Federation federation(MaskedRound(5, kChunkCoords + 10));
  federation.RunTo(Federation::kU2);
  federation.SitesMask();
  const Upload& upload = federation.uploads.at(1);
  ServerCollecting& server = *federation.collecting;
  EXPECT_THAT(server.TakeChunk(1, upload.Chunk(1)), StatusIs(kWrongState, "the next is 0"));
  EXPECT_THAT(server.TakeClose(upload.Close()), StatusIs(kInvalid, "closes after 0 chunks"));
  HILUM_ASSERT_OK(server.TakeChunk(1, upload.Chunk(0)));
  EXPECT_THAT(server.TakeChunk(2, upload.Chunk(1)),
              StatusIs(absl::StatusCode::kPermissionDenied, "from member 2 names member 1"));
  HILUM_ASSERT_OK_AND_ASSIGN(const Receipt again, server.TakeChunk(1, upload.Chunk(0)));
  EXPECT_FALSE(again.is_new);
  EXPECT_THAT(server.TakeChunk(1, Changed(*federation.context, upload.Chunk(0),
                                          [](Bytes& body) { body[4] ^= 1; })),
              StatusIs(kWrongState, "other bytes for chunk 0"));
  HILUM_ASSERT_OK(server.TakeChunk(1, upload.Chunk(1)));
  EXPECT_THAT(server.TakeClose(
                  Changed(*federation.context, upload.Close(), [](Bytes& body) { body[40] ^= 1; })),
              StatusIs(kFalse, "closes another vector than it sent"));
  HILUM_ASSERT_OK(server.TakeClose(upload.Close()));
}

TEST(Attacks, ResendIsByteIdentical) {
  Federation federation(MaskedRound(5, 10));
  federation.RunTo(Federation::kU2);
  federation.SitesMask();
  const Upload first = federation.uploads.at(2);  // a copy sends the same vector
  for (uint32_t c = 0; c < first.n_chunks(); ++c) {
    EXPECT_EQ(first.Chunk(c), federation.uploads.at(2).Chunk(c));
  }
  EXPECT_EQ(first.Close(), federation.uploads.at(2).Close());
  // There is no way to a second vector: SiteReady is consumed by the first.
  static_assert(!std::is_copy_constructible_v<SiteReady>);
  static_assert(!std::is_copy_constructible_v<SiteMasked>);
  static_assert(!std::is_copy_constructible_v<SiteVoted>);
  static_assert(!std::is_invocable_v<decltype(&SiteReady::MaskInput), SiteReady&, NoisedDelta,
                                     kernels::Device>);
}

// --- R4
// -------------------------------------------------------------------------------------------

TEST(Attacks, OverlappingListsRefused) {
  Federation federation(MaskedRound(6, 10));
  federation.RunTo(Federation::kU2);
  federation.Drop(4);
  federation.RunTo(Federation::kVoteList);
  federation.SitesAnswer();
  const Context& context = *federation.context;
  const auto with = [&](auto change) {
    Unmasking unmasking = DecodeUnmasking(BodyOf(context, federation.answers.at(1))).value();
    change(unmasking);
    unmasking.signature =
        context.Sign(federation.keys[1], crypto::kLabelR4Unmask, 1, UnmaskingFields(unmasking));
    return Frame(context, 1, Encode(unmasking));
  };
  const auto take = [&](const Bytes& message) { return federation.unmasking->Take(message); };
  EXPECT_THAT(take(with([](Unmasking& u) {
                u.a_shares.insert(u.a_shares.begin(), {.index = 2, .value = Scalar()});
              })),
              StatusIs(kInvalid, "both shares of member 2 were sent"));
  EXPECT_THAT(take(with([](Unmasking& u) {  // the a-share of one who is in the sum
                u.b_shares.erase(u.b_shares.begin());
                u.a_shares.insert(u.a_shares.begin(), {.index = 0, .value = Scalar()});
              })),
              StatusIs(kInvalid, "does not open exactly the shares"));
  EXPECT_THAT(take(with([](Unmasking& u) { u.b_shares.pop_back(); })),
              StatusIs(kInvalid, "does not open exactly the shares"));
  EXPECT_THAT(take(with([](Unmasking& u) {
                u.b_shares[2].value = u.b_shares[2].value + Scalar::FromInteger(1);
              })),
              StatusIs(kFalse, "member 1 opens a share of member 2 that does not fit"));
  EXPECT_THAT(take(with([](Unmasking& u) { u.votes_hash[0] ^= 1; })),
              StatusIs(kFalse, "member 1 answers another vote list"));
  // A site itself never makes such lists.
  for (const auto& [i, message] : federation.answers) {
    const Unmasking unmasking = DecodeUnmasking(BodyOf(context, message)).value();
    EXPECT_EQ(IndicesOf(unmasking.b_shares), (Indices{0, 1, 2, 3, 5}));
    EXPECT_EQ(IndicesOf(unmasking.a_shares), (Indices{4}));
  }
}

TEST(Attacks, SecondUnmaskRefused) {
  Federation federation(MaskedRound(6, 10));
  federation.RunTo(Federation::kVoteList);
  federation.SitesAnswer();
  const Context& context = *federation.context;
  HILUM_ASSERT_OK(federation.unmasking->Take(federation.answers.at(1)));
  HILUM_ASSERT_OK_AND_ASSIGN(const Receipt again,
                             federation.unmasking->Take(federation.answers.at(1)));
  EXPECT_FALSE(again.is_new);
  Unmasking other = DecodeUnmasking(BodyOf(context, federation.answers.at(1))).value();
  other.tag.values[0] = kernels::TagAdd(other.tag.values[0], 1);
  other.tag.signature =
      context.Sign(federation.keys[1], crypto::kLabelTag, 1,
                   TagFields(HashOf(context, federation.answered.at(1).transcript()),
                             other.votes_hash, other.tag.values));
  EXPECT_THAT(federation.unmasking->Take(Frame(context, 1, Encode(other))),
              StatusIs(kWrongState, "member 1 sent a second and different message"));
  // The site's state is consumed by its one answer, and a restart has nothing to answer with.
  static_assert(!std::is_invocable_v<decltype(&SiteVoted::TakeVotes), SiteVoted&, ByteView>);
  HILUM_ASSERT_OK_AND_ASSIGN(const AnswerRecord record,
                             DecodeAnswerRecord(federation.records.at(1)));
  EXPECT_EQ(record.message, federation.answers.at(1));
}

}  // namespace
}  // namespace hilum::privacy::secagg

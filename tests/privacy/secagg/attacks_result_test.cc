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

// --- Replay, restored state, randomness
// -----------------------------------------------------------

TEST(Attacks, EveryReplayedMessageRefused) {
  const RoundConfig config = MaskedRound(5, 10);
  Federation old(config, {.attempt = 0, .seed = 1});
  old.RunTo(Federation::kOpened);
  // The next attempt, the next round, and a round with another configuration.
  RoundConfig next_round = config, other_cfg = config;
  ++next_round.round;
  other_cfg.audit_days = 31;
  for (int kind = 0; kind < 3; ++kind) {
    Federation next(kind == 1   ? next_round
                    : kind == 2 ? other_cfg
                                : config,
                    {.attempt = static_cast<uint8_t>(kind == 0 ? 1 : 0), .seed = 2});
    const auto code = kind == 2 ? kFalse : kWrongState;  // the same rid: signatures tell
    const auto text = kind == 2 ? "signed" : "another round or attempt";
    next.SitesAdvertise();
    EXPECT_THAT(next.advertising->Take(old.adverts.at(1)), StatusIs(code, text));
    next.ServerTakesKeys();
    EXPECT_THAT(std::move(next.advertised.at(4)).TakeKeyList(old.key_list), StatusIs(code, text));
    next.advertised.erase(4);
    next.SitesReveal();
    EXPECT_FALSE(next.revealing->Take(old.reveals.at(1)).ok());
    EXPECT_FALSE(std::move(next.revealed.at(3)).TakeU1(old.u1).ok());
  }
  // Inside one attempt a message of one flight serves in no other: the labels differ.
  Federation same(config, {.attempt = 0, .seed = 1});
  same.RunTo(Federation::kTranscript);
  same.SitesVote();
  EXPECT_THAT(same.confirming->Take(old.reveals.at(1)),
              StatusIs(kFalse, "votes for another transcript"));
  TranscriptVote vote = DecodeTranscriptVote(BodyOf(*same.context, same.votes.at(1))).value();
  vote.signature = same.context->Sign(same.keys[1], crypto::kLabelR0Reveal, 1,
                                      VoteFields(vote.transcript_hash, vote.nonce));
  EXPECT_THAT(same.confirming->Take(Frame(*same.context, 1, Encode(vote))),
              StatusIs(kFalse, "a vote is not signed by member 1"));
  // Nor under another sender's name.
  EXPECT_THAT(
      same.confirming->Take(Frame(*same.context, 2, BodyOf(*same.context, same.votes.at(1)))),
      StatusIs(kFalse, "a vote is not signed by member 2"));
}

TEST(Attacks, RestoredStateCannotSignAgain) {
  Federation federation(MaskedRound(5, 10), {.attempt = 3});
  auto first = SiteAdvertised::Start(federation.StartOptions(1));
  HILUM_ASSERT_OK(first);
  HILUM_ASSERT_OK_AND_ASSIGN(const crypto::Rid written, DecodeRidRecord(first->out.durable()));
  for (const uint8_t attempt : {0, 3}) {  // an earlier one, and the same again
    SiteAdvertised::Options options = federation.StartOptions(1);
    options.context = ContextOf(federation.config, attempt);
    options.last_rid = written;
    EXPECT_THAT(SiteAdvertised::Start(std::move(options)),
                StatusIs(kWrongState, "has begun this attempt or a later one already"));
  }
  SiteAdvertised::Options options = federation.StartOptions(1);
  options.context = ContextOf(federation.config, 4);
  options.last_rid = written;
  HILUM_EXPECT_OK(SiteAdvertised::Start(std::move(options)));
}

TEST(Attacks, ForkedSitesDrawDifferentKeys) {
  const ContextPtr context = ContextOf(MaskedRound(5, 10));
  const ContextPtr next = ContextOf(MaskedRound(5, 10), 1);
  SecretKey one, two;
  two.mutable_bytes()[0] = 1;
  const auto draw = [](const ContextPtr& where, const SecretKey& fixed, uint64_t fresh,
                       Purpose purpose) {
    std::array<uint8_t, 32> bytes;
    const SiteEntropy entropy = EntropyOf(fresh);
    LocalStream(*where, fixed, entropy.a, purpose).Fill(std::span<uint8_t>(bytes));
    return bytes;
  };
  // The same generator output at two sites, in two attempts and for two purposes; and two outputs
  // at one site (a copied machine whose generator still works).
  const std::set<std::array<uint8_t, 32>> drawn = {
      draw(context, one, 1, Purpose::kA), draw(context, two, 1, Purpose::kA),
      draw(next, one, 1, Purpose::kA), draw(context, one, 1, Purpose::kB),
      draw(context, one, 2, Purpose::kA)};
  EXPECT_EQ(drawn.size(), 5u);
  EXPECT_EQ(draw(context, one, 1, Purpose::kA), draw(context, one, 1, Purpose::kA));
}

// --- The ring and the masks
// -----------------------------------------------------------------------

TEST(Attacks, MaximalInputsFromAllSitesDoNotWrap) {
  for (const float sign : {1.0f, -1.0f}) {
    RoundConfig config = MaskedRound(5, 3);
    config.clip_l2 = 2.0;  // so that each coordinate may reach the range of 1
    Federation federation(config);
    for (SiteInput& input : federation.inputs) {
      input = {.delta = {sign, sign, sign}, .weight = config.max_weight, .loss = 64.0};
    }
    federation.RunTo(Federation::kOpened);
    HILUM_ASSERT_OK_AND_ASSIGN(const MeanDelta mean,
                               Dequantize(std::move(federation.opened->total), config));
    std::vector<float> model(3);
    HILUM_ASSERT_OK(AddMean(mean, 1.0, model));
    for (const float value : model) EXPECT_EQ(value, sign);
    EXPECT_EQ(mean.mean_loss(), 64.0);
    EXPECT_EQ(mean.total_weight(), 5u * config.max_weight);
  }
}

// Every byte value in every position of a masked vector of zeros: chi-squared, 255 degrees of
// freedom, 388 is exceeded once in 10^7; the seed is fixed.
TEST(Attacks, MaskWordsCoverFullRange) {
  RoundConfig config = MaskedRound(3, 100'000);
  for (const uint8_t ring_bits : {25, 32}) {
    config.ring_bits = ring_bits;
    config.value_bits = 23;
    config.scale = ScaleOf(config.range, 23);
    Federation federation(config);
    for (SiteInput& input : federation.inputs) input.delta.assign(config.n_params, 0.0f);
    federation.RunTo(Federation::kU2);
    federation.SitesMask();
    const Bytes message = federation.uploads.at(0).Chunk(0);
    HILUM_ASSERT_OK_AND_ASSIGN(const ChunkView chunk,
                               DecodeChunk(BodyOf(*federation.context, message), config));
    uint32_t largest = 0;
    for (int byte = 0; byte < ring_bits / 8; ++byte) {
      std::array<double, 256> counts{};
      for (const uint32_t word : std::span(chunk.words).first(100'000)) {
        ++counts[word >> (8 * byte) & 0xff];
        largest = std::max(largest, word);
      }
      double chi = 0;
      for (const double count : counts) chi += (count - 390.625) * (count - 390.625) / 390.625;
      EXPECT_LT(chi, 388) << "byte " << byte;
    }
    const double top = static_cast<double>(uint64_t{1} << ring_bits);
    EXPECT_GT(largest, 0.9999 * top);
    EXPECT_LT(largest, top);
  }
}

// A site whose delta is zero but in one coordinate sends as many bytes, and none of them zero more
// often: nothing of the pattern shows.
TEST(Attacks, SparseInputHasDenseTraffic) {
  Federation federation(MaskedRound(3, 4000));
  federation.inputs[0].delta.assign(4000, 0.0f);
  federation.inputs[0].delta[17] = 0.5f;
  federation.RunTo(Federation::kU2);
  federation.SitesMask();
  const Bytes sparse = federation.uploads.at(0).Chunk(0), dense = federation.uploads.at(1).Chunk(0);
  EXPECT_EQ(sparse.size(), dense.size());
  const auto zero_words = [&](const Bytes& message) {
    const ByteView bytes =
        DecodeChunk(BodyOf(*federation.context, message), federation.config)->bytes;
    int n = 0;
    for (size_t at = 0; at < bytes.size(); at += 4) {
      n += bytes[at] == 0 && bytes[at + 1] == 0 && bytes[at + 2] == 0 && bytes[at + 3] == 0;
    }
    return n;
  };
  EXPECT_EQ(zero_words(sparse), 0);
  EXPECT_EQ(zero_words(dense), 0);
}

// --- R5: a false sum, result or tag
// ---------------------------------------------------------------

TEST(Attacks, OneUlpInSumFails) {
  Federation federation(MaskedRound(5, 50));
  federation.RunTo(Federation::kOpened);
  PublishedRound published = federation.Published();
  std::vector<uint64_t> sums = federation.opened->sums;
  published.sums = sums;
  HILUM_EXPECT_OK(VerifyRound(published, kernels::Device::kCpu));
  for (const size_t j : {size_t{0}, size_t{30}, sums.size() - 1}) {
    ++sums[j];
    EXPECT_THAT(VerifyRound(published, kernels::Device::kCpu),
                StatusIs(kFalse, "not the one of the transcript"));
    --sums[j];
  }
  // Also when the false sum is the one that T has: its root binds nothing, the tags do.
  const kernels::TagValues challenge = ChallengeOf(*federation.context, Digest{5});
  std::vector<IndexedTag> tags;
  std::vector<uint64_t> total(3);
  for (uint16_t i = 0; i < 4; ++i) {
    const std::vector<uint32_t> y = {i, 5, 0xffffffff};
    for (size_t j = 0; j < 3; ++j) total[j] += y[j];
    tags.push_back({i, kernels::EvaluateTagsReference(std::span<const uint32_t>(y), challenge)});
  }
  HILUM_EXPECT_OK(CheckSum({.sums = total, .n_members = 4}, 32, tags, challenge));
  for (uint64_t& sum : total) {
    --sum;
    EXPECT_THAT(CheckSum({.sums = total, .n_members = 4}, 32, tags, challenge),
                StatusIs(kFalse, "does not fit the tags"));
    ++sum;
  }
}

TEST(Attacks, SumPlusMultipleOfPFails) {
  const kernels::TagValues challenge = ChallengeOf(*ContextOf(MaskedRound(5, 10)), Digest{5});
  std::vector<uint64_t> total = {7, 8};
  const std::vector<IndexedTag> tags = {
      {0, kernels::EvaluateTagsReference(std::span<const uint64_t>(total), challenge)}};
  HILUM_EXPECT_OK(CheckSum({.sums = total, .n_members = 1}, 32, tags, challenge));
  total[1] += kernels::kTagPrime;
  EXPECT_THAT(CheckSum({.sums = total, .n_members = 1}, 32, tags, challenge),
              StatusIs(kFalse, "coordinate 1 sums to"));
}

TEST(Attacks, WrongTagNamesItsSigner) {
  Federation federation(MaskedRound(5, 50));
  federation.RunTo(Federation::kVoteList);
  federation.SitesAnswer();
  const Context& context = *federation.context;
  // Colluding member 3 signs a tag that is not its vector's.
  Unmasking unmasking = DecodeUnmasking(BodyOf(context, federation.answers.at(3))).value();
  unmasking.tag.values[1] = kernels::TagAdd(unmasking.tag.values[1], 1);
  unmasking.tag.signature = context.Sign(federation.keys[3], crypto::kLabelTag, 3,
                                         TagFields(federation.answered.at(3).transcript_hash(),
                                                   unmasking.votes_hash, unmasking.tag.values));
  federation.answers[3] = Frame(context, 3, Encode(unmasking));
  federation.ServerTakesAnswers();
  EXPECT_THAT(VerifyRound(federation.Published(), kernels::Device::kCpu),
              StatusIs(kFalse, "does not fit the tags"));
  std::vector<IndexedTag> tags;
  std::vector<std::span<const uint32_t>> vectors;
  for (const MemberTag& tag : federation.opened->opening.tags) {
    tags.push_back({tag.index, tag.tag.values});
    vectors.push_back(federation.answered.at(tag.index).vector().words());
  }
  const Digest votes_hash =
      HashVotes(federation.answered.at(0).transcript_hash(), federation.opened->votes);
  EXPECT_EQ(WrongTags(tags, vectors, ChallengeOf(context, votes_hash)), (std::vector<uint16_t>{3}));
  // A tag that nobody signed does not get that far.
  federation.opened->opening.tags[2].tag.values[0] ^= 1;
  EXPECT_THAT(VerifyRound(federation.Published(), kernels::Device::kCpu),
              StatusIs(kFalse, "a tag is not signed by member 2"));
}

TEST(Attacks, AFalseResultOrSecretFails) {
  Federation federation(MaskedRound(6, 50));
  federation.RunTo(Federation::kU2);
  federation.Drop(2);
  federation.RunTo(Federation::kOpened);
  PublishedRound published = federation.Published();
  published.ring_root[0] ^= 1;
  EXPECT_THAT(VerifyRound(published, kernels::Device::kCpu),
              StatusIs(kFalse, "is not the sum without its masks"));
  OpenedSecrets& secrets = federation.opened->opening.secrets;
  const auto with = [&](Scalar& secret) {
    Scalar kept = secret.Copy();
    secret = secret + Scalar::FromInteger(1);
    const absl::Status status = VerifyRound(federation.Published(), kernels::Device::kCpu).status();
    secret = std::move(kept);
    return status;
  };
  EXPECT_THAT(with(secrets.b[0].value), StatusIs(kFalse, "member 0 does not open its commitment"));
  EXPECT_THAT(with(secrets.a[0].value),
              StatusIs(kFalse, "member 2 does not give its advertised key"));
  secrets.a.clear();
  EXPECT_THAT(VerifyRound(federation.Published(), kernels::Device::kCpu),
              StatusIs(kFalse, "are not those of the transcript's members"));
}

}  // namespace
}  // namespace hilum::privacy::secagg

// Whole rounds of the protocol: the honest way, and drop-outs in each flight.
#include "absl/strings/str_cat.h"
#include "privacy/secagg/journal.h"
#include "tests/privacy/secagg/fixtures.h"

namespace hilum::privacy::secagg {
namespace {

std::vector<uint32_t> WordsOf(const RingTotal& total) {
  return {total.words().begin(), total.words().end()};
}

void ExpectExact(const Federation& federation, const Indices& cohort) {
  ASSERT_TRUE(federation.opened.has_value());
  EXPECT_EQ(MembersOf(federation.opened->transcript), cohort);
  EXPECT_EQ(WordsOf(federation.opened->total), federation.PlainSum(cohort));
}

TEST(Rounds, EverySizeFromThreeSitesGivesTheExactSum) {
  for (const uint16_t n : {3, 4, 5, 6, 9}) {
    Federation federation(MaskedRound(n, 100));
    federation.RunTo(Federation::kOpened);
    ExpectExact(federation, federation.online);
    HILUM_ASSERT_OK_AND_ASSIGN(const RingTotal total,
                               VerifyRound(federation.Published(), kernels::Device::kCpu));
    EXPECT_EQ(WordsOf(total), WordsOf(federation.opened->total));
  }
}

TEST(Rounds, BothSuitesAndSmallRingsGiveTheExactSum) {
  for (const Suite suite : {Suite::kAes256Ctr, Suite::kChaCha20}) {
    for (const uint8_t ring_bits : {25, 32}) {
      RoundConfig config = MaskedRound(5, 70);
      config.suite = suite;
      config.ring_bits = ring_bits;
      config.value_bits = static_cast<uint8_t>(MaxValueBits(ring_bits, 5));
      config.scale = ScaleOf(config.range, config.value_bits);
      Federation federation(config);
      federation.RunTo(Federation::kOpened);
      ExpectExact(federation, {0, 1, 2, 3, 4});
    }
  }
}

// A site that is lost while the named message is awaited. The sum is of those who sent vectors.
TEST(Rounds, OneSiteMayDropInEachFlight) {
  for (const auto stage : {Federation::kU1, Federation::kDeliveries, Federation::kU2}) {
    Federation federation(MaskedRound(6, 50));
    federation.RunTo(stage);
    federation.Drop(2);
    federation.RunTo(Federation::kOpened);
    ExpectExact(federation, {0, 1, 3, 4, 5});
    HILUM_EXPECT_OK(VerifyRound(federation.Published(), kernels::Device::kCpu));
  }
  for (const auto stage : {Federation::kTranscript, Federation::kVoteList}) {
    Federation federation(MaskedRound(6, 50));
    federation.RunTo(stage);
    federation.Drop(2);
    federation.RunTo(Federation::kOpened);
    ExpectExact(federation, {0, 1, 2, 3, 4, 5});  // its vector had arrived
    EXPECT_EQ(federation.opened->untagged, (Indices{2}));
  }
}

TEST(Rounds, WithoutAnAnswerTheWholeVectorStandsForTheTag) {
  Federation federation(MaskedRound(6, 50));
  federation.RunTo(Federation::kVoteList);
  federation.Drop(3);
  const Upload upload = federation.uploads.at(3);
  federation.RunTo(Federation::kOpened);
  PublishedRound published = federation.Published();
  EXPECT_THAT(VerifyRound(published, kernels::Device::kCpu),
              StatusIs(absl::StatusCode::kDataLoss, "neither a tag nor a published vector"));
  const Bytes message = upload.Chunk(0);
  HILUM_ASSERT_OK_AND_ASSIGN(const ChunkView chunk,
                             DecodeChunk(BodyOf(*federation.context, message), federation.config));
  std::vector<uint32_t> vector = chunk.words;
  published.untagged = [&vector](uint16_t member) -> absl::StatusOr<std::vector<uint32_t>> {
    if (member == 3) return vector;
    return absl::NotFoundError("no such vector");
  };
  HILUM_EXPECT_OK(VerifyRound(published, kernels::Device::kCpu));
  vector[7] ^= 1;
  EXPECT_THAT(VerifyRound(published, kernels::Device::kCpu),
              StatusIs(absl::StatusCode::kDataLoss, "vector of member 3 is not the one"));
  published.untagged = [](uint16_t) -> absl::StatusOr<std::vector<uint32_t>> {
    return absl::UnavailableError("the server went away");
  };
  EXPECT_THAT(VerifyRound(published, kernels::Device::kCpu),
              StatusIs(absl::StatusCode::kUnavailable, "went away"));
}

// Mode B sees a lie in the chunks that it draws, and in no other.
TEST(Rounds, ASampleIsThatPartOfTheModel) {
  constexpr size_t kParams =
      2 * kChunkCoords + 100;  // three chunks, the extra coordinates in the last
  const RoundConfig config = MaskedRound(6, kParams);
  Federation federation(config);
  federation.RunTo(Federation::kU2);
  federation.Drop(2);
  federation.RunTo(Federation::kOpened);
  const PublishedRound published = federation.Published();
  HILUM_ASSERT_OK_AND_ASSIGN(RingTotal total, VerifyRound(published, kernels::Device::kCpu));
  HILUM_ASSERT_OK_AND_ASSIGN(const MeanDelta mean, Dequantize(std::move(total), config));
  const std::vector<float> base(kParams, 0.25f);
  std::vector<float> model = base;
  HILUM_ASSERT_OK(AddMean(mean, 1.0, model));
  HILUM_ASSERT_OK_AND_ASSIGN(const VerifiedMessages messages, VerifyMessages(published));
  const auto check = [&](std::vector<uint32_t> chunks) -> absl::Status {
    HILUM_ASSIGN_OR_RETURN(RingSample sample, VerifySampled(published, messages, std::move(chunks),
                                                            kernels::Device::kCpu));
    return std::move(sample).CheckModel(config, 1.0, base, model);
  };
  HILUM_EXPECT_OK(check({0, 1, 2}));
  model[kChunkCoords + 47] += 0.5f;  // in chunk 1
  HILUM_EXPECT_OK(check({0, 2}));
  EXPECT_THAT(check({1, 2}),
              StatusIs(absl::StatusCode::kDataLoss,
                       absl::StrCat("parameter ", kChunkCoords + 47, " of the model")));
  EXPECT_THAT(check({0, 1}), StatusIs(absl::StatusCode::kInvalidArgument, "lacks chunk 2"));
}

TEST(Rounds, MoreDropsThanTheCohortBearsEndTheRoundWithAReason) {
  Federation federation(MaskedRound(6, 50));
  federation.RunTo(Federation::kU2);
  federation.Drop(2);
  federation.Drop(4);
  federation.SitesMask();
  for (const auto& [i, upload] : federation.uploads) federation.TakeVector(i, upload);
  EXPECT_THAT(
      std::move(*federation.collecting).Close(),
      StatusIs(absl::StatusCode::kUnavailable, "4 members sent vectors, the round needs 5"));
}

TEST(Rounds, FewerThanThresholdAnswersOpenNothing) {
  Federation federation(MaskedRound(6, 50));
  federation.RunTo(Federation::kVoteList);
  federation.SitesAnswer();
  for (const uint16_t i : {0, 1, 2, 3}) {
    HILUM_ASSERT_OK(federation.unmasking->Take(federation.answers.at(i)));
  }
  EXPECT_FALSE(federation.unmasking->enough());
  EXPECT_THAT(std::move(*federation.unmasking).Close(kernels::Device::kCpu),
              StatusIs(absl::StatusCode::kUnavailable, "has 4 shares, 5 open it"));
}

// More than a hundred members: the k-regular graph, with drop-outs before and after the vectors.
TEST(Rounds, ARegularGraphOfManySitesGivesTheExactSum) {
  RoundConfig config = MaskedRound(101, 20);
  config.c_max = 4;
  config.drop_max = 4;
  config.share_proof = ShareProof::kNone;  // Feldman at this size is minutes of one core
  Federation federation(config);
  federation.RunTo(Federation::kU2);
  federation.Drop(17);
  federation.Drop(80);
  federation.RunTo(Federation::kVoteList);
  federation.Drop(5);
  federation.RunTo(Federation::kOpened);
  EXPECT_FALSE(federation.opened->facts.graph->complete());
  Indices cohort = federation.online;
  cohort.insert(std::lower_bound(cohort.begin(), cohort.end(), 5), 5);
  ExpectExact(federation, cohort);
}

TEST(Rounds, PreSharedKeysEnterTheChannelsOnly) {
  Federation federation(MaskedRound(3, 10));
  for (const uint16_t i : federation.online) {
    SiteAdvertised::Options options = federation.StartOptions(i);
    for (const uint16_t j : federation.online) {
      SecretKey psk;
      psk.mutable_bytes()[0] = static_cast<uint8_t>(1 + i * j);  // the same on both sides
      if (i != j) options.psks.emplace(j, std::move(psk));
    }
    auto step = SiteAdvertised::Start(std::move(options));
    HILUM_ASSERT_OK(step);
    federation.adverts[i] = std::move(step->out).ReleaseAfter(absl::OkStatus()).value();
    federation.advertised.emplace(i, std::move(step->next));
  }
  federation.ServerTakesKeys();
  federation.stage = Federation::kKeyList;
  federation.RunTo(Federation::kOpened);
  ExpectExact(federation, {0, 1, 2});
}

TEST(Rounds, AFailedWriteSendsNothing) {
  Federation federation(MaskedRound(5, 10));
  const absl::Status full = absl::ResourceExhaustedError("the disk is full");
  auto start = SiteAdvertised::Start(federation.StartOptions(0));
  HILUM_ASSERT_OK(start);
  EXPECT_EQ(start->out.durable(), EncodeRidRecord(federation.context->rid()));
  EXPECT_THAT(std::move(start->out).ReleaseAfter(full),
              StatusIs(absl::StatusCode::kResourceExhausted, "the disk is full"));
  federation.RunTo(Federation::kU2);
  auto ready = std::move(federation.acknowledged.at(0)).TakeU2(federation.u2);
  HILUM_ASSERT_OK(ready);
  auto step = std::move(*ready).MaskInput(federation.Input(0), kernels::Device::kCpu);
  HILUM_ASSERT_OK(step);
  HILUM_ASSERT_OK_AND_ASSIGN(const InputRecord record, DecodeInputRecord(step->upload.record()));
  EXPECT_EQ(record.root, UpdateRoot(step->upload.words(), LayoutOf(federation.config)));
  EXPECT_THAT(std::move(step->upload).ReleaseAfter(full),
              StatusIs(absl::StatusCode::kResourceExhausted, "the disk is full"));
}

TEST(Rounds, TheRecordsSayWhatWasSent) {
  Federation federation(MaskedRound(6, 10));
  federation.RunTo(Federation::kU2);
  federation.Drop(4);
  federation.RunTo(Federation::kTranscript);
  federation.SitesVote();
  HILUM_ASSERT_OK_AND_ASSIGN(const VoteRecord vote, DecodeVoteRecord(federation.records.at(0)));
  EXPECT_EQ(vote.u3, (Indices{0, 1, 2, 3, 5}));
  EXPECT_EQ(vote.transcript_hash, HashOf(*federation.context, federation.confirming->transcript()));
  EXPECT_EQ(vote.model_hash, federation.config.model_hash);
  federation.ServerTakesVotes();
  federation.SitesAnswer();
  HILUM_ASSERT_OK_AND_ASSIGN(const AnswerRecord answer,
                             DecodeAnswerRecord(federation.records.at(0)));
  EXPECT_EQ(answer.message, federation.answers.at(0));
  EXPECT_EQ(answer.transcript_hash, vote.transcript_hash);
}

TEST(Rounds, ACallerThatAddsByItselfGetsTheSameTranscript) {
  Federation federation(MaskedRound(6, 100)), other(MaskedRound(6, 100));
  other.RunTo(Federation::kTranscript);
  federation.RunTo(Federation::kU2);
  federation.SitesMask();
  ServerCollecting& server = *federation.collecting;
  std::vector<uint64_t> sums(federation.config.n_coords());
  for (const auto& [i, upload] : federation.uploads) {
    const Digest root = UpdateRoot(upload.words(), LayoutOf(federation.config));
    HILUM_ASSERT_OK_AND_ASSIGN(const Receipt first, server.TakeSummed(upload.Close(), root));
    HILUM_ASSERT_OK_AND_ASSIGN(const Receipt again, server.TakeSummed(upload.Close(), root));
    EXPECT_TRUE(first.is_new && !again.is_new);
    for (size_t j = 0; j < sums.size(); ++j) sums[j] += upload.words()[j];
  }
  EXPECT_TRUE(server.complete());
  HILUM_ASSERT_OK_AND_ASSIGN(auto step, std::move(server).CloseWith(sums));
  EXPECT_EQ(std::move(step.out).ReleaseAfter(absl::OkStatus()).value(), other.transcript);
}

TEST(Rounds, ACloseOfAnotherVectorThanTheCallerHoldsIsRefused) {
  Federation federation(MaskedRound(6, 10));
  federation.RunTo(Federation::kU2);
  federation.SitesMask();
  const Digest other = UpdateRoot(federation.uploads.at(1).words(), LayoutOf(federation.config));
  EXPECT_THAT(federation.collecting->TakeSummed(federation.uploads.at(0).Close(), other),
              StatusIs(absl::StatusCode::kDataLoss, "another vector"));
}

TEST(Rounds, ASumHasOneOwner) {
  Federation federation(MaskedRound(6, 10));
  federation.RunTo(Federation::kU2);
  federation.SitesMask();
  ServerCollecting& server = *federation.collecting;
  const Upload& first = federation.uploads.at(0);
  const Upload& second = federation.uploads.at(1);
  HILUM_ASSERT_OK(
      server.TakeSummed(first.Close(), UpdateRoot(first.words(), LayoutOf(federation.config))));
  EXPECT_THAT(server.TakeChunk(1, second.Chunk(0)),
              StatusIs(absl::StatusCode::kFailedPrecondition, "the caller's"));
  EXPECT_THAT(std::move(server).Close(),
              StatusIs(absl::StatusCode::kFailedPrecondition, "the caller's"));
}

}  // namespace
}  // namespace hilum::privacy::secagg

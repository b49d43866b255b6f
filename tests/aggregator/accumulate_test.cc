#include "aggregator/accumulate.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "crypto/labels.h"
#include "crypto/random.h"
#include "privacy/quantize.h"
#include "privacy/transcript.h"
#include "tests/aggregator/test_federation.h"
#include "tests/kernels/lazy_queues.h"
#include "tests/status_matchers.h"

namespace hilum::aggregator {
namespace {

using absl::StatusCode;

constexpr uint32_t kChunk = 64;          // small chunks: many of them
constexpr uint32_t kLongChunk = 50'000;  // several blocks of 16,384 words, and an odd tail

// A round of `n_sites` whose keys the test holds.
class Sum : public testing::Test {
 protected:
  void SetUp() override { Begin(3, 1000); }
  void Begin(int n_sites, uint64_t n_params, uint32_t chunk = kChunk, const Compute& compute = {}) {
    keys_.clear();
    chunk_ = chunk;
    collecting_ = {.facts = {.job = {"cxr"}, .round = {1}, .minimum = 2}};
    config_ = {};
    config_.round = 1;
    config_.n_params = n_params;
    config_.n_extras = 3;
    config_.chunk_coords = chunk;
    config_.ring_bits = 30;
    config_.value_bits = 20;
    config_.max_weight = 100;
    for (int i = 0; i < n_sites; ++i) {
      keys_.push_back(crypto::SigningKey::Generate());
      config_.roster.push_back(
          {.index = static_cast<uint16_t>(i), .key = keys_.back().public_key()});
      collecting_.roster.push_back(
          {.site = {"site-" + std::to_string(i)}, .entry_key = keys_.back().public_key()});
    }
    collecting_.cfg_hash = privacy::HashConfig(config_);
    store_.emplace(*ledger_anchor::Store::Open(folder_.path() / "objects"));
    sum_ = std::make_unique<Accumulator>(&*store_, Shape(), compute);
  }
  // The queues of GPUs, but run by this computer and as late as they may.
  Compute Lazily(kernels::Watch* watch, int64_t budget_bytes = int64_t{1} << 30,
                 size_t n_devices = 1) {
    return {.device_budget_bytes = budget_bytes,
            .make_queues = [=] { return kernels::LazyDevices(n_devices, watch); }};
  }
  VectorShape Shape() const {
    return {.n_coords = config_.n_coords(),
            .chunk_coords = chunk_,
            .ring_bits = config_.ring_bits,
            .max_weight = config_.max_weight};
  }
  UpdateTicket Ticket(uint16_t site) {
    const auto ticket =
        CheckClaim({.job = {"cxr"},
                    .round = {1},
                    .cfg_hash = collecting_.cfg_hash,
                    .site_index = site,
                    .n_words = config_.n_coords()},
                   collecting_.roster[site].site, {.round = collecting_, .config = config_});
    EXPECT_TRUE(ticket.ok()) << ticket.status();
    return *ticket;
  }
  std::vector<uint32_t> Words(uint64_t seed) { return MakeVector(config_, {.seed = seed}); }
  privacy::VectorLayout Layout() const { return privacy::LayoutOf(config_); }
  Bytes BytesOf(const std::vector<uint32_t>& words) const {
    return privacy::PackVector(words, Layout());
  }
  absl::Status SendChunks(Upload& upload, const std::vector<uint32_t>& words, size_t n_chunks) {
    for (uint32_t c = 0; c < n_chunks && size_t{c} * chunk_ < words.size(); ++c) {
      const size_t n = std::min<size_t>(chunk_, words.size() - size_t{c} * chunk_);
      const auto part = std::span(words).subspan(size_t{c} * chunk_, n);
      HILUM_RETURN_IF_ERROR(upload.AddChunk(c, privacy::PackWords(part, config_.ring_bits)));
    }
    return absl::OkStatus();
  }
  // All chunks, but with a bit set after the words of the last one.
  absl::Status SendWithABadEnd(Upload& upload, const std::vector<uint32_t>& words) {
    const uint32_t last = Layout().n_chunks() - 1;
    HILUM_RETURN_IF_ERROR(SendChunks(upload, words, last));
    Bytes chunk =
        privacy::PackWords(std::span(words).subspan(size_t{last} * chunk_), config_.ring_bits);
    chunk.back() |= 0x80;
    return upload.AddChunk(last, chunk);
  }
  UpdateSeal Seal(uint16_t site, const std::vector<uint32_t>& words) {
    UpdateSeal seal{.root = privacy::UpdateRoot(words, Layout())};
    const Bytes message =
        privacy::UpdateMessage({.root = seal.root, .n_coords = config_.n_coords()});
    seal.signature = crypto::SignLabelled(keys_[site], {.label = crypto::kLabelR2Root,
                                                        .rid = privacy::RidOf(config_, 0),
                                                        .sender = site,
                                                        .cfg_hash = collecting_.cfg_hash,
                                                        .message = message});
    return seal;
  }
  absl::Status Send(uint16_t site, const std::vector<uint32_t>& words, Digest* object = nullptr) {
    HILUM_ASSIGN_OR_RETURN(const auto upload, sum_->Begin(Ticket(site)));
    HILUM_RETURN_IF_ERROR(SendChunks(*upload, words, ~0U));
    HILUM_ASSIGN_OR_RETURN(const ReceivedUpdate received, upload->Finish());
    HILUM_ASSIGN_OR_RETURN(const AcceptedUpdate update,
                           Validate(received, Seal(site, words), Ticket(site)));
    return sum_->Count(update, *upload, [&](const Digest& stored) {
      if (object != nullptr) *object = stored;
      return absl::OkStatus();
    });
  }
  std::vector<uint64_t> Total() {
    sum_->Close();
    const auto total = std::move(*sum_).Total();
    EXPECT_TRUE(total.ok()) << total.status();
    return {total->sums().begin(), total->sums().end()};
  }
  static std::vector<uint64_t> Reference(const std::vector<std::vector<uint32_t>>& vectors) {
    std::vector<uint64_t> sums(vectors[0].size());
    for (const auto& words : vectors) {
      for (size_t j = 0; j < words.size(); ++j) sums[j] += words[j];
    }
    return sums;
  }

  TempFolder folder_;
  uint32_t chunk_ = kChunk;
  std::optional<ledger_anchor::Store> store_;
  std::vector<crypto::SigningKey> keys_;
  Collecting collecting_;
  privacy::RoundConfig config_;
  std::unique_ptr<Accumulator> sum_;
};

TEST_F(Sum, IsThatOfTheReference) {
  for (uint16_t i = 0; i < 3; ++i) HILUM_ASSERT_OK(Send(i, Words(i)));
  EXPECT_EQ(sum_->n_counted(), 3u);
  EXPECT_EQ(Total(), Reference({Words(0), Words(1), Words(2)}));
}

TEST_F(Sum, HalfUploadLeavesNoTraceInSum) {
  HILUM_ASSERT_OK(Send(0, Words(0)));
  for (size_t n_chunks = 0; n_chunks <= 16; ++n_chunks) {
    HILUM_ASSERT_OK_AND_ASSIGN(const auto upload, sum_->Begin(Ticket(1)));
    HILUM_ASSERT_OK(SendChunks(*upload, Words(77), n_chunks));
  }
  EXPECT_EQ(Total(), Reference({Words(0)}));
}

TEST_F(Sum, AnUploadInFlightIsTakenOutWhenTheRoundCloses) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto upload, sum_->Begin(Ticket(1)));
  HILUM_ASSERT_OK(SendChunks(*upload, Words(77), 5));
  HILUM_ASSERT_OK(Send(0, Words(0)));
  EXPECT_EQ(Total(), Reference({Words(0)}));
  EXPECT_THAT(upload->AddChunk(5, Bytes(kChunk * 4)),
              StatusIs(StatusCode::kFailedPrecondition, "was closed before the update"));
  EXPECT_THAT(sum_->Begin(Ticket(2)), StatusIs(StatusCode::kFailedPrecondition, "no further"));
}

TEST_F(Sum, AnUpdateThatTheRoundDoesNotAdmitIsNotInTheSum) {
  HILUM_ASSERT_OK(Send(0, Words(0)));
  HILUM_ASSERT_OK_AND_ASSIGN(const auto upload, sum_->Begin(Ticket(1)));
  HILUM_ASSERT_OK(SendChunks(*upload, Words(5), ~0U));
  HILUM_ASSERT_OK_AND_ASSIGN(const ReceivedUpdate received, upload->Finish());
  HILUM_ASSERT_OK_AND_ASSIGN(const AcceptedUpdate update,
                             Validate(received, Seal(1, Words(5)), Ticket(1)));
  EXPECT_THAT(sum_->Count(update, *upload,
                          [](const Digest&) { return absl::FailedPreconditionError("dropped"); }),
              StatusIs(StatusCode::kFailedPrecondition, "dropped"));
  EXPECT_EQ(Total(), Reference({Words(0)}));
}

TEST_F(Sum, StoredVectorsGiveTheSameSumAfterARestart) {
  std::vector<Digest> objects(2);
  HILUM_ASSERT_OK(Send(0, Words(0), &objects[0]));
  HILUM_ASSERT_OK(Send(1, Words(1), &objects[1]));
  sum_ = std::make_unique<Accumulator>(&*store_, Shape());
  for (uint64_t i : {1, 0}) {
    HILUM_ASSERT_OK(sum_->AddStored(objects[i], privacy::UpdateRoot(Words(i), Layout())));
  }
  HILUM_ASSERT_OK(Send(2, Words(2)));
  EXPECT_EQ(Total(), Reference({Words(0), Words(1), Words(2)}));
}

TEST_F(Sum, ADamagedStoredVectorIsNoticedAndSpoilsTheSumOpenly) {
  Digest object{};
  HILUM_ASSERT_OK(Send(0, Words(0), &object));
  const std::vector<uint32_t> words = Words(0);
  Bytes bytes = BytesOf(words);
  bytes[8] ^= 1;
  fs::permissions(store_->PathOf(object), fs::perms::owner_all);
  HILUM_ASSERT_OK(WriteFileDurably(store_->PathOf(object), bytes));
  sum_ = std::make_unique<Accumulator>(&*store_, Shape());
  EXPECT_THAT(sum_->AddStored(object, privacy::UpdateRoot(Words(0), Layout())),
              StatusIs(StatusCode::kDataLoss, ""));
  sum_->Close();
  EXPECT_THAT(std::move(*sum_).Total(), StatusIs(StatusCode::kDataLoss, ""));
}

TEST_F(Sum, ARootOfAnotherVectorIsNoticed) {
  Digest object{};
  HILUM_ASSERT_OK(Send(0, Words(0), &object));
  const std::vector<uint32_t> words = Words(0);
  EXPECT_THAT(sum_->AddVector(BytesOf(words), privacy::UpdateRoot(Words(1), Layout())),
              StatusIs(StatusCode::kDataLoss, "its update names"));
  EXPECT_THAT(sum_->AddVector(ByteView(BytesOf(words)).first(8), {}),
              StatusIs(StatusCode::kDataLoss, "has 8 bytes"));
}

// 1003 words of 30 bits in chunks of 64: the last one has 43, and 6 bits of its last byte are free.
TEST_F(Sum, ABitOfNoWordIsRefused) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto upload, sum_->Begin(Ticket(0)));
  EXPECT_THAT(SendWithABadEnd(*upload, Words(0)),
              StatusIs(StatusCode::kInvalidArgument, "site site-0 sent chunk 15 with bad bits"));
}

// 30 bits a word: 15/16 of the bytes, on the wire and in the store, and the same sums.
TEST_F(Sum, VectorsAreStoredPacked) {
  Digest object{};
  HILUM_ASSERT_OK(Send(0, Words(0), &object));
  HILUM_ASSERT_OK_AND_ASSIGN(const Bytes stored, store_->Get(object, 1 << 20));
  EXPECT_EQ(stored.size(), 15u * 240 + 162);  // 43 words are 1290 bits
  EXPECT_EQ(stored, BytesOf(Words(0)));
  EXPECT_EQ(Total(), Reference({Words(0)}));
}

TEST_F(Sum, ChunksOfSeveralBlocksGiveTheReferencesBits) {
  Begin(3, 3 * kLongChunk + 16'385, kLongChunk);
  Digest object{};
  HILUM_ASSERT_OK(Send(0, Words(0)));
  HILUM_ASSERT_OK(Send(1, Words(1), &object));
  {
    HILUM_ASSERT_OK_AND_ASSIGN(const auto upload, sum_->Begin(Ticket(2)));
    HILUM_ASSERT_OK(SendChunks(*upload, Words(2), 3));
  }
  const std::vector<uint32_t> words = Words(2);
  HILUM_ASSERT_OK(sum_->AddStored(object, privacy::UpdateRoot(Words(1), Layout())));
  HILUM_ASSERT_OK(sum_->AddVector(BytesOf(words), privacy::UpdateRoot(words, Layout())));
  EXPECT_EQ(Total(), Reference({Words(0), Words(1), Words(1), Words(2)}));
}

TEST_F(Sum, ABadBitInALaterBlockTakesTheEarlierOnesOutAgain) {
  Begin(2, 2 * kLongChunk + 40'000, kLongChunk);  // the last chunk has three blocks
  HILUM_ASSERT_OK(Send(0, Words(0)));
  HILUM_ASSERT_OK_AND_ASSIGN(const auto upload, sum_->Begin(Ticket(1)));
  EXPECT_THAT(SendWithABadEnd(*upload, Words(5)),
              StatusIs(StatusCode::kInvalidArgument, "chunk 2 with bad bits"));
  // The upload has ended; while it still exists, S is clean already.
  EXPECT_THAT(SendChunks(*upload, Words(5), ~0U),
              StatusIs(StatusCode::kFailedPrecondition, "ended when a chunk of it was refused"));
  EXPECT_THAT(upload->Finish(), StatusIs(StatusCode::kFailedPrecondition, "ended when a chunk"));
  EXPECT_EQ(Total(), Reference({Words(0)}));
}

TEST_F(Sum, BytesOffEveryAlignmentAreRead) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto upload, sum_->Begin(Ticket(0)));
  const Bytes packed = BytesOf(Words(0));
  const size_t n_bytes = Layout().BytesOf(0);
  for (size_t shift = 0; shift < 3; ++shift) {
    Bytes shifted(shift, 0xff);
    const ByteView chunk = ByteView(packed).subspan(shift * n_bytes, n_bytes);
    shifted.insert(shifted.end(), chunk.begin(), chunk.end());
    HILUM_ASSERT_OK(
        upload->AddChunk(static_cast<uint32_t>(shift), ByteView(shifted).subspan(shift)));
  }
}

TEST_F(Sum, AnEmptyUpdateAndAnEmptyChunkAreRefused) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto upload, sum_->Begin(Ticket(0)));
  EXPECT_THAT(upload->AddChunk(0, {}),
              StatusIs(StatusCode::kInvalidArgument, "chunk 0 with 0 bytes, it has 240"));
  EXPECT_THAT(upload->Finish(),
              StatusIs(StatusCode::kInvalidArgument, "the end after chunk 0 of 16"));
}

TEST_F(Sum, OnADeviceIsThatOfTheReferenceWithBrokenUploadsBetween) {
  kernels::Watch watch;
  for (const auto& [chunk, n_devices] : std::vector<std::pair<uint32_t, size_t>>{
           {kChunk, 1}, {kLongChunk, 1}, {kChunk, 3}, {kLongChunk, 2}}) {
    Begin(3, 2 * kLongChunk + 6, chunk, Lazily(&watch, int64_t{1} << 30, n_devices));
    EXPECT_EQ(sum_->devices().size(), n_devices);
    Digest object{};
    HILUM_ASSERT_OK(Send(0, Words(0)));
    {
      HILUM_ASSERT_OK_AND_ASSIGN(const auto upload, sum_->Begin(Ticket(1)));
      HILUM_ASSERT_OK(SendChunks(*upload, Words(77), 2));
      HILUM_ASSERT_OK_AND_ASSIGN(const auto bad, sum_->Begin(Ticket(2)));
      EXPECT_FALSE(SendWithABadEnd(*bad, Words(77)).ok());
    }
    HILUM_ASSERT_OK(Send(1, Words(1), &object));
    HILUM_ASSERT_OK(sum_->AddStored(object, privacy::UpdateRoot(Words(1), Layout())));
    EXPECT_EQ(Total(), Reference({Words(0), Words(1), Words(1)}));
    sum_.reset();
    EXPECT_EQ(watch.live_bytes[0] + watch.live_bytes[1], 0u);
    EXPECT_EQ(watch.n_dirty, 0);
  }
}

TEST_F(Sum, WithoutRoomOnTheDeviceIsMadeOnTheCpu) {
  for (const bool budget : {true, false}) {
    kernels::Watch watch;
    if (!budget) watch.refuse_reserve = 3;  // the GPU's memory is full half way
    Begin(2, 1000, kChunk, Lazily(&watch, budget ? 1000 : 1 << 30));
    HILUM_ASSERT_OK(Send(0, Words(0)));
    HILUM_ASSERT_OK(Send(1, Words(1)));
    EXPECT_EQ(watch.live_bytes[0] + watch.live_bytes[1], 0u);
    EXPECT_EQ(Total(), Reference({Words(0), Words(1)}));
  }
}

TEST_F(Sum, ADeviceThatFailsLosesNoUpdate) {
  // Calls: while making it, early, late, at the end; of one device, and of two.
  for (const auto& [fail_at, n_devices] : std::vector<std::pair<int, size_t>>{
           {2, 1}, {5, 1}, {40, 1}, {100, 1}, {150, 1}, {2, 2}, {40, 2}, {150, 2}}) {
    kernels::Watch watch;
    watch.fail_at = fail_at;
    Begin(2, 1000, kChunk, Lazily(&watch, int64_t{1} << 30, n_devices));
    std::vector<Digest> objects(2);
    for (uint16_t i = 0; i < 2; ++i) HILUM_ASSERT_OK(Send(i, Words(i), &objects[i]));
    sum_->Close();
    const auto total = std::move(*sum_).Total();
    if (!total.ok()) {
      EXPECT_THAT(total, StatusIs(StatusCode::kUnavailable, "the device failed at call"));
      sum_ = std::make_unique<Accumulator>(&*store_, Shape());
      for (uint64_t i : {0, 1}) {
        HILUM_ASSERT_OK(sum_->AddStored(objects[i], privacy::UpdateRoot(Words(i), Layout())));
      }
      EXPECT_EQ(Total(), Reference({Words(0), Words(1)}));
    } else {
      EXPECT_EQ(fail_at, 2);  // it was made on the CPU from the start
      EXPECT_EQ(std::vector<uint64_t>(total->sums().begin(), total->sums().end()),
                Reference({Words(0), Words(1)}));
    }
  }
}

TEST_F(Sum, StatisticsAcrossAChunkBorderAreRead) {
  // 1000 + 3 words in chunks of 64: the last chunk has 43 words. With 62 parameters weight and
  // count end the first chunk and the loss stands alone in the second.
  Begin(2, 62);
  const std::vector<uint32_t> words = MakeVector(config_, {.seed = 1, .weight = 9, .loss = 2.5});
  HILUM_ASSERT_OK_AND_ASSIGN(const auto upload, sum_->Begin(Ticket(0)));
  HILUM_ASSERT_OK(SendChunks(*upload, words, 2));
  HILUM_ASSERT_OK_AND_ASSIGN(const ReceivedUpdate received, upload->Finish());
  EXPECT_EQ(received.statistics().weight, 9u);
  EXPECT_EQ(received.statistics().loss, 2.5);
  EXPECT_EQ(received.root(), privacy::UpdateRoot(words, Layout()));
}

TEST_F(Sum, WithDifferentialPrivacyAnUpdateTellsNeitherFilmsNorLoss) {
  Begin(2, 62);
  VectorShape shape = Shape();
  shape.tells_nothing = true;
  sum_ = std::make_unique<Accumulator>(&*store_, shape, Compute{});
  const auto finish = [&](const SyntheticUpdate& update) -> absl::Status {
    const auto upload = sum_->Begin(Ticket(0));
    if (!upload.ok()) return upload.status();
    const absl::Status sent = SendChunks(**upload, MakeVector(config_, update), 2);
    return sent.ok() ? (*upload)->Finish().status() : sent;
  };
  const uint32_t most = config_.max_weight;
  const auto refused = StatusIs(absl::StatusCode::kInvalidArgument, "with differential privacy");
  EXPECT_THAT(finish({.seed = 1, .weight = most - 1, .loss = 0}), refused);
  EXPECT_THAT(finish({.seed = 1, .weight = most, .loss = 0.5}), refused);
  HILUM_EXPECT_OK(finish({.seed = 1, .weight = most, .loss = 0}));
}

TEST_F(Sum, UploadsInParallelWithBrokenOnesBetweenGiveTheSameBits) {
  Begin(8, 5000);
  std::vector<std::vector<uint32_t>> vectors;
  for (uint64_t i = 0; i < 8; ++i) vectors.push_back(Words(i));
  std::vector<std::thread> threads;
  std::atomic<int> n_failed{0};
  for (uint16_t i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      {
        const auto broken = sum_->Begin(Ticket(i));
        if (!SendChunks(**broken, Words(100 + i), 7 * i).ok()) ++n_failed;
      }
      if (!Send(i, vectors[i]).ok()) ++n_failed;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(n_failed, 0);
  EXPECT_EQ(Total(), Reference(vectors));
}

}  // namespace
}  // namespace hilum::aggregator

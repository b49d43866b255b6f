#include "kernels/chunk_pipeline.h"

#include <atomic>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/integer_sum.h"
#include "tests/kernels/lazy_queues.h"
#include "tests/kernels/parity.h"
#include "tests/status_matchers.h"

namespace hilum::kernels {
namespace {

using absl::StatusCode;

constexpr int64_t kPlenty = int64_t{1} << 40;

std::vector<uint32_t> ChunkOf(const std::vector<uint32_t>& words, int64_t chunk, int64_t length) {
  const int64_t first = chunk * length;
  const int64_t last = std::min<int64_t>(first + length, std::ssize(words));
  return {words.begin() + first, words.begin() + last};
}

// Adds each vector chunk by chunk; the words are overwritten as soon as Add has returned.
absl::Status Feed(ChunkPipeline& pipeline, const std::vector<uint32_t>& words, int64_t length,
                  bool add = true) {
  for (int64_t chunk = 0; chunk * length < std::ssize(words); ++chunk) {
    std::vector<uint32_t> taken = ChunkOf(words, chunk, length);
    HILUM_RETURN_IF_ERROR(add ? pipeline.Add(chunk, taken) : pipeline.Subtract(chunk, taken));
    std::fill(taken.begin(), taken.end(), 0xdeadbeef);
  }
  return absl::OkStatus();
}

std::vector<uint64_t> SumOf(const std::vector<std::vector<uint32_t>>& vectors) {
  std::vector<uint64_t> total(vectors[0].size());
  for (const auto& words : vectors) AddWordsReference(words, total);
  return total;
}

TEST(ChunkPipeline, GivesTheReferencesBitsHoweverLateTheDeviceRuns) {
  for (const int n_queues : {1, 2, 3}) {
    for (const auto& [n, length] : std::vector<std::pair<int64_t, int64_t>>{
             {1, 1}, {1, 64}, {7, 1}, {63, 64}, {64, 64}, {65, 64}, {129, 64}, {1003, 10}}) {
      Watch watch;
      {
        HILUM_ASSERT_OK_AND_ASSIGN(
            const auto pipeline,
            ChunkPipeline::Create(
                std::make_unique<LazyQueues>(n_queues, &watch),
                {.n_coords = n, .chunk_coords = length, .budget_bytes = kPlenty}));
        std::vector<std::vector<uint32_t>> vectors;
        for (uint32_t site = 0; site < 5; ++site) {
          vectors.push_back(RandomWords(n, site));
          HILUM_ASSERT_OK(Feed(*pipeline, vectors.back(), length));
        }
        HILUM_ASSERT_OK(Feed(*pipeline, vectors[1], length, /*add=*/false));
        vectors.erase(vectors.begin() + 1);
        std::vector<uint64_t> got(static_cast<size_t>(n));
        HILUM_ASSERT_OK(pipeline->Read(got));
        EXPECT_EQ(got, SumOf(vectors)) << n_queues << " queues, " << n << " by " << length;
        HILUM_ASSERT_OK(pipeline->Read(got));  // and once more
        EXPECT_EQ(got, SumOf(vectors));
      }
      EXPECT_EQ(watch.live_bytes[0] + watch.live_bytes[1], 0u);
      EXPECT_EQ(watch.n_dirty, 0);
    }
  }
}

TEST(ChunkPipeline, TakesNoMoreOfTheDeviceThanItsBudget) {
  const ChunkPipelineOptions options{.n_coords = 1000, .chunk_coords = 100, .budget_bytes = 9600};
  ASSERT_EQ(ChunkPipeline::DeviceBytes(options, 2), 8000 + 2 * 2 * 400);
  Watch watch;
  {
    HILUM_ASSERT_OK_AND_ASSIGN(
        const auto pipeline,
        ChunkPipeline::Create(std::make_unique<LazyQueues>(2, &watch), options));
    HILUM_ASSERT_OK(Feed(*pipeline, RandomWords(1000), 100));
    std::vector<uint64_t> total(1000);
    HILUM_ASSERT_OK(pipeline->Read(total));
  }
  EXPECT_EQ(watch.most_bytes[1], 9600u);
  ChunkPipelineOptions tight = options;
  tight.budget_bytes = 9599;
  EXPECT_THAT(ChunkPipeline::Create(std::make_unique<LazyQueues>(2, &watch), tight),
              StatusIs(StatusCode::kResourceExhausted,
                       "1000 coordinates takes 9600 bytes on cpu, the budget is 9599"));
}

TEST(ChunkPipeline, FullMemoryAtAnyReservationRefusesAndKeepsNothing) {
  for (int refused = 0; refused < 9; ++refused) {  // the sum, and 2 buffers a slot of 2 queues
    Watch watch;
    watch.refuse_reserve = refused;
    EXPECT_THAT(
        ChunkPipeline::Create(std::make_unique<LazyQueues>(2, &watch),
                              {.n_coords = 100, .chunk_coords = 10, .budget_bytes = kPlenty}),
        StatusIs(StatusCode::kResourceExhausted, "memory is full"))
        << refused;
    EXPECT_EQ(watch.live_bytes[0] + watch.live_bytes[1], 0u) << refused;
  }
}

TEST(ChunkPipeline, AFailureAtAnyCallStaysAndNeverGivesAWrongSum) {
  const std::vector<uint32_t> a = RandomWords(100, 1), b = RandomWords(100, 2);
  int n_failed = 0;
  for (int fail_at = 0;; ++fail_at) {
    Watch watch;
    watch.fail_at = fail_at;
    absl::Status status;
    std::vector<uint64_t> total(100);
    if (auto made =
            ChunkPipeline::Create(std::make_unique<LazyQueues>(2, &watch),
                                  {.n_coords = 100, .chunk_coords = 10, .budget_bytes = kPlenty});
        made.ok()) {
      ChunkPipeline& pipeline = **made;
      status = Feed(pipeline, a, 10);
      if (status.ok()) status = Feed(pipeline, b, 10);
      if (status.ok()) status = pipeline.Read(total);
      if (!status.ok()) {
        const std::vector<uint32_t> chunk = ChunkOf(a, 0, 10);
        EXPECT_EQ(pipeline.Add(0, chunk), status);
        EXPECT_EQ(pipeline.Subtract(1, chunk), status);
        EXPECT_EQ(pipeline.Read(total), status);
      }
    } else {
      status = made.status();
    }
    EXPECT_EQ(watch.live_bytes[0] + watch.live_bytes[1], 0u) << fail_at;
    EXPECT_EQ(watch.n_dirty, 0) << fail_at;
    if (status.ok()) {
      EXPECT_EQ(total, SumOf({a, b}));
      break;
    }
    EXPECT_EQ(status.code(), StatusCode::kUnavailable);
    EXPECT_THAT(status.message(), testing::HasSubstr(absl::StrCat("failed at call ", fail_at)));
    ++n_failed;
  }
  EXPECT_GT(n_failed, 80);  // each of 20 chunks: wait, copy, add, record
}

TEST(ChunkPipeline, RefusesChunksThatDoNotFitAndStaysUsable) {
  Watch watch;
  HILUM_ASSERT_OK_AND_ASSIGN(
      const auto pipeline,
      ChunkPipeline::Create(std::make_unique<LazyQueues>(2, &watch),
                            {.n_coords = 25, .chunk_coords = 10, .budget_bytes = kPlenty}));
  const std::vector<uint32_t> ten(10, 1), five(5, 1), none;
  EXPECT_THAT(pipeline->Add(3, ten), StatusIs(StatusCode::kInvalidArgument, "of 3 chunks"));
  EXPECT_THAT(pipeline->Add(-1, ten), StatusIs(StatusCode::kInvalidArgument, "chunk -1"));
  EXPECT_THAT(pipeline->Add(2, ten), StatusIs(StatusCode::kInvalidArgument, "10 words, it has 5"));
  EXPECT_THAT(pipeline->Subtract(0, none), StatusIs(StatusCode::kInvalidArgument, "0 words"));
  std::vector<uint64_t> total(25), longer(26);
  EXPECT_THAT(pipeline->Read(longer), StatusIs(StatusCode::kInvalidArgument, "26 totals"));
  HILUM_ASSERT_OK(pipeline->Add(2, five));
  HILUM_ASSERT_OK(pipeline->Read(total));
  EXPECT_EQ(total[24], 1u);
  for (const int64_t n : {int64_t{0}, int64_t{-1}, (int64_t{1} << 40) + 1}) {
    EXPECT_THAT(ChunkPipeline::Create(std::make_unique<LazyQueues>(1, &watch),
                                      {.n_coords = n, .chunk_coords = 1, .budget_bytes = kPlenty}),
                StatusIs(StatusCode::kInvalidArgument, "coordinates in chunks of"));
  }
}

// The CPU's queues are threads; under ThreadSanitizer this shows the order of every access.
TEST(ChunkPipeline, ManyUploadsAtOnceOverThreadsGiveTheSameBits) {
  constexpr int64_t kN = 20'011, kLength = 1000;
  HILUM_ASSERT_OK_AND_ASSIGN(auto queues, DeviceQueues::Create(Device::kCpu, 2));
  HILUM_ASSERT_OK_AND_ASSIGN(
      const auto pipeline,
      ChunkPipeline::Create(std::move(queues),
                            {.n_coords = kN, .chunk_coords = kLength, .budget_bytes = kPlenty}));
  std::vector<std::vector<uint32_t>> vectors;
  for (uint32_t site = 0; site < 6; ++site) vectors.push_back(RandomWords(kN, site));
  std::atomic<int> n_failed{0};
  std::vector<std::thread> uploads;
  for (const auto& words : vectors) {
    uploads.emplace_back([&] {
      for (const bool add : {true, false, true}) {
        if (!Feed(*pipeline, words, kLength, add).ok()) ++n_failed;
      }
    });
  }
  for (std::thread& upload : uploads) upload.join();
  EXPECT_EQ(n_failed, 0);
  std::vector<uint64_t> total(kN);
  HILUM_ASSERT_OK(pipeline->Read(total));
  EXPECT_EQ(total, SumOf(vectors));
}

TEST(DeviceQueues, RefusesWhatIsNotThere) {
  EXPECT_THAT(DeviceQueues::Create(Device(Device::kCuda, 4095), 2),
              StatusIs(StatusCode::kFailedPrecondition, "cuda:4095 was asked for, but this"));
  for (const int n_queues : {-1, 0, 17}) {
    EXPECT_THAT(DeviceQueues::Create(Device::kCpu, n_queues),
                StatusIs(StatusCode::kInvalidArgument, "needed is 1 to 16"));
  }
}

TEST(DeviceQueues, MemoryIsZeroAtFirstAndFullMemoryIsAStatus) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto queues, DeviceQueues::Create(Device::kCpu, 1));
  HILUM_ASSERT_OK_AND_ASSIGN(const auto memory,
                             queues->Allocate(DeviceQueues::Place::kDevice, 1000));
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(static_cast<const uint8_t*>(memory.get())[i], 0);
#if !defined(HILUM_SANITIZED)  // a sanitizer's allocator ends the program instead
  EXPECT_THAT(queues->Allocate(DeviceQueues::Place::kDevice, size_t{1} << 60),
              StatusIs(StatusCode::kResourceExhausted, "bytes of memory"));
#endif
}

}  // namespace
}  // namespace hilum::kernels

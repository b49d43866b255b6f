#include "kernels/group_sum.h"

#include <utility>

#include "kernels/integer_sum.h"
#include "tests/kernels/lazy_queues.h"
#include "tests/kernels/parity.h"
#include "tests/status_matchers.h"

namespace hilum::kernels {
namespace {

using absl::StatusCode;

constexpr int64_t kN = 1003, kChunk = 10;
constexpr ChunkPipelineOptions kOptions{
    .n_coords = kN, .chunk_coords = kChunk, .budget_bytes = int64_t{1} << 40};

std::vector<std::unique_ptr<DeviceQueues>> Devices(size_t n, Watch* watch) {
  return LazyDevices(n, watch).value();
}

// The first `n_chunks` chunks of a vector.
absl::Status Feed(GroupSum& sum, const std::vector<uint32_t>& words, bool add = true,
                  int64_t n_chunks = (kN + kChunk - 1) / kChunk) {
  for (int64_t chunk = 0; chunk < n_chunks; ++chunk) {
    const auto part =
        std::span(words).subspan(static_cast<size_t>(chunk * kChunk),
                                 static_cast<size_t>(std::min(kChunk, kN - chunk * kChunk)));
    HILUM_RETURN_IF_ERROR(add ? sum.Add(chunk, part) : sum.Subtract(chunk, part));
  }
  return absl::OkStatus();
}

TEST(GroupSum, IsTheReferencesOnAnyNumberOfDevices) {
  for (const size_t n_devices : {1, 2, 3, 7}) {
    Watch watch;
    HILUM_ASSERT_OK_AND_ASSIGN(auto sum, GroupSum::Create(Devices(n_devices, &watch), kOptions));
    EXPECT_EQ(sum->devices().size(), n_devices);
    std::vector<uint64_t> want(kN), got(kN, 99);
    for (uint32_t site = 0; site < 5; ++site) {
      AddWordsReference(RandomWords(kN, site), want);
      HILUM_ASSERT_OK(Feed(*sum, RandomWords(kN, site)));
      // A broken upload: its chunks are taken out on other devices than they went to.
      HILUM_ASSERT_OK(Feed(*sum, RandomWords(kN, 50), /*add=*/true, 11));
      HILUM_ASSERT_OK(Feed(*sum, RandomWords(kN, 50), /*add=*/false, 11));
    }
    HILUM_ASSERT_OK(std::move(*sum).Read(got));
    EXPECT_EQ(got, want) << n_devices;
    EXPECT_THAT(std::move(*sum).Read(got), StatusIs(StatusCode::kUnavailable, "was read before"));
    EXPECT_THAT(Feed(*sum, RandomWords(kN)), StatusIs(StatusCode::kUnavailable, "was read before"));
    sum.reset();
    EXPECT_EQ(watch.live_bytes[0] + watch.live_bytes[1], 0u);
    EXPECT_EQ(watch.n_dirty, 0);
  }
}

TEST(GroupSum, EachDeviceTakesItsShare) {
  Watch watches[3];
  std::vector<std::unique_ptr<DeviceQueues>> queues;
  for (Watch& watch : watches) queues.push_back(std::make_unique<LazyQueues>(2, &watch));
  HILUM_ASSERT_OK_AND_ASSIGN(auto sum, GroupSum::Create(std::move(queues), kOptions));
  int before[3];
  for (size_t i = 0; i < 3; ++i) before[i] = watches[i].n_calls;
  HILUM_ASSERT_OK(Feed(*sum, RandomWords(kN), /*add=*/true, 30));
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(watches[i].n_calls - before[i], watches[0].n_calls - before[0]) << i;
    EXPECT_GE(watches[i].n_calls - before[i], 10) << i;
  }
}

TEST(GroupSum, ADeviceThatFailsLosesTheSum) {
  std::vector<uint64_t> want(kN);
  AddWordsReference(RandomWords(kN), want);
  for (const int fail_at : {0, 3, 10, 40, 250, 500, 1'000'000}) {  // making it, adding, reading
    Watch good, bad;
    bad.fail_at = fail_at;
    std::vector<std::unique_ptr<DeviceQueues>> queues = Devices(1, &good);
    queues.push_back(std::make_unique<LazyQueues>(2, &bad));
    std::vector<uint64_t> got(kN);
    absl::Status status;
    if (auto sum = GroupSum::Create(std::move(queues), kOptions); !sum.ok()) {
      status = sum.status();
    } else {
      Feed(**sum, RandomWords(kN)).IgnoreError();
      status = std::move(**sum).Read(got);
    }
    if (fail_at == 1'000'000) {
      HILUM_EXPECT_OK(status);
      EXPECT_EQ(got, want);
    } else {
      EXPECT_THAT(status, StatusIs(StatusCode::kUnavailable, "the device failed at call"));
    }
    EXPECT_EQ(good.live_bytes[0] + good.live_bytes[1], 0u);
  }
}

TEST(GroupSum, WithoutRoomOnOneDeviceNothingStaysReserved) {
  for (const int refused : {0, 4, 9, 13}) {
    Watch watch;
    watch.refuse_reserve = refused;
    EXPECT_THAT(GroupSum::Create(Devices(2, &watch), kOptions),
                StatusIs(StatusCode::kResourceExhausted, "memory is full"));
    EXPECT_EQ(watch.live_bytes[0] + watch.live_bytes[1], 0u);
  }
}

TEST(GroupSum, RefusesWhatDoesNotFit) {
  EXPECT_THAT(GroupSum::Create({}, kOptions), StatusIs(StatusCode::kInvalidArgument, "no device"));
  Watch watch;
  HILUM_ASSERT_OK_AND_ASSIGN(auto sum, GroupSum::Create(Devices(2, &watch), kOptions));
  const std::vector<uint32_t> words(3);
  EXPECT_THAT(sum->Add(101, words), StatusIs(StatusCode::kInvalidArgument, "of 101 chunks"));
  std::vector<uint64_t> total(5);
  EXPECT_THAT(std::move(*sum).Read(total),
              StatusIs(StatusCode::kInvalidArgument, "a result of 5 totals"));
}

}  // namespace
}  // namespace hilum::kernels

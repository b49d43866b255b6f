// The pipeline and the collective on real GPUs. Skipped where there is none; built with HILUM_CUDA.
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "kernels/chunk_pipeline.h"
#include "kernels/collective.h"
#include "kernels/group_sum.h"
#include "kernels/integer_sum.h"
#include "tests/kernels/parity.h"
#include "tests/status_matchers.h"

namespace hilum::kernels {
namespace {

class CudaPipeline : public testing::Test {
 protected:
  void SetUp() override {
    if (CudaDeviceCount() == 0) GTEST_SKIP() << "no CUDA device here: GPU parity was not run";
  }
  const Device cuda{Device::kCuda, 0};
};

TEST_F(CudaPipeline, UploadsAtOnceGiveTheSameBits) {
  constexpr int64_t kN = 3'000'017, kChunk = 1 << 18;
  HILUM_ASSERT_OK_AND_ASSIGN(auto queues, DeviceQueues::Create(cuda, 2));
  HILUM_ASSERT_OK_AND_ASSIGN(
      const auto pipeline,
      ChunkPipeline::Create(
          std::move(queues),
          {.n_coords = kN, .chunk_coords = kChunk, .budget_bytes = int64_t{1} << 30}));
  std::vector<uint64_t> want(kN), got(kN);
  std::vector<std::thread> uploads;
  for (uint32_t site = 0; site < 6; ++site) {
    const std::vector<uint32_t> words = RandomWords(kN, site);
    AddWordsReference(words, want);
    uploads.emplace_back([words, &pipeline] {
      for (int64_t chunk = 0; chunk * kChunk < kN; ++chunk) {
        const auto part = std::span(words).subspan(
            static_cast<size_t>(chunk * kChunk),
            static_cast<size_t>(std::min(int64_t{kChunk}, kN - chunk * kChunk)));
        HILUM_EXPECT_OK(pipeline->Add(chunk, part));
        HILUM_EXPECT_OK(pipeline->Subtract(chunk, part));
        HILUM_EXPECT_OK(pipeline->Add(chunk, part));
      }
    });
  }
  for (std::thread& upload : uploads) upload.join();
  HILUM_ASSERT_OK(pipeline->Read(got));
  EXPECT_EQ(got, want);
}

TEST_F(CudaPipeline, EveryNumberOfGpusGivesTheSameSum) {
  constexpr int64_t kN = 1'000'003, kChunk = 1 << 16;
  for (int n_devices = 1; n_devices <= CudaDeviceCount(); ++n_devices) {
    std::vector<std::unique_ptr<DeviceQueues>> queues;
    for (int i = 0; i < n_devices; ++i) {
      HILUM_ASSERT_OK_AND_ASSIGN(auto one, DeviceQueues::Create(Device(Device::kCuda, i), 2));
      queues.push_back(std::move(one));
    }
    HILUM_ASSERT_OK_AND_ASSIGN(
        const auto sum, GroupSum::Create(std::move(queues), {.n_coords = kN,
                                                             .chunk_coords = kChunk,
                                                             .budget_bytes = int64_t{1} << 30}));
    std::vector<uint64_t> want(kN), got(kN);
    for (uint32_t site = 0; site < 5; ++site) {
      const std::vector<uint32_t> words = RandomWords(kN, site);
      AddWordsReference(words, want);
      for (int64_t chunk = 0; chunk * kChunk < kN; ++chunk) {
        HILUM_ASSERT_OK(sum->Add(
            chunk, std::span(words).subspan(
                       static_cast<size_t>(chunk * kChunk),
                       static_cast<size_t>(std::min(int64_t{kChunk}, kN - chunk * kChunk)))));
      }
    }
    HILUM_ASSERT_OK(std::move(*sum).Read(got));
    EXPECT_EQ(got, want) << n_devices << " GPUs";
  }
}

TEST_F(CudaPipeline, FullMemoryIsASentenceAndTheNextCallsWork) {
  HILUM_ASSERT_OK_AND_ASSIGN(auto queues, DeviceQueues::Create(cuda, 2));
  EXPECT_THAT(ChunkPipeline::Create(std::move(queues), {.n_coords = int64_t{1} << 40,
                                                        .chunk_coords = 1024,
                                                        .budget_bytes = int64_t{1} << 50}),
              StatusIs(absl::StatusCode::kResourceExhausted, "CUDA could not reserve"));
  std::vector<uint64_t> total(100);
  HILUM_EXPECT_OK(AddWords(RandomWords(100), total, cuda));
}

TEST_F(CudaPipeline, CollectiveOfEveryNumberOfGpusIsThePlainSum) {
  for (int n_devices = 1; n_devices <= CudaDeviceCount(); ++n_devices) {
    std::vector<Device> devices;
    for (int i = 0; i < n_devices; ++i) devices.emplace_back(Device::kCuda, i);
    HILUM_ASSERT_OK_AND_ASSIGN(const auto group, Collective::Create(devices));
    for (const int64_t n : SizesAround(4096)) {
      std::vector<std::vector<uint32_t>> words;
      std::vector<std::vector<uint64_t>> sums;
      for (uint32_t i = 0; i < devices.size(); ++i) {
        words.push_back(RandomWords(n, i));
        sums.push_back(RandomTotals(n, i));
      }
      const std::vector<std::span<const uint32_t>> word_parts(words.begin(), words.end());
      const std::vector<std::span<const uint64_t>> sum_parts(sums.begin(), sums.end());
      std::vector<uint32_t> word_total(words[0].size()), want_words = word_total;
      std::vector<uint64_t> sum_total(words[0].size()), want_sums = sum_total;
      CollectiveSumReference(word_parts, want_words);
      CollectiveSumReference(sum_parts, want_sums);
      HILUM_ASSERT_OK(group->Sum(word_parts, word_total));
      HILUM_ASSERT_OK(group->Sum(sum_parts, sum_total));
      EXPECT_EQ(word_total, want_words) << n_devices << " GPUs, " << n;
      EXPECT_EQ(sum_total, want_sums) << n_devices << " GPUs, " << n;
    }
  }
}

}  // namespace
}  // namespace hilum::kernels

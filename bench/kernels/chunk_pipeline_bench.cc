// A round's running sum through the chunk pipeline, on a GPU where there is one and else on the
// CPU's queues, whose threads pay for two copies that AddWords does without; and the collective
// sum.
#include <algorithm>
#include <span>
#include <vector>

#include "bench/roofline.h"
#include "kernels/chunk_pipeline.h"
#include "kernels/collective.h"

namespace hilum::kernels {
namespace {

constexpr int64_t kChunk = 1 << 18;

void ChunkPipelineBench(benchmark::State& state) {
  const int64_t n = state.range(0);
  const Device device = CudaDeviceCount() > 0 ? Device(Device::kCuda, 0) : Device(Device::kCpu);
  auto queues = DeviceQueues::Create(device, 2);
  if (!queues.ok()) return state.SkipWithError(std::string(queues.status().message()).c_str());
  auto pipeline = ChunkPipeline::Create(
      *std::move(queues),
      {.n_coords = n, .chunk_coords = kChunk, .budget_bytes = int64_t{1} << 33});
  if (!pipeline.ok()) return state.SkipWithError(std::string(pipeline.status().message()).c_str());
  const std::vector<uint32_t> words(static_cast<size_t>(n), 12345);
  std::vector<uint64_t> total(words.size());
  constexpr int kSites = 10;
  for (auto _ : state) {
    for (int site = 0; site < kSites; ++site) {
      for (int64_t first = 0; first < n; first += kChunk) {
        const auto part = std::span(words).subspan(
            static_cast<size_t>(first), static_cast<size_t>(std::min(kChunk, n - first)));
        benchmark::DoNotOptimize((*pipeline)->Add(first / kChunk, part));
      }
    }
    benchmark::DoNotOptimize((*pipeline)->Read(total));
  }
  // A word is read and written to pinned memory, again to the device, and added; the sum once back.
  bench::ReportRoofline(state, {.bytes = (36.0 * kSites + 32.0) * static_cast<double>(n),
                                .ops = 1.0 * kSites * static_cast<double>(n)});
  state.SetLabel(ToString(device));
}
BENCHMARK(ChunkPipelineBench)
    ->Name("chunk_pipeline/10")
    ->Arg(1'400'000)
    ->Arg(25'000'000)
    ->UseRealTime();

void CollectiveBench(benchmark::State& state) {
  const size_t n_devices = static_cast<size_t>(state.range(0));
  constexpr size_t kN = 4 << 20;
  const std::vector<Device> devices(n_devices, Device::kCpu);
  const auto group = Collective::Create(devices);
  if (!group.ok()) return state.SkipWithError(std::string(group.status().message()).c_str());
  const std::vector<std::vector<uint64_t>> memory(n_devices, std::vector<uint64_t>(kN, 7));
  const std::vector<std::span<const uint64_t>> parts(memory.begin(), memory.end());
  std::vector<uint64_t> total(kN);
  for (auto _ : state) benchmark::DoNotOptimize((*group)->Sum(parts, total));
  bench::ReportRoofline(state, {.bytes = 8.0 * static_cast<double>((n_devices + 1) * kN),
                                .ops = static_cast<double>(n_devices * kN)});
}
BENCHMARK(CollectiveBench)->Name("collective")->Arg(2)->Arg(8)->UseRealTime();

}  // namespace
}  // namespace hilum::kernels

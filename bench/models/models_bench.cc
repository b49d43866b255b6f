// Training and inference of the networks: images a second on one thread.
//   train_step/ARCH/SIZE/BATCH  one step: augmentation, forward, backward, optimizer
//   predict/ARCH/SIZE/BATCH     one forward pass
#include <benchmark/benchmark.h>

#include <string>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/seeded_random.h"
#include "models/initial_weights.h"
#include "models/load.h"
#include "models/train.h"

namespace hilum::models {
namespace {

constexpr int kStepsPerCall = 8;  // the set-up of a call is spread over these

Network MakeNetwork(const std::string& name, int size) {
  const ArchitectureOptions options{name, 2, "group", size};
  const auto spec = SpecOf(options);
  const auto weights = InitialWeights(options, 1);
  HILUM_CHECK(spec.ok() && weights.ok());
  auto network = Load(options, *spec, *weights);
  HILUM_CHECK(network.ok());
  return *std::move(network);
}

std::vector<float> RandomPixels(int64_t n, int size) {
  SeededRandom random(1);
  std::vector<float> pixels(n * size * size);
  for (float& pixel : pixels) pixel = static_cast<float>(random.Uniform());
  return pixels;
}

void TrainStep(benchmark::State& state, const std::string& name) {
  const int size = static_cast<int>(state.range(0)), batch = static_cast<int>(state.range(1));
  const int64_t n = int64_t{batch} * kStepsPerCall;
  Network network = MakeNetwork(name, size);
  std::vector<int32_t> labels(n);
  for (int64_t i = 0; i < n; ++i) labels[i] = static_cast<int32_t>(i % 2);
  const auto set = InMemory(1, size, size, RandomPixels(n, size), labels);
  HILUM_CHECK(set.ok());
  TrainOptions options{.batch = batch, .n_steps = kStepsPerCall, .total_steps = kStepsPerCall};
  options.learning_rate = 1e-5f;  // the weights stay ordinary numbers however long it runs
  int64_t n_images = 0;
  for (auto _ : state) {
    const auto result = Train(network, *set, options);
    HILUM_CHECK(result.ok());
    n_images += result->n_samples_seen;
  }
  state.SetItemsProcessed(n_images);
}

void Predict(benchmark::State& state, const std::string& name) {
  const int size = static_cast<int>(state.range(0));
  const int64_t n = state.range(1);
  const Network network = MakeNetwork(name, size);
  const std::vector<float> pixels = RandomPixels(n, size);
  for (auto _ : state) {
    const auto prediction = network.Predict({n, 1, size, size, pixels});
    HILUM_CHECK(prediction.ok());
    benchmark::DoNotOptimize(prediction->logits.data());
  }
  state.SetItemsProcessed(state.iterations() * n);
}

const int registered = [] {
  const auto add = [](const std::string& kind, auto run, const std::string& name,
                      std::vector<std::vector<int64_t>> rows) {
    auto* bench = benchmark::RegisterBenchmark((kind + "/" + name).c_str(), run, name);
    for (const auto& row : rows) bench->Args(row);
    bench->Unit(benchmark::kMillisecond);
  };
  add("train_step", TrainStep, "covidnet-nano", {{128, 4}, {128, 8}, {128, 16}, {128, 32}});
  add("train_step", TrainStep, "covidnet-tiny", {{224, 8}});
  add("predict", Predict, "covidnet-nano", {{128, 1}, {128, 16}});
  add("predict", Predict, "covidnet-s", {{480, 1}});
  return 0;
}();

}  // namespace
}  // namespace hilum::models

BENCHMARK_MAIN();

// round/N/P: one round of N sites and P parameters over loopback gRPC with mutual TLS, from the
// first chunk to the signed close in the ledger: N uploads in parallel, each hashed, stored and
// fsynced, then sum, model, record and ledger entry. The sites are threads of the same process and
// train nothing; their TLS, hashing and signing are inside the time, so it is an upper bound for
// the server.
#include <benchmark/benchmark.h>

#include <atomic>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "tests/aggregator/test_federation.h"

namespace hilum::aggregator {
namespace {

constexpr char kJob[] = "bench";

bool SendAll(const std::vector<std::unique_ptr<TestSite>>& sites,
             const std::vector<std::vector<uint32_t>>& vectors, uint64_t round) {
  std::atomic<bool> good{true};
  std::vector<std::thread> threads;
  for (size_t i = 0; i < sites.size(); ++i) {
    threads.emplace_back([&, i] {
      const auto open = sites[i]->WaitForRound(kJob, round);
      good = good && open.ok() && sites[i]->Submit(*open, vectors[i]).ok();
    });
  }
  for (std::thread& thread : threads) thread.join();
  return good;
}

void Round(benchmark::State& state) {
  const auto n_sites = static_cast<int>(state.range(0));
  const int64_t n_params = state.range(1);
  TestFederation federation;
  const auto sites = federation.AddSites(n_sites);
  proto::RoundPlan plan = MakePlan(kJob, n_params);
  plan.rounds = 100'000;
  if (!LaunchAndApprove(federation, plan, sites).ok()) return state.SkipWithError("no launch");
  const auto first = sites[0]->WaitForRound(kJob, 1);
  if (!first.ok()) return state.SkipWithError("no round");
  std::vector<std::vector<uint32_t>> vectors;
  for (int i = 0; i < n_sites; ++i) {
    vectors.push_back(MakeVector(first->config, {.seed = static_cast<uint64_t>(i)}));
  }
  uint64_t round = 0;
  for (auto _ : state) {
    ++round;
    if (!SendAll(sites, vectors, round) || !sites[0]->WaitForRound(kJob, round + 1).ok()) {
      return state.SkipWithError("the round failed");
    }
  }
  const double bytes = 4.0 * n_sites * (n_params + 3) * static_cast<double>(round);
  state.counters["upload_GB/s"] = benchmark::Counter(bytes / 1e9, benchmark::Counter::kIsRate);
}

BENCHMARK(Round)
    ->Name("round")
    ->Args({6, 300'000})
    ->Args({10, 1'000'000})
    ->Args({50, 1'000'000})
    ->Args({10, 10'000'000})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime()
    ->Iterations(5);

}  // namespace
}  // namespace hilum::aggregator

// round_masked/N/P: one masked round of N sites and P parameters over loopback gRPC with mutual
// TLS, from the first key to the signed close in the ledger, beside open rounds of the same shape,
// which keep signatures, hashing and ledger. The sites are in this process and train nothing:
// making their inputs is off the clock of both. Sites take their steps one after the other and
// upload in parallel, on the cores that the server has too. Counters:
//   open_s         an open round, mean
//   to_open        masked over open, all on this machine
//   to_open_own    the same as if each site had two cores of its own: what all sites' steps took of
//                  this machine's cores is taken out, half the processor time of the dearest put in
// Verifying the round is secagg_verify of bench/privacy.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <ctime>
#include <functional>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "kernels/cpu.h"
#include "privacy/transcript.h"
#include "tests/aggregator/masked_site.h"

namespace hilum::aggregator {
namespace {

constexpr char kJob[] = "bench";
constexpr int kOpenRounds = 3;
constexpr double kCoresOfASite = 2;

// Seconds of a round, and of its sites' own steps: processor time of all, and of the dearest.
struct RoundCost {
  double wall_s = 0;
  double sites_cpu_s = 0;
  double dearest_cpu_s = 0;

  double own_cores_s() const {
    return wall_s - sites_cpu_s / kernels::CpuThreads() + dearest_cpu_s / kCoresOfASite;
  }
  void Add(const RoundCost& other) {
    wall_s += other.wall_s;
    sites_cpu_s += other.sites_cpu_s;
    dearest_cpu_s += other.dearest_cpu_s;
  }
};

double SecondsSince(absl::Time started) { return absl::ToDoubleSeconds(absl::Now() - started); }

// Every site at once, as sites are.
absl::Status InParallel(size_t n, const std::function<absl::Status(size_t)>& work) {
  std::vector<absl::Status> results(n);
  std::vector<std::thread> threads;
  for (size_t i = 0; i < n; ++i) {
    threads.emplace_back([&, i] { results[i] = work(i); });
  }
  for (std::thread& thread : threads) thread.join();
  for (const absl::Status& result : results) HILUM_RETURN_IF_ERROR(result);
  return absl::OkStatus();
}

proto::RoundPlan PlanOf(proto::RoundPlan plan) {
  plan.rounds = 100'000;
  plan.cohort.deadline_s = 3600;
  return plan;
}

// Mean of some open rounds; a site's own step is the root of its vector.
absl::StatusOr<RoundCost> OpenRounds(int n_sites, int64_t n_params) {
  TestFederation federation;
  const auto sites = federation.AddSites(n_sites);
  HILUM_RETURN_IF_ERROR(LaunchAndApprove(federation, PlanOf(MakePlan(kJob, n_params)), sites));
  HILUM_ASSIGN_OR_RETURN(const OpenRound first, sites[0]->WaitForRound(kJob, 1));
  std::vector<std::vector<uint32_t>> vectors;
  for (int i = 0; i < n_sites; ++i) {
    vectors.push_back(MakeVector(first.config, {.seed = static_cast<uint64_t>(i)}));
  }
  const std::clock_t clock = std::clock();
  benchmark::DoNotOptimize(privacy::UpdateRoot(vectors[0], privacy::LayoutOf(first.config)));
  const double root_cpu_s = static_cast<double>(std::clock() - clock) / CLOCKS_PER_SEC;
  const absl::Time started = absl::Now();
  for (uint64_t round = 1; round <= kOpenRounds; ++round) {
    HILUM_RETURN_IF_ERROR(InParallel(sites.size(), [&](size_t i) -> absl::Status {
      HILUM_ASSIGN_OR_RETURN(const OpenRound open, sites[i]->WaitForRound(kJob, round));
      return sites[i]->Submit(open, vectors[i]).status();
    }));
    HILUM_RETURN_IF_ERROR(sites[0]->WaitForRound(kJob, round + 1).status());
  }
  return RoundCost{.wall_s = SecondsSince(started) / kOpenRounds,
                   .sites_cpu_s = root_cpu_s * n_sites,
                   .dearest_cpu_s = root_cpu_s};
}

absl::StatusOr<RoundCost> OneMaskedRound(MaskedSites& all, uint64_t round) {
  const absl::Time started = absl::Now();
  std::vector<MaskedSite::Cost> before;
  for (const MaskedSite& site : all.masked) before.push_back(site.cost());
  HILUM_RETURN_IF_ERROR(all.Begin(kJob, round));
  HILUM_RETURN_IF_ERROR(all.AnswerFrom(Flight::kAdvertise, Flight::kAcknowledge));
  for (MaskedSite& site : all.masked) {
    HILUM_RETURN_IF_ERROR(site.AnswerWithoutSending(Flight::kVector));
  }
  HILUM_RETURN_IF_ERROR(
      InParallel(all.masked.size(), [&](size_t i) { return all.masked[i].Submit().status(); }));
  HILUM_RETURN_IF_ERROR(all.AnswerFrom(Flight::kVote));
  HILUM_RETURN_IF_ERROR(all.sites[0]->WaitForRound(kJob, round + 1).status());
  RoundCost cost{.wall_s = SecondsSince(started)};
  for (size_t i = 0; i < all.masked.size(); ++i) {
    const MaskedSite::Cost& now = all.masked[i].cost();
    const double cpu_s = now.steps_cpu_s - before[i].steps_cpu_s;
    cost.wall_s -= now.input_s - before[i].input_s;
    cost.sites_cpu_s += cpu_s;
    cost.dearest_cpu_s = std::max(cost.dearest_cpu_s, cpu_s);
  }
  return cost;
}

void RoundMasked(benchmark::State& state) {
  const auto n_sites = static_cast<int>(state.range(0));
  const int64_t n_params = state.range(1);
  const absl::StatusOr<RoundCost> open = OpenRounds(n_sites, n_params);
  if (!open.ok()) return state.SkipWithError("an open round failed");
  TestFederation federation;
  MaskedSites all(federation, n_sites);
  proto::RoundPlan plan = PlanOf(MaskedPlan(kJob, n_params, 600));
  plan.aggregation.suite = "aes256-ctr";
  if (!LaunchAndApprove(federation, plan, all.sites).ok()) return state.SkipWithError("no launch");
  RoundCost total;
  uint64_t round = 0;
  for (auto _ : state) {
    const absl::StatusOr<RoundCost> cost = OneMaskedRound(all, ++round);
    if (!cost.ok()) return state.SkipWithError("the round failed");
    state.SetIterationTime(cost->wall_s);
    total.Add(*cost);
  }
  const auto n_rounds = static_cast<double>(round);
  state.counters["open_s"] = open->wall_s;
  state.counters["to_open"] = total.wall_s / n_rounds / open->wall_s;
  state.counters["to_open_own"] = total.own_cores_s() / n_rounds / open->own_cores_s();
}

BENCHMARK(RoundMasked)
    ->Name("round_masked")
    ->Args({6, 300'000})
    ->Args({10, 12'000'000})
    ->Unit(benchmark::kMillisecond)
    ->UseManualTime()
    ->Iterations(3);

}  // namespace
}  // namespace hilum::aggregator

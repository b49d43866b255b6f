// What a masked round costs beside its keystream (secagg_server and secagg_client of bench/peers):
//   secagg_ingest_hash/N/P  R_i of N vectors of P parameters, as they come in or as mode C reads
//   them secagg_tag/P            a site's tag of its vector secagg_tags/N/P         S against the
//   tags of N members, as everybody checks it secagg_shares/N         what the server does with the
//   shares of N members of whom a tenth drops
//                           out before its vector: it takes bundles, delivers, judges the answers,
//                           opens the secrets; vectors are short. `site_*_s` is one site's part.
//   secagg_verify/N/P       mode A of one site: messages, S against the tags, masks out, root(z)
// All cores. The bounds are those of the work alone: SHA-256 on this run's cores for hashes;
// reading the memory once for tags.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "bench/roofline.h"
#include "crypto/hash.h"
#include "kernels/cpu.h"
#include "kernels/tag_polynomial.h"
#include "privacy/secagg/tags.h"
#include "privacy/transcript.h"
#include "tests/privacy/secagg/fixtures.h"

namespace hilum::privacy::secagg {
namespace {

constexpr size_t kBuffers = 8;  // distinct vectors, read in turn

std::vector<std::vector<uint32_t>> RandomVectors(size_t n_vectors, size_t n_coords) {
  std::mt19937 random(1);
  std::vector<std::vector<uint32_t>> vectors(n_vectors, std::vector<uint32_t>(n_coords));
  for (auto& vector : vectors) {
    for (uint32_t& word : vector) word = random();
  }
  return vectors;
}

template <class Work>
double SecondsOf(const Work& work) {
  const absl::Time started = absl::Now();
  work();
  return absl::ToDoubleSeconds(absl::Now() - started);
}

// Bytes a second of SHA-256 over chunks of 1 MiB on one core, best of a few passes.
double HashRate() {
  static const double rate = [] {
    const Bytes chunk(1 << 20, 7);
    double best = 0;
    for (int pass = 0; pass < 5; ++pass) {
      const double seconds = SecondsOf([&chunk] {
        for (int i = 0; i < 32; ++i) benchmark::DoNotOptimize(crypto::Sha256(chunk));
      });
      best = std::max(best, 32.0 * static_cast<double>(chunk.size()) / seconds);
    }
    return best;
  }();
  return rate;
}

void IngestHash(benchmark::State& state) {
  const auto n_sites = static_cast<size_t>(state.range(0));
  const auto vectors =
      RandomVectors(std::min(n_sites, kBuffers), static_cast<size_t>(state.range(1)) + kMinExtras);
  const double bytes = 4.0 * static_cast<double>(n_sites * vectors.front().size());
  const VectorLayout layout{.n_coords = vectors.front().size()};
  const double bound_s = bytes / (HashRate() * kernels::CpuThreads());
  double seconds = 0;
  for (auto _ : state) {
    seconds += SecondsOf([&] {
      for (size_t i = 0; i < n_sites; ++i) {
        benchmark::DoNotOptimize(UpdateRoot(vectors[i % vectors.size()], layout));
      }
    });
  }
  const auto n_runs = static_cast<double>(state.iterations());
  state.counters["GB/s"] = n_runs * bytes / seconds / 1e9;
  state.counters["percent_of_bound"] = 100 * n_runs * bound_s / seconds;
}

void Tag(benchmark::State& state) {
  const auto vectors = RandomVectors(1, static_cast<size_t>(state.range(0)) + kMinExtras);
  const kernels::TagValues challenge = ChallengeOf(*ContextOf(MaskedRound(5, 10)), Digest{5});
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        kernels::EvaluateTags(vectors.front(), challenge, kernels::Device::kCpu));
  }
  bench::ReportRoofline(state, {.bytes = 4.0 * static_cast<double>(vectors.front().size()),
                                .traffic = bench::Traffic::kRead});
}

void Tags(benchmark::State& state) {
  const auto n_members = static_cast<uint16_t>(state.range(0));
  const auto vectors = RandomVectors(kBuffers, static_cast<size_t>(state.range(1)) + kMinExtras);
  const kernels::TagValues challenge = ChallengeOf(*ContextOf(MaskedRound(5, 10)), Digest{5});
  std::vector<uint64_t> sums(vectors.front().size());
  std::vector<IndexedTag> tags;
  for (uint16_t i = 0; i < n_members; ++i) {
    const std::vector<uint32_t>& vector = vectors[i % vectors.size()];
    for (size_t j = 0; j < sums.size(); ++j) sums[j] += vector[j];
    tags.push_back(
        {.index = i,
         .values = kernels::EvaluateTags(vector, challenge, kernels::Device::kCpu).value()});
  }
  for (auto _ : state) {
    const absl::Status status =
        CheckSum({.sums = sums, .n_members = n_members}, 32, tags, challenge);
    if (!status.ok()) return state.SkipWithError("the sum does not fit its tags");
  }
  bench::ReportRoofline(
      state, {.bytes = 8.0 * static_cast<double>(sums.size()), .traffic = bench::Traffic::kRead});
}

void Shares(benchmark::State& state) {
  const auto n = static_cast<uint16_t>(state.range(0));
  double deal_s = 0, check_s = 0, answer_s = 0;
  uint64_t seed = 0;
  for (auto _ : state) {
    Federation federation(MaskedRound(n, 1000), {.seed = ++seed});
    federation.RunTo(Federation::kU1);
    double server_s = 0;
    deal_s += SecondsOf([&] { federation.SitesShare(); }) / n;
    server_s += SecondsOf([&] { federation.ServerTakesShares(); });
    check_s += SecondsOf([&] { federation.SitesAcknowledge(); }) / n;
    server_s += SecondsOf([&] { federation.ServerTakesAcks(); });
    federation.stage = Federation::kU2;
    for (uint16_t i = 0; i < n / 10; ++i) federation.Drop(i);
    federation.RunTo(Federation::kVoteList);
    const auto n_online = static_cast<double>(federation.online.size());
    answer_s += SecondsOf([&] { federation.SitesAnswer(); }) / n_online;
    server_s += SecondsOf([&] { federation.ServerTakesAnswers(); });
    if (!federation.opened.has_value()) return state.SkipWithError("the round failed");
    state.SetIterationTime(server_s);
  }
  const auto n_runs = static_cast<double>(state.iterations());
  state.counters["site_deal_s"] = deal_s / n_runs;
  state.counters["site_check_s"] = check_s / n_runs;
  state.counters["site_answer_s"] = answer_s / n_runs;
}

void Verify(benchmark::State& state) {
  const auto n = static_cast<uint16_t>(state.range(0));
  Federation federation(MaskedRound(n, static_cast<uint64_t>(state.range(1))));
  federation.RunTo(Federation::kOpened);
  if (!federation.opened.has_value()) return state.SkipWithError("the round failed");
  const PublishedRound published = federation.Published();
  for (auto _ : state) {
    if (!VerifyRound(published, kernels::Device::kCpu).ok()) {
      return state.SkipWithError("the round does not verify");
    }
  }
}

BENCHMARK(IngestHash)
    ->Name("secagg_ingest_hash")
    ->Args({50, 12'000'000})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime()
    ->Iterations(3);
BENCHMARK(Tag)->Name("secagg_tag")->Arg(12'000'000)->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK(Tags)
    ->Name("secagg_tags")
    ->Args({50, 12'000'000})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();
BENCHMARK(Verify)
    ->Name("secagg_verify")
    ->Args({10, 12'000'000})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime()
    ->Iterations(3);
BENCHMARK(Shares)
    ->Name("secagg_shares")
    ->Arg(10)
    ->Arg(50)
    ->Arg(128)
    ->Unit(benchmark::kMillisecond)
    ->UseManualTime()
    ->Iterations(1);

}  // namespace
}  // namespace hilum::privacy::secagg

// accumulate/N/P: N vectors of P parameters through Accumulator: each chunk hashed for its tree,
// written to the store (which hashes it again), added to S; then each vector synced and linked.
// One thread, as one site's upload has. The bound is SHA-256: two passes over the bytes at the rate
// that this computer hashes 1 MiB chunks with, measured in the same run. What is left is the disk.
#include <benchmark/benchmark.h>

#include <optional>
#include <vector>

#include "absl/time/clock.h"
#include "aggregator/accumulate.h"
#include "crypto/hash.h"
#include "crypto/labels.h"
#include "privacy/transcript.h"
#include "tests/aggregator/test_federation.h"

namespace hilum::aggregator {
namespace {

// Bytes a second of SHA-256 over chunks of 1 MiB, best of a few passes.
double HashRate() {
  static const double rate = [] {
    const Bytes chunk(1 << 20, 7);
    double best = 0;
    for (int pass = 0; pass < 5; ++pass) {
      const absl::Time started = absl::Now();
      for (int i = 0; i < 32; ++i) benchmark::DoNotOptimize(crypto::Sha256(chunk));
      best = std::max(best, 32.0 * static_cast<double>(chunk.size()) /
                                absl::ToDoubleSeconds(absl::Now() - started));
    }
    return best;
  }();
  return rate;
}

struct Member {
  crypto::SigningKey key = crypto::SigningKey::Generate();
  std::vector<uint32_t> words;
  UpdateSeal seal;
};

struct OpenSum {
  Collecting collecting;
  privacy::RoundConfig config;
  std::vector<Member> members;
};

OpenSum MakeSum(int n_sites, int64_t n_params) {
  OpenSum sum;
  sum.collecting.facts.job.name = "bench";
  sum.collecting.facts.round.number = 1;
  sum.config.round = 1;
  sum.config.n_params = static_cast<uint64_t>(n_params);
  sum.config.n_extras = 3;
  sum.config.chunk_coords = privacy::kChunkCoords;
  sum.config.ring_bits = 32;
  sum.config.value_bits = 20;
  sum.config.max_weight = 100;
  sum.members.resize(static_cast<size_t>(n_sites));
  for (uint16_t i = 0; i < n_sites; ++i) {
    const crypto::PublicKey& key = sum.members[i].key.public_key();
    sum.config.roster.push_back({.index = i, .key = key});
    sum.collecting.roster.push_back({.site = {"site-" + std::to_string(i)}, .entry_key = key});
  }
  sum.collecting.cfg_hash = privacy::HashConfig(sum.config);
  for (uint16_t i = 0; i < n_sites; ++i) {
    Member& member = sum.members[i];
    member.words = MakeVector(sum.config, {.seed = i});
    member.seal.root = privacy::UpdateRoot(member.words, privacy::LayoutOf(sum.config));
    const Bytes message =
        privacy::UpdateMessage({.root = member.seal.root, .n_coords = sum.config.n_coords()});
    member.seal.signature = crypto::SignLabelled(member.key, {.label = crypto::kLabelR2Root,
                                                              .rid = privacy::RidOf(sum.config, 0),
                                                              .sender = i,
                                                              .cfg_hash = sum.collecting.cfg_hash,
                                                              .message = message});
  }
  return sum;
}

absl::Status Send(const OpenSum& sum, uint16_t site, Accumulator& accumulator) {
  const auto ticket =
      CheckClaim({.job = sum.collecting.facts.job,
                  .round = sum.collecting.facts.round,
                  .cfg_hash = sum.collecting.cfg_hash,
                  .site_index = site,
                  .n_words = sum.config.n_coords()},
                 sum.collecting.roster[site].site, {.round = sum.collecting, .config = sum.config});
  if (!ticket.ok()) return ticket.status();
  const auto upload = accumulator.Begin(*ticket);
  if (!upload.ok()) return upload.status();
  const std::vector<uint32_t>& words = sum.members[site].words;
  uint32_t index = 0;
  for (size_t begin = 0; begin < words.size(); begin += privacy::kChunkCoords, ++index) {
    const size_t n = std::min<size_t>(privacy::kChunkCoords, words.size() - begin);
    const absl::Status status = (*upload)->AddChunk(
        index, {reinterpret_cast<const uint8_t*>(words.data() + begin), n * sizeof(uint32_t)});
    if (!status.ok()) return status;
  }
  const auto received = (*upload)->Finish();
  if (!received.ok()) return received.status();
  const auto update = Validate(*received, sum.members[site].seal, *ticket);
  if (!update.ok()) return update.status();
  return accumulator.Count(*update, **upload, [](const Digest&) { return absl::OkStatus(); });
}

void Accumulate(benchmark::State& state) {
  const auto n_sites = static_cast<int>(state.range(0));
  const OpenSum sum = MakeSum(n_sites, state.range(1));
  const double hash_rate = HashRate();
  double seconds = 0;
  for (auto _ : state) {
    state.PauseTiming();
    const TempFolder folder;  // an object that is there already would not be written again
    auto store = ledger_anchor::Store::Open(folder.path());
    if (!store.ok()) return state.SkipWithError("no store");
    Accumulator accumulator(&*store, {.n_coords = sum.config.n_coords(),
                                      .ring_bits = sum.config.ring_bits,
                                      .max_weight = sum.config.max_weight});
    state.ResumeTiming();
    const absl::Time started = absl::Now();
    for (uint16_t site = 0; site < n_sites; ++site) {
      if (!Send(sum, site, accumulator).ok()) return state.SkipWithError("refused");
    }
    seconds += absl::ToDoubleSeconds(absl::Now() - started);
    state.PauseTiming();
    accumulator.Close();
    state.ResumeTiming();
  }
  const double bytes = 4.0 * n_sites * static_cast<double>(sum.config.n_coords()) *
                       static_cast<double>(state.iterations());
  state.counters["GB/s"] = bytes / 1e9 / seconds;
  state.counters["sha256_GB/s"] = hash_rate / 1e9;
  state.counters["percent_of_bound"] = 100 * (2 * bytes / hash_rate) / seconds;
}

BENCHMARK(Accumulate)
    ->Name("accumulate")
    ->Args({10, 1'000'000})
    ->Args({10, 10'000'000})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime()
    ->Iterations(3);

}  // namespace
}  // namespace hilum::aggregator

BENCHMARK_MAIN();

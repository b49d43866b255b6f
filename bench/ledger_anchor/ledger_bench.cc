// The ledger's costs beside the targets of its design: appends in memory and on disk, submit to
// proof, opening, and what a site checks before it believes a model.
//
// Durable rows write to TMPDIR (or /tmp); they measure that disk's sync, so the number of syncs a
// second is printed beside them.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "base/parallel.h"
#include "crypto/hash.h"
#include "crypto/random.h"
#include "crypto/sign.h"
#include "crypto/tree.h"
#include "ledger_anchor/cosign.h"
#include "ledger_anchor/fetch.h"
#include "ledger_anchor/gate.h"
#include "ledger_anchor/log.h"
#include "ledger_anchor/log_sequencer.h"
#include "ledger_anchor/proof.h"
#include "ledger_anchor/reader.h"
#include "ledger_anchor/witness.h"
#include "ledger_anchor/witness_folder.h"

namespace hilum::ledger_anchor {
namespace {

namespace fs = std::filesystem;

constexpr const char* kOrigin = "fl.example/ledger";
constexpr uint64_t kNow = 1767000000;

class Folder {
 public:
  Folder() : path_(fs::temp_directory_path() / ("hilum_bench_" + ToHex(crypto::RandomArray<8>()))) {
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

crypto::SigningKey Key(uint8_t number) { return crypto::SigningKey::FromSeed({number}); }

void MemoryAppend(benchmark::State& state) {
  Bytes leaf(256, 7);
  crypto::TreeHasher tree;
  uint64_t n = 0;
  for (auto _ : state) {
    leaf[n % 256] = static_cast<uint8_t>(n >> 3);
    tree.Add(leaf);
    ++n;
  }
  benchmark::DoNotOptimize(tree.Root());
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}
BENCHMARK(MemoryAppend);

void Sign(benchmark::State& state) {
  const crypto::SigningKey key = Key(1);
  const Bytes message(300, 1);
  for (auto _ : state) benchmark::DoNotOptimize(key.Sign(ByteView(message)));
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}
BENCHMARK(Sign);

void Verify(benchmark::State& state) {
  const crypto::SigningKey key = Key(1);
  const Bytes message(300, 1);
  const crypto::Signature signature = key.Sign(ByteView(message));
  for (auto _ : state) {
    benchmark::DoNotOptimize(crypto::Verify(key.public_key(), ByteView(message), signature).ok());
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()));
}
BENCHMARK(Verify);

// Entries of 300 bytes, admitted already: journal and sync, tiles, signed head and sync.
void DurableAppend(benchmark::State& state) {
  const Folder folder;
  auto log = LogSequencer::Create({folder.path() / "ledger", kOrigin}, Key(1)).value();
  std::vector<std::string> batch(static_cast<size_t>(state.range(0)), std::string(300, 'x'));
  uint64_t n = 0;
  for (auto _ : state) {
    for (std::string& entry : batch) {
      const std::string number = std::to_string(n++);
      entry.replace(0, number.size(), number);
    }
    if (!log->Commit(batch).ok()) state.SkipWithError("the disk failed");
  }
  state.SetItemsProcessed(static_cast<int64_t>(n));
  state.counters["syncs/s"] = benchmark::Counter(2.0 * static_cast<double>(state.iterations()),
                                                 benchmark::Counter::kIsRate);
}
BENCHMARK(DurableAppend)->Arg(1)->Arg(16)->Arg(256)->Arg(1024)->Arg(4096)->UseRealTime();

Entry Signed(EntryBody body, const char* study) {
  Entry entry;
  entry.by = "server";
  entry.t = kNow;
  entry.study = study;
  entry.body = std::move(body);
  return entry;
}

std::string GenesisText() {
  Genesis genesis;
  genesis.federation = "fl.example";
  genesis.origin = kOrigin;
  genesis.log_vkey =
      FormatVerifierKey(MakeVerifierKey(kOrigin, KeyType::kEd25519, Key(1).public_key()));
  genesis.entry_key = Key(2).public_key();
  return SignEntry(Signed(genesis, ""), kOrigin, Key(2)).value();
}

std::string IncidentText(uint64_t number) {
  const Incident incident{"stale", number, "thing", crypto::Sha256("e")};
  return SignEntry(Signed(incident, "cxr-1"), kOrigin, Key(2)).value();
}

// One entry from submission to a proof in hand: admission, two syncs, path.
void SubmitToProof(benchmark::State& state) {
  const Folder folder;
  auto log = Log::Create({folder.path() / "ledger", kOrigin}, Key(1), GenesisText()).value();
  std::vector<double> times_ms;
  uint64_t n = 1;
  for (auto _ : state) {
    state.PauseTiming();
    const std::string entry = IncidentText(n++);
    state.ResumeTiming();
    const auto start = std::chrono::steady_clock::now();
    const auto receipt = log->Append(entry);
    if (!receipt.ok() || !log->Prove(receipt->index).ok()) state.SkipWithError("refused");
    times_ms.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start)
            .count());
  }
  std::sort(times_ms.begin(), times_ms.end());
  state.counters["p50_ms"] = times_ms[times_ms.size() / 2];
  state.counters["p99_ms"] = times_ms[times_ms.size() * 99 / 100];
}
BENCHMARK(SubmitToProof)->Iterations(400)->UseRealTime();

// An open loop: entries are due at fixed times whether or not those before are done, and each is
// timed from when it was due. So a stall costs every entry that it delays.
void SubmitToProofOpenLoop(benchmark::State& state) {
  constexpr int kEntries = 4000;
  constexpr int kSubmitters = 64;
  const double rate = static_cast<double>(state.range(0));
  std::vector<std::string> entries;
  for (uint64_t i = 1; i <= kEntries; ++i) entries.push_back(IncidentText(i));
  std::vector<double> times_ms(kEntries);
  for (auto _ : state) {
    const Folder folder;
    auto log = Log::Create({folder.path() / "ledger", kOrigin}, Key(1), GenesisText()).value();
    std::atomic<bool> refused{false};
    const auto start = std::chrono::steady_clock::now();
    ForEachOnCores(kEntries, kSubmitters, [&](size_t i) {
      const auto due = start + std::chrono::nanoseconds(static_cast<int64_t>(1e9 / rate * i));
      std::this_thread::sleep_until(due);
      const auto receipt = log->Append(entries[i]);
      if (!receipt.ok() || !log->Prove(receipt->index).ok()) refused = true;
      times_ms[i] =
          std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - due).count();
    });
    if (refused) state.SkipWithError("refused");
  }
  std::sort(times_ms.begin(), times_ms.end());
  state.counters["p50_ms"] = times_ms[kEntries / 2];
  state.counters["p99_ms"] = times_ms[kEntries * 99 / 100];
}
BENCHMARK(SubmitToProofOpenLoop)->Arg(500)->Arg(2000)->Arg(5000)->Iterations(1)->UseRealTime();

// New entries from four submitters, in batches, each with a signature to verify: entries/s beside
// the rate of VerifyOnAllCores.
void AdmitAndAppend(benchmark::State& state) {
  constexpr size_t kBatches = 16;
  constexpr size_t kSubmitters = 4;
  const Folder folder;
  auto log = Log::Create({folder.path() / "ledger", kOrigin}, Key(1), GenesisText()).value();
  std::vector<std::vector<std::string>> batches(kBatches,
                                                std::vector<std::string>(Log::kBatchLimit));
  uint64_t n = 0;
  for (auto _ : state) {
    state.PauseTiming();
    ForEachOnCores(kBatches, 0, [&](size_t i) {
      for (size_t k = 0; k < Log::kBatchLimit; ++k) {
        batches[i][k] = IncidentText(n + i * Log::kBatchLimit + k + 1);
      }
    });
    n += kBatches * Log::kBatchLimit;
    std::atomic<bool> refused{false};
    state.ResumeTiming();
    ForEachOnCores(kBatches, kSubmitters, [&](size_t i) {
      if (!log->Append(batches[i]).ok()) refused = true;
    });
    if (refused) state.SkipWithError("refused");
  }
  state.SetItemsProcessed(static_cast<int64_t>(n));
}
BENCHMARK(AdmitAndAppend)->UseRealTime();

// The bounds of the two rows below: Ed25519 and leaf hashes, on all cores.
void VerifyOnAllCores(benchmark::State& state) {
  const crypto::SigningKey key = Key(1);
  const Bytes message(300, 1);
  const crypto::Signature signature = key.Sign(ByteView(message));
  constexpr size_t kEach = 4096;
  for (auto _ : state) {
    ForEachOnCores(kEach, 0, [&](size_t) {
      benchmark::DoNotOptimize(crypto::Verify(key.public_key(), ByteView(message), signature).ok());
    });
  }
  state.SetItemsProcessed(static_cast<int64_t>(kEach * state.iterations()));
}
BENCHMARK(VerifyOnAllCores)->UseRealTime();

void HashLeavesOnAllCores(benchmark::State& state) {
  constexpr size_t kGroups = 256;
  constexpr size_t kEach = 256;
  const Bytes leaf(300, 7);
  for (auto _ : state) {
    ForEachOnCores(kGroups, 0, [&](size_t) {
      for (size_t i = 0; i < kEach; ++i) benchmark::DoNotOptimize(crypto::LeafHash(leaf));
    });
  }
  state.SetItemsProcessed(static_cast<int64_t>(kGroups * kEach * state.iterations()));
}
BENCHMARK(HashLeavesOnAllCores)->UseRealTime();

// A log on disk from first to last byte, as `hilum ledger verify` reads it (1), or with --hashes
// (0).
void VerifyWholeLog(benchmark::State& state) {
  const auto size = static_cast<uint64_t>(state.range(0));
  const auto depth = state.range(1) != 0 ? VerifyDepth::kEverything : VerifyDepth::kHashes;
  const Folder folder;
  {
    auto log = LogSequencer::Create({folder.path() / "ledger", kOrigin}, Key(1)).value();
    std::vector<std::string> batch = {GenesisText()};
    for (uint64_t next = 1; next < size || !batch.empty();) {
      const size_t n = std::min<uint64_t>(size - next, Log::kBatchLimit);
      if (!log->Commit(batch).ok()) state.SkipWithError("the disk failed");
      batch.resize(n);
      ForEachOnCores(n, 0, [&](size_t i) { batch[i] = IncidentText(next + i); });
      next += n;
    }
  }
  const Fetch fetch = FolderFetch(folder.path() / "ledger" / "log");
  LedgerPins pins;
  pins.origin = kOrigin;
  for (auto _ : state) {
    const auto view = VerifyLog(fetch, pins, depth);
    if (!view.ok() || view->entries.size() != size) state.SkipWithError("does not verify");
  }
  state.SetItemsProcessed(static_cast<int64_t>(size) * state.iterations());
}
BENCHMARK(VerifyWholeLog)
    ->ArgsProduct({{20000, 1000000}, {0, 1}})
    ->Iterations(1)
    ->UseRealTime()
    ->Unit(benchmark::kMillisecond);

// A witness's answer to a log that grows by one entry: proof, signatures, one durable write.
void WitnessAnswer(benchmark::State& state) {
  const Folder folder;
  const auto vkey = CreateWitness(folder.path() / "witness", "w.example/witness");
  auto opened = OpenWitness(folder.path() / "witness");
  if (!vkey.ok() || !opened.ok()) return state.SkipWithError("no witness");
  const Witness witness{.name = "w.example/witness",
                        .key = opened->key,
                        .logs = {MakeVerifierKey(kOrigin, KeyType::kEd25519, Key(1).public_key())},
                        .store = *opened->store};
  TreeHashes tree;
  std::vector<double> times_ms;
  for (auto _ : state) {
    const uint64_t old_size = tree.size();
    tree.Add(crypto::LeafHash(AsBytes(std::to_string(old_size))));
    AddCheckpoint request{.old_size = old_size, .proof = {}, .note = ""};
    if (old_size > 0) {
      request.proof = ProveConsistency(old_size, tree.size(), tree.reader()).value();
    }
    request.note = SignCheckpoint(
        {.origin = kOrigin, .size = tree.size(), .root = tree.Root(), .extensions = {}}, Key(1));
    const std::string body = FormatAddCheckpoint(request);
    const auto start = std::chrono::steady_clock::now();
    if (HandleAddCheckpoint(witness, body, kNow).status != 200) state.SkipWithError("refused");
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    times_ms.push_back(took.count());
    state.SetIterationTime(took.count() / 1000);
  }
  std::sort(times_ms.begin(), times_ms.end());
  state.counters["p50_ms"] = times_ms[times_ms.size() / 2];
  state.counters["p99_ms"] = times_ms[times_ms.size() * 99 / 100];
}
BENCHMARK(WitnessAnswer)->Iterations(400)->UseManualTime()->Unit(benchmark::kMillisecond);

void OpenLog(benchmark::State& state) {
  const Folder folder;
  const Log::Options options{folder.path() / "ledger", kOrigin};
  {
    auto log = Log::Create(options, Key(1), GenesisText()).value();
    std::vector<std::string> batch;
    for (int64_t i = 1; i < state.range(0); ++i) {
      batch.push_back(IncidentText(static_cast<uint64_t>(i)));
      if (batch.size() < Log::kBatchLimit && i + 1 < state.range(0)) continue;
      if (!log->Append(batch).ok()) state.SkipWithError("refused");
      batch.clear();
    }
  }
  for (auto _ : state) {
    if (!Log::Open(options, Key(1)).ok()) state.SkipWithError("does not open");
  }
}
BENCHMARK(OpenLog)->Arg(2000)->Arg(20000)->UseRealTime()->Unit(benchmark::kMillisecond);

// What a site does with a proof: parse, log signature, three cosignatures, path of a log of 4,096
// entries, the entry's own signature.
void CheckWitnessedProof(benchmark::State& state) {
  TreeHashes tree;
  const std::string entry = IncidentText(7);
  for (int i = 0; i < 4096; ++i) {
    tree.Add(crypto::LeafHash(AsBytes(i == 1000 ? entry : std::to_string(i))));
  }
  const VerifierKey log = MakeVerifierKey(kOrigin, KeyType::kEd25519, Key(1).public_key());
  Note note =
      ParseNote(SignCheckpoint(
                    {.origin = kOrigin, .size = tree.size(), .root = tree.Root(), .extensions = {}},
                    Key(1)))
          .value();
  std::string policy = "log " + FormatVerifierKey(log) + "\n";
  for (uint8_t i = 1; i <= 3; ++i) {
    const std::string name = "w" + std::to_string(i);
    const crypto::SigningKey key = Key(static_cast<uint8_t>(10 + i));
    note.lines.push_back(
        Cosign({.checkpoint_text = note.text, .name = name, .time_s = kNow}, key).value());
    policy += "witness " + name + " " +
              FormatVerifierKey(MakeVerifierKey(name, KeyType::kCosignature, key.public_key())) +
              "\n";
  }
  GatePins pins;
  pins.policy = ParsePolicy(policy + "group g 3 w1 w2 w3\nquorum g\n").value();
  pins.entry_key = Key(2).public_key();
  pins.faults = 2;
  const std::string proof = FormatTlogProof(
      {entry, 1000, ProveInclusion(1000, tree.size(), tree.reader()).value(), FormatNote(note)});
  for (auto _ : state) {
    const auto proven = CheckProof(pins, {.proof = proof,
                                          .consistency = {},
                                          .last = std::nullopt,
                                          .now_s = kNow,
                                          .expected = {"incident", "cxr-1", std::nullopt}});
    if (!proven.ok()) state.SkipWithError("refused");
  }
}
BENCHMARK(CheckWitnessedProof)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace hilum::ledger_anchor

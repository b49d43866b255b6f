// The root of a vector of 100 million coordinates, on all cores, as a share of what OpenSSL's
// SHA-256 does on as many threads in the same run: `openssl speed -evp sha256 -bytes 16384
// -multi N`, by the clock on the wall.
#include <benchmark/benchmark.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

#include "crypto/labels.h"
#include "crypto/tree.h"

namespace hilum::crypto {
namespace {

constexpr size_t kChunkBytes = size_t{1} << 20;
constexpr size_t kSpeedBytes = 16384;
constexpr int kSpeedHashes = 2000;  // a thread and pass
constexpr int kPasses = 10;

int Threads() { return static_cast<int>(std::max(1u, std::thread::hardware_concurrency())); }

void HashBuffers() {
  const std::vector<uint8_t> buffer(kSpeedBytes, 7);
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(),
                                                                        &EVP_MD_CTX_free);
  std::array<uint8_t, EVP_MAX_MD_SIZE> digest;
  EVP_DigestInit_ex(context.get(), EVP_sha256(), nullptr);
  for (int i = 0; i < kSpeedHashes; ++i) {
    unsigned size = 0;
    EVP_DigestInit_ex(context.get(), nullptr, nullptr);
    EVP_DigestUpdate(context.get(), buffer.data(), buffer.size());
    EVP_DigestFinal_ex(context.get(), digest.data(), &size);
    benchmark::DoNotOptimize(digest);
  }
}

// Bytes a second on n_threads threads, best of several passes.
double OpensslRate(int n_threads) {
  double best = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::thread> threads;
    for (int i = 1; i < n_threads; ++i) threads.emplace_back(HashBuffers);
    HashBuffers();
    for (std::thread& thread : threads) thread.join();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    best = std::max(best, 1.0 * n_threads * kSpeedHashes * kSpeedBytes / took.count());
  }
  return best;
}

void MerkleRootBench(benchmark::State& state) {
  const Bytes bytes(static_cast<size_t>(state.range(0)), 7);
  const int n_threads = static_cast<int>(state.range(1));
  const double openssl = OpensslRate(n_threads);
  for (auto _ : state) {
    benchmark::DoNotOptimize(ChunkTreeRoot(kLabelR2Chunk, bytes, kChunkBytes, n_threads));
  }
  using benchmark::Counter;
  constexpr auto kRate = Counter::kIsIterationInvariantRate;
  const auto size = static_cast<double>(bytes.size());
  state.counters["GB/s"] = Counter(size * 1e-9, kRate);
  state.counters["openssl_GB/s"] = Counter(openssl * 1e-9);
  state.counters["percent_of_openssl"] = Counter(100.0 * size / openssl, kRate);
}
BENCHMARK(MerkleRootBench)
    ->Name("merkle_root/400MB")
    ->Args({400'000'000, 1})
    ->Args({400'000'000, Threads()})
    ->ArgNames({"bytes", "threads"})
    ->UseRealTime();

}  // namespace
}  // namespace hilum::crypto

BENCHMARK_MAIN();

// Mask expansion: bytes of keystream a second, as a share of what the same instructions do when
// nothing but registers is touched, and next to OpenSSL's AES-256-CTR, all in the same run on one
// thread.
#include <benchmark/benchmark.h>
#include <openssl/evp.h>

#include <array>
#include <memory>
#include <vector>

#include "bench/kernels/register_rate.h"
#include "bench/kernels/sizes.h"
#include "kernels/aes256_ctr.h"
#include "kernels/keystream.h"

namespace hilum::kernels {
namespace {

// OpenSSL into one buffer of 16 KiB that stays in the cache: nothing is added to a vector.
double OpensslRate(MaskSuite suite) {
  const auto measure = [](const EVP_CIPHER* cipher) {
    const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context(
        EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
    const std::array<uint8_t, 32> key = {1, 2, 3};
    const std::array<uint8_t, 16> iv{};
    EVP_EncryptInit_ex(context.get(), cipher, nullptr, key.data(), iv.data());
    std::vector<uint8_t> buffer(16384);
    constexpr int kTimes = 256;
    return BestRate(1.0 * kTimes * static_cast<double>(buffer.size()), [&] {
      for (int i = 0; i < kTimes; ++i) {
        int written = 0;
        EVP_EncryptUpdate(context.get(), buffer.data(), &written, buffer.data(),
                          static_cast<int>(buffer.size()));
      }
    });
  };
  static const double aes = measure(EVP_aes_256_ctr()), chacha = measure(EVP_chacha20());
  return suite == MaskSuite::kAes256Ctr ? aes : chacha;
}

// Arguments: words, keys. Counters of one thread are compared with rates of one thread.
void KeystreamBench(benchmark::State& state, MaskSuite suite) {
  if (suite == MaskSuite::kAes256Ctr && DefaultAesPath() == AesPath::kNone) {
    return state.SkipWithError("no AES instructions in use here");
  }
  const std::array<uint8_t, kMaskKeyBytes> bytes = {1, 2, 3};
  std::vector<MaskKey> keys;
  for (int64_t i = 0; i < state.range(1); ++i) {
    keys.push_back({.bytes = bytes, .sign = i % 2 == 0 ? 1 : -1});
  }
  const auto prepared = MaskKeys::Create(keys, {.suite = suite}).value();
  std::vector<uint32_t> tile(static_cast<size_t>(state.range(0)), 1);
  const int n_threads = CpuThreads();
  SetCpuThreads(1);
  const double in_registers = RegisterRate(suite), openssl = OpensslRate(suite);
  for (auto _ : state) {
    benchmark::DoNotOptimize(KeystreamAdd(tile, prepared, 0, Device::kCpu));
    benchmark::ClobberMemory();
  }
  SetCpuThreads(n_threads == 1 ? 1 : 0);
  using benchmark::Counter;
  constexpr auto kRate = Counter::kIsIterationInvariantRate;
  const double keystream = 4.0 * static_cast<double>(state.range(0) * state.range(1));
  state.counters["keystream_GB/s"] = Counter(keystream * 1e-9, kRate);
  state.counters["registers_GB/s"] = Counter(in_registers * 1e-9);
  state.counters["percent_of_registers"] = Counter(100.0 * keystream / in_registers, kRate);
  state.counters["openssl_GB/s"] = Counter(openssl * 1e-9);
  state.counters["ratio_to_openssl"] = Counter(keystream / openssl, kRate);
}

void Shapes(benchmark::internal::Benchmark* bench) {
  bench->Args({1 << 18, 1})->Args({1 << 18, 9})->Args({1 << 18, 98})->Args({25'000'000, 9});
  bench->UseRealTime();
}
BENCHMARK_CAPTURE(KeystreamBench, aes256ctr, MaskSuite::kAes256Ctr)
    ->Name("KeystreamAdd/aes256ctr")
    ->Apply(Shapes);
BENCHMARK_CAPTURE(KeystreamBench, chacha20, MaskSuite::kChaCha20)
    ->Name("KeystreamAdd/chacha20")
    ->Apply(Shapes);

}  // namespace
}  // namespace hilum::kernels

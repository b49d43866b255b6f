// What the parity tests share: sizes, data, guarded memory, and every way a program can run here.
#ifndef HILUM_TESTS_KERNELS_PARITY_H_
#define HILUM_TESTS_KERNELS_PARITY_H_

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "kernels/exec.h"

namespace hilum::kernels {

// 0, 1, around one tile, around several, and sizes that no vector width divides.
inline std::vector<int64_t> SizesAround(int64_t tile) {
  return {0, 1, 3, 17, tile - 1, tile, tile + 1, 2 * tile - 1, 2 * tile + 1, 10007, 33 * tile + 5};
}

// What stands around the data: NaN in floats. A kernel that reads it spoils its result, one that
// writes it is found.
template <class T>
T GuardValue() {
  if constexpr (std::numeric_limits<T>::has_quiet_NaN) return std::numeric_limits<T>::quiet_NaN();
  return static_cast<T>(0xdeadbeefdeadbeefull);
}

// n values between guards; the data start off every alignment but T's own.
template <class T>
class Guarded {
 public:
  explicit Guarded(int64_t n)
      : n_(static_cast<size_t>(n)), memory_(n_ + 2 * kGuard, GuardValue<T>()) {
    for (T& value : span()) value = T{};
  }
  explicit Guarded(const std::vector<T>& values) : Guarded(static_cast<int64_t>(values.size())) {
    std::copy(values.begin(), values.end(), span().begin());
  }
  std::span<T> span() { return std::span<T>(memory_).subspan(kGuard, n_); }
  std::vector<T> values() { return {span().begin(), span().end()}; }
  bool GuardsAreIntact() const {
    const T guard = GuardValue<T>();
    for (size_t i = 0; i < memory_.size(); ++i) {
      const bool inside = i >= kGuard && i < kGuard + n_;
      if (!inside && std::memcmp(&memory_[i], &guard, sizeof(T)) != 0) return false;
    }
    return true;
  }

 private:
  static constexpr size_t kGuard = 67;
  size_t n_;
  std::vector<T> memory_;
};

// mt19937's output is fixed by the C++ standard; the distributions' is not.
inline std::vector<uint32_t> RandomWords(int64_t n, uint32_t seed = 1) {
  std::mt19937 generator(seed);
  std::vector<uint32_t> words(static_cast<size_t>(n));
  for (uint32_t& word : words) word = static_cast<uint32_t>(generator());
  return words;
}
inline std::vector<uint64_t> RandomTotals(int64_t n, uint32_t seed = 2) {
  std::mt19937_64 generator(seed);
  std::vector<uint64_t> totals(static_cast<size_t>(n));
  for (uint64_t& total : totals) total = generator();
  return totals;
}
// Multiples of 2^-23 in [-1, 1): exact in float32.
inline std::vector<float> RandomFloats(int64_t n, uint32_t seed = 3) {
  std::vector<float> floats;
  for (const uint32_t word : RandomWords(n, seed)) {
    floats.push_back(static_cast<float>(static_cast<int32_t>(word >> 8) - (1 << 23)) * 0x1p-23f);
  }
  return floats;
}

// Bit for bit: NaN equals itself, and 0 is not -0.
template <class T>
bool SameBits(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() &&
         (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

// The instruction sets that this processor can run.
inline std::vector<Isa> IsasHere() {
  std::vector<Isa> isas;
  for (const Isa isa : {Isa::kScalar, Isa::kAvx2, Isa::kAvx512}) {
    if (isa <= BestIsa()) isas.push_back(isa);
  }
  return isas;
}

// Calls run(launch, name) for both thread orders and each instruction set; launch(program, n) runs
// the program over n values.
template <class Run>
void ForEachWay(Run run) {
  for (const Isa isa : IsasHere()) {
    const std::string name(ToString(isa));
    run([isa](const auto& program,
              int64_t n) { Launch(program, BlocksFor(n, program.kTile), isa); },
        name + ", forward");
    run([isa](const auto& program,
              int64_t n) { Launch<Order::kReverse>(program, BlocksFor(n, program.kTile), isa); },
        name + ", reverse");
  }
}

}  // namespace hilum::kernels

#endif  // HILUM_TESTS_KERNELS_PARITY_H_

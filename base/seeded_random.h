// Random choices that a seed repeats on every computer: weights, orders, resamples. Never for
// secrets, masks or noise; those come from crypto/.
#ifndef HILUM_BASE_SEEDED_RANDOM_H_
#define HILUM_BASE_SEEDED_RANDOM_H_

#include <cstdint>
#include <initializer_list>
#include <span>
#include <utility>

namespace hilum {

// SplitMix64 (Steele, Lea, Flood 2014, "Fast splittable pseudorandom number generators",
// figure 14).
class SeededRandom {
 public:
  explicit SeededRandom(uint64_t seed) : state_(seed) {}

  // A generator for one use, for example {seed, epoch, sample}: near keys give unrelated streams.
  static SeededRandom For(std::initializer_list<uint64_t> key) {
    SeededRandom random(0x68696c756d);  // "hilum"
    for (uint64_t part : key) random = SeededRandom(random.Next() ^ Mix(part));
    return random;
  }

  uint64_t Next() {
    state_ += 0x9e3779b97f4a7c15;
    return Mix(state_);
  }
  // In [0, 1), a multiple of 2^-53.
  double Uniform() { return static_cast<double>(Next() >> 11) * 0x1p-53; }
  // In [low, high).
  double Uniform(double low, double high) { return low + (high - low) * Uniform(); }
  // In [0, n), every value equally likely; n >= 1.
  uint64_t Below(uint64_t n) {
    const uint64_t limit = -n % n;  // 2^64 mod n: values under it would be too likely
    uint64_t value = Next();
    while (value < limit) value = Next();
    return value % n;
  }
  // Fisher and Yates.
  template <class T>
  void Shuffle(std::span<T> values) {
    for (uint64_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[Below(i)]);
  }

 private:
  static uint64_t Mix(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  uint64_t state_;
};

}  // namespace hilum

#endif  // HILUM_BASE_SEEDED_RANDOM_H_

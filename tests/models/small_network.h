// covidnet-nano at 32 pixels: the smallest network there is.
#ifndef HILUM_TESTS_MODELS_SMALL_NETWORK_H_
#define HILUM_TESTS_MODELS_SMALL_NETWORK_H_

#include <utility>
#include <vector>

#include "base/check.h"
#include "base/seeded_random.h"
#include "models/initial_weights.h"
#include "models/load.h"

namespace hilum::models {

inline constexpr int kSide = 32;  // pixels

inline ArchitectureOptions SmallOptions() { return {"covidnet-nano", 2, "group", kSide}; }

inline Network MakeNetwork(const ArchitectureOptions& options, uint64_t seed) {
  auto network =
      Load(options, *SpecOf(options), *InitialWeights(options, seed), *InitialLocal(options));
  HILUM_CHECK(network.ok());
  return *std::move(network);
}

inline Network SmallNetwork(uint64_t seed) { return MakeNetwork(SmallOptions(), seed); }

inline std::vector<float> RandomPixels(int64_t n, uint64_t seed) {
  SeededRandom random(seed);
  std::vector<float> pixels(n * kSide * kSide);
  for (float& pixel : pixels) pixel = static_cast<float>(random.Uniform());
  return pixels;
}

}  // namespace hilum::models

#endif  // HILUM_TESTS_MODELS_SMALL_NETWORK_H_

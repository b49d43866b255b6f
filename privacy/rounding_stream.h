// The random words of stochastic rounding.
#ifndef HILUM_PRIVACY_ROUNDING_STREAM_H_
#define HILUM_PRIVACY_ROUNDING_STREAM_H_

#include <cstdint>
#include <span>

#include "base/ids.h"
#include "crypto/random.h"

namespace hilum::privacy {

// One site's words for one round. Movable only; not thread-safe.
class RoundingStream {
 public:
  struct Position {
    uint64_t job_seed = 0;
    RoundId round;
    uint16_t site_index = 0;  // in the round's roster
  };

  // A seeded job: the words depend on (seed, round, site index) alone, so that the run can be
  // repeated bit for bit. The key is LabelledHash("hilum/sa/v1/seeded-rounding",
  // seed u64 || round u64 || index u16). Never with differential privacy.
  static RoundingStream FromJobSeed(const Position& position);

  // Any other job: a key of the operating system's generator.
  static RoundingStream FromFreshRandomness();

  // The next words.size() words.
  void Fill(std::span<uint32_t> words) { stream_.Fill(words); }

 private:
  explicit RoundingStream(const Digest& key) : stream_(key) {}

  crypto::SeededStream stream_;
};

}  // namespace hilum::privacy

#endif  // HILUM_PRIVACY_ROUNDING_STREAM_H_

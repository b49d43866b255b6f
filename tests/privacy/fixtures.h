// What the tests of privacy/ share: the makers that production code does not have, and a round.
#ifndef HILUM_TESTS_PRIVACY_FIXTURES_H_
#define HILUM_TESTS_PRIVACY_FIXTURES_H_

#include <cstdint>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "base/status_macros.h"
#include "crypto/sign.h"
#include "privacy/clip.h"
#include "privacy/mask.h"
#include "privacy/model_delta.h"
#include "privacy/noise.h"
#include "privacy/quantize.h"
#include "privacy/round_config.h"
#include "privacy/unmask.h"
#include "privacy/weight.h"

namespace hilum::privacy {

// Stands for client::Difference.
struct ModelDeltaTestPeer {
  static ModelDelta Make(std::vector<float> values) { return ModelDelta(std::move(values)); }
};

struct ClippedDeltaTestPeer {
  static const std::vector<float>& Values(const ClippedDelta& delta) { return delta.values_; }
};

// Stands for aggregator::Accumulator.
struct MaskedTotalTestPeer {
  static MaskedTotal Make(std::vector<uint64_t> sums, uint32_t n_members) {
    return MaskedTotal(std::move(sums), n_members);
  }
};

// The key of member `index` in every test.
inline crypto::SigningKey MemberKey(uint16_t index) {
  std::array<uint8_t, 32> seed{};
  seed[0] = static_cast<uint8_t>(index + 1);
  seed[1] = static_cast<uint8_t>(index >> 8);
  return crypto::SigningKey::FromSeed(seed);
}

// An open round of `n_sites` members over `n_params` parameters, range 1, all bits used.
inline RoundConfig OpenRound(uint16_t n_sites, uint64_t n_params, bool real_keys = false) {
  RoundConfig config;
  config.federation_id = FederationId("log.example.org/hilum", "vkey");
  config.round = 7;
  config.model_hash.fill(0x33);
  config.architecture_digest.fill(0x44);
  config.n_params = n_params;
  config.n_extras = kMinExtras;
  config.chunk_coords = kChunkCoords;
  config.ring_bits = 32;
  config.value_bits = static_cast<uint8_t>(MaxValueBits(32, n_sites));
  config.clip_l2 = config.range = 1.0;
  config.scale = ScaleOf(config.range, config.value_bits);
  config.max_weight = 1000;
  for (uint16_t i = 0; i < n_sites; ++i) {
    RosterEntry entry{.index = i, .key = {}};
    if (real_keys) entry.key = MemberKey(i).public_key();
    config.roster.push_back(entry);
  }
  config.deadlines.r2_ms = 60'000;
  config.audit_days = 30;
  return config;
}

// One site's way from a delta to its vector.
struct SiteInput {
  std::vector<float> delta;
  uint32_t weight = 1;
  double loss = 0.5;
};
inline absl::StatusOr<MaskedUpdate> Prepare(const SiteInput& input, const RoundConfig& config,
                                            RoundingStream stream) {
  HILUM_ASSIGN_OR_RETURN(ClippedDelta clipped,
                         ClipToNorm(ModelDeltaTestPeer::Make(input.delta), config.clip_l2));
  HILUM_ASSIGN_OR_RETURN(
      WeightedDelta weighted,
      Weight(std::move(clipped), {.weight = input.weight, .max_weight = config.max_weight}));
  HILUM_ASSIGN_OR_RETURN(
      QuantizedDelta quantized,
      Quantize(std::move(weighted), config, {.loss = input.loss}, std::move(stream)));
  HILUM_ASSIGN_OR_RETURN(NoisedDelta noised, AddNoise(std::move(quantized), config));
  return Mask(std::move(noised), config);
}

inline RoundingStream Stream(uint16_t site_index, uint64_t seed = 1) {
  return RoundingStream::FromJobSeed(
      {.job_seed = seed, .round = {.number = 7}, .site_index = site_index});
}

// Multiples of 2^-23 in [-1, 1).
inline std::vector<float> RandomDelta(size_t n, uint32_t seed) {
  std::mt19937 generator(seed);
  std::vector<float> delta(n);
  for (float& value : delta) {
    value = static_cast<float>(static_cast<int32_t>(generator() >> 8) - (1 << 23)) * 0x1p-23f;
  }
  return delta;
}

}  // namespace hilum::privacy

#endif  // HILUM_TESTS_PRIVACY_FIXTURES_H_

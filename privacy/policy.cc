#include "privacy/policy.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "privacy/accountant.h"
#include "privacy/quantize.h"

namespace hilum::privacy {
namespace {

constexpr int kMinRingBits = 16;
constexpr int kMaxRingBits = 32;
constexpr int kMaxSumBits = 48;   // of one coordinate of S
constexpr int kMinGroupSize = 8;  // of mode 2 (secure_aggregation.md, section 13)

template <class... Parts>
absl::Status Refuse(const Parts&... parts) {
  return absl::PermissionDeniedError(absl::StrCat(parts...));
}

absl::Status CheckIdentity(const RoundConfig& config, const SiteFloors& floors) {
  if (config.roster.size() != floors.roster.size()) {
    return Refuse("the round lists ", config.roster.size(), " members, the ledger ",
                  floors.roster.size());
  }
  for (size_t i = 0; i < floors.roster.size(); ++i) {
    if (config.roster[i].key != floors.roster[i]) {
      return Refuse("the round's key of member ", i, " is not the one in the ledger");
    }
  }
  if (std::find(floors.architectures.begin(), floors.architectures.end(),
                config.architecture_digest) == floors.architectures.end()) {
    return Refuse("the round's architecture ", ToHex(config.architecture_digest),
                  " is not on this site's list");
  }
  if (config.n_params != floors.n_params) {
    return Refuse("the round is for ", config.n_params, " parameters, this site's model has ",
                  floors.n_params);
  }
  if (config.model_hash != floors.model_hash) {
    return Refuse("the round starts from another model than this site loaded");
  }
  return absl::OkStatus();
}

absl::Status CheckVector(const RoundConfig& config, const SiteFloors& floors) {
  if (const absl::Status headroom = CheckHeadroom(config); !headroom.ok()) {
    return absl::PermissionDeniedError(headroom.message());
  }
  const int sum_bits =
      config.ring_bits + config.ring_bits - MaxValueBits(config.ring_bits, config.roster.size());
  if (sum_bits > kMaxSumBits) {
    return Refuse("a sum needs ", sum_bits, " bits a coordinate, the limit is ", kMaxSumBits);
  }
  if (config.n_extras != kMinExtras || config.chunk_coords != kChunkCoords) {
    return Refuse("the round asks for ", config.n_extras, " extra coordinates and chunks of ",
                  config.chunk_coords, ", this version has ", kMinExtras, " and ", kChunkCoords);
  }
  if (config.n_params > kMaxCoords - kMinExtras) {
    return Refuse("the round is for ", config.n_params, " parameters, the limit is ",
                  kMaxCoords - kMinExtras);
  }
  if (!(config.clip_l2 > 0.0 && config.clip_l2 <= floors.max_clip_l2)) {
    return Refuse("the clip norm ", config.clip_l2, " is not above 0 and at most this site's ",
                  floors.max_clip_l2);
  }
  if (!(config.range > 0.0 && config.range <= floors.max_range)) {
    return Refuse("the range ", config.range, " is not above 0 and at most this site's ",
                  floors.max_range);
  }
  if (config.scale != ScaleOf(config.range, config.value_bits)) {
    return Refuse("the scale ", config.scale, " does not follow from range ", config.range, " and ",
                  config.value_bits, " bits");
  }
  if (config.max_weight > floors.max_weight) {
    return Refuse("the largest weight ", config.max_weight, " is above this site's ",
                  floors.max_weight);
  }
  return absl::OkStatus();
}

absl::Status CheckOpen(const RoundConfig& config, const SiteFloors& floors) {
  if (!floors.allow_open) {
    return Refuse("the round is open (no masks), and this site's policy has allow_open = false");
  }
  if (config.suite != Suite::kNone) {
    return Refuse("the round is open, but names mask suite ", static_cast<int>(config.suite));
  }
  if (config.roster.size() < floors.min_open_sites) {
    return Refuse("the round lists ", config.roster.size(), " members, this site wants ",
                  floors.min_open_sites);
  }
  return absl::OkStatus();
}

absl::Status AtLeast(absl::string_view what, uint16_t value, uint16_t floor) {
  if (value >= floor) return absl::OkStatus();
  return Refuse("the round's ", what, " is ", value, ", this site wants at least ", floor);
}

absl::Status CheckMasked(const RoundConfig& config, const SiteFloors& floors) {
  const int n = static_cast<int>(config.roster.size());
  const int c_max = config.c_max;
  if (config.suite == Suite::kNone) {
    return Refuse("the round is masked, but names no mask suite");
  }
  if (config.quorum > n || config.u_min > n) {
    return Refuse("quorum ", config.quorum, " or u_min ", config.u_min, " is above the ", n,
                  " members");
  }
  if (2 * config.quorum - n <= c_max) {
    return Refuse("a quorum of ", config.quorum, " of ", n, " lets ", c_max,
                  " colluders vote for two transcripts");
  }
  if (config.u_min < c_max + 2) {
    return Refuse("u_min ", config.u_min, " leaves fewer than two honest members beside ", c_max,
                  " colluders");
  }
  HILUM_RETURN_IF_ERROR(AtLeast("c_max", config.c_max, floors.min_c_max));
  HILUM_RETURN_IF_ERROR(AtLeast("drop_max", config.drop_max, floors.min_drop_max));
  HILUM_RETURN_IF_ERROR(AtLeast("quorum", config.quorum, floors.min_quorum));
  HILUM_RETURN_IF_ERROR(AtLeast("u_min", config.u_min, floors.min_u_min));
  if (config.mode == RoundMode::kGrouped) {
    const int g = config.group_size;
    const int threshold = 2 * g / 3 + 1;
    if (g < kMinGroupSize || g > n || c_max > std::min(threshold - 1, g - 2)) {
      return Refuse("groups of ", g, " do not stand ", c_max, " colluders among ", n, " members");
    }
  }
  return absl::OkStatus();
}

// A round without noise claims nothing: clipping alone is not differential privacy.
absl::Status CheckNoNoise(const RoundConfig& config, const SiteFloors& floors) {
  if (config.unit != PrivacyUnit::kNone || config.sigma != 0.0 || config.delta != 0.0 ||
      config.accountant != kNoAccountant || config.epsilon_before != 0.0) {
    return Refuse("the round claims differential privacy of unit ", ToString(config.unit),
                  " and adds no noise");
  }
  if (floors.min_sigma > 0.0) {
    return Refuse("the round adds no noise, this site's policy wants sigma of at least ",
                  floors.min_sigma);
  }
  if (floors.needs_noise) {
    return Refuse("the round adds no noise, and no privacy budget covers that");
  }
  return absl::OkStatus();
}

absl::Status CheckNoise(const RoundConfig& config, const SiteFloors& floors) {
  if (config.mechanism == NoiseMechanism::kNone) return CheckNoNoise(config, floors);
  if (config.mechanism != NoiseMechanism::kDiscreteGaussian) {
    return Refuse("the round asks for noise mechanism ", static_cast<int>(config.mechanism),
                  ", this version adds none");
  }
  if (config.unit == PrivacyUnit::kNone) {
    return Refuse("the round asks for noise and names no unit that it protects");
  }
  if (!(config.sigma > 0.0 && config.sigma >= floors.min_sigma)) {
    return Refuse("the noise multiplier ", config.sigma,
                  " is not above 0 and at least this site's ", floors.min_sigma);
  }
  if (!(config.delta > 0.0 && config.delta < 1.0) || !(config.epsilon_before >= 0.0) ||
      config.accountant != kRdpAccountant) {
    return Refuse("the round claims delta ", config.delta, ", epsilon ", config.epsilon_before,
                  " so far and accountant ", config.accountant,
                  "; needed are 0 < delta < 1, epsilon >= 0 and accountant ", kRdpAccountant);
  }
  if (config.unit == PrivacyUnit::kSilo) {
    if (const auto release = SiloRelease(config); !release.ok()) {
      return absl::PermissionDeniedError(release.status().message());
    }
  }
  return absl::OkStatus();
}

// Noise in the ring needs room beside the values: 12 standard deviations of the noise of all sites.
absl::Status CheckNoiseFits(const RoundConfig& config) {
  if (config.unit != PrivacyUnit::kSilo) return absl::OkStatus();
  HILUM_ASSIGN_OR_RETURN(const PrivateRelease release, SiloRelease(config));
  const double n = static_cast<double>(config.roster.size());
  const double noise =
      12.0 * release.sigma * release.l2 * std::sqrt(n / static_cast<double>(release.n_honest));
  const double values = std::ldexp(n, config.value_bits - 1);
  if (values + noise < std::ldexp(1.0, config.ring_bits - 1)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("values of ", config.value_bits, " bits from ", config.roster.size(),
                   " sites with noise of multiplier ", config.sigma, " do not fit a ring of ",
                   config.ring_bits, " bits: needed is sites * 2^(value_bits - 1) + 12 sigma < ",
                   "2^(ring_bits - 1), and 12 sigma is ", noise));
}

}  // namespace

absl::Status CheckHeadroom(const RoundConfig& config) {
  const uint64_t n = config.roster.size();
  const int b = config.ring_bits;
  if (n == 0) return absl::InvalidArgumentError("the round lists no members");
  if (b < kMinRingBits || b > kMaxRingBits) {
    return absl::InvalidArgumentError(absl::StrCat("a ring of ", b, " bits was asked for; it has ",
                                                   kMinRingBits, " to ", kMaxRingBits));
  }
  if (config.value_bits < 2 || config.value_bits > MaxValueBits(b, n)) {
    return absl::InvalidArgumentError(
        absl::StrCat("values of ", config.value_bits, " bits from ", n, " sites do not fit a ring ",
                     "of ", b, " bits; they may have 2 to ", MaxValueBits(b, n),
                     ": needed is value_bits + ceil(log2(sites)) <= ring_bits"));
  }
  const uint64_t ring = uint64_t{1} << b;
  if (config.max_weight == 0 || n * config.max_weight >= ring) {
    return absl::InvalidArgumentError(absl::StrCat(
        "weights up to ", config.max_weight, " from ", n, " sites do not fit a ring of ", b,
        " bits: needed is 1 <= max_weight and ", "sites * max_weight < 2^ring_bits"));
  }
  constexpr uint64_t kLargestLoss = static_cast<uint64_t>(kMaxLoss) << kLossFractionBits;
  if (n * kLargestLoss >= ring) {
    return absl::InvalidArgumentError(
        absl::StrCat("the losses of ", n, " sites do not fit a ring of ", b,
                     " bits: needed is sites * 64 * 2^16 < 2^ring_bits"));
  }
  return CheckNoiseFits(config);
}

absl::Status FitValueBits(RoundConfig& config) {
  const size_t n = config.roster.size();
  if (n == 0) return absl::InvalidArgumentError("the round lists no members");
  absl::Status status = absl::OkStatus();
  for (int bits = std::clamp(MaxValueBits(config.ring_bits, n), 2, 32); bits >= 2; --bits) {
    config.value_bits = static_cast<uint8_t>(bits);
    config.scale = ScaleOf(config.range, bits);
    status = CheckHeadroom(config);
    if (status.ok() || config.unit != PrivacyUnit::kSilo) break;
  }
  return status;
}

absl::Status CheckPolicy(const RoundConfig& config, const SiteFloors& floors) {
  HILUM_RETURN_IF_ERROR(CheckIdentity(config, floors));
  HILUM_RETURN_IF_ERROR(CheckVector(config, floors));
  HILUM_RETURN_IF_ERROR(config.mode == RoundMode::kOpen ? CheckOpen(config, floors)
                                                        : CheckMasked(config, floors));
  return CheckNoise(config, floors);
}

}  // namespace hilum::privacy

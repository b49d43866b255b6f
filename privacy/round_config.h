// The configuration of a round: what the server proposes, every site checks and all messages bind
// (secure_aggregation.md, section 3).
#ifndef HILUM_PRIVACY_ROUND_CONFIG_H_
#define HILUM_PRIVACY_ROUND_CONFIG_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "crypto/sign.h"

namespace hilum::privacy {

enum class Suite : uint8_t { kNone = 0, kAes256Ctr = 1, kChaCha20 = 2 };
enum class RoundMode : uint8_t { kOpen = 0, kMaskedMean = 1, kGrouped = 2 };
enum class NoiseMechanism : uint8_t { kNone = 0, kDiscreteGaussian = 1, kSkellam = 2 };
enum class PrivacyUnit : uint8_t { kNone = 0, kSilo = 1, kRecord = 2 };
enum class ShareProof : uint8_t { kNone = 0, kFeldman = 1 };

struct RosterEntry {
  uint16_t index = 0;     // 0..n-1, in order and without gaps
  crypto::PublicKey key;  // the member's entry key as the ledger has it
  friend bool operator==(const RosterEntry&, const RosterEntry&) = default;
};

// How long each flight may take, in milliseconds. Flights that a mode does not have hold 0.
struct Deadlines {
  uint32_t r0_1_ms = 0, r0_2_ms = 0, r1_1_ms = 0, r1_2_ms = 0, r2_ms = 0, r3_ms = 0, r4_ms = 0;
  friend bool operator==(const Deadlines&, const Deadlines&) = default;
};

// The fields in the order of their encoding.
struct RoundConfig {
  std::array<uint8_t, 16> federation_id{};
  uint64_t round = 0;
  Digest plan{};  // SHA-256 of the RoundPlan's canonical bytes
  Digest ledger_head{};
  Digest model_hash{};  // H(model), see ModelHash
  Digest architecture_digest{};
  uint8_t optimiser = 0;  // the server's step: 0 FedAvg
  Digest optimiser_parameters{};
  Digest optimiser_state{};

  uint64_t n_params = 0;      // d
  uint32_t n_extras = 0;      // D = d + n_extras
  uint32_t chunk_coords = 0;  // kChunkCoords
  Suite suite = Suite::kNone;
  uint8_t ring_bits = 0;    // b
  uint8_t value_bits = 0;   // b_x
  double scale = 0.0;       // s = (2^(b_x-1) - 1) / R, see ScaleOf
  double clip_l2 = 0.0;     // C
  double range = 0.0;       // R
  uint32_t max_weight = 0;  // W

  std::vector<RosterEntry> roster;
  uint16_t c_max = 0;  // members assumed to collude with the server
  uint16_t drop_max = 0;
  uint16_t quorum = 0;  // Q
  uint16_t u_min = 0;
  ShareProof share_proof = ShareProof::kNone;

  RoundMode mode = RoundMode::kOpen;
  uint16_t group_size = 0;

  PrivacyUnit unit = PrivacyUnit::kNone;
  NoiseMechanism mechanism = NoiseMechanism::kNone;
  double sigma = 0.0;  // noise multiplier
  double delta = 0.0;
  uint8_t accountant = 0;  // 0: none
  double epsilon_before = 0.0;

  Deadlines deadlines;
  uint16_t audit_days = 0;  // how long the server keeps each member's vector

  uint64_t n_coords() const { return n_params + n_extras; }  // D
  friend bool operator==(const RoundConfig&, const RoundConfig&) = default;
};

inline constexpr uint32_t kChunkCoords = 1u << 18;  // 1 MiB a chunk
inline constexpr size_t kMaxRoster = 1000;          // twice the largest federation of the design
inline constexpr uint64_t kMaxCoords = 1ull << 32;  // counter space of one mask key

// The signed bytes: fields in the order above, integers big-endian, f64 as IEEE 754 bits.
Bytes EncodeRoundConfig(const RoundConfig& config);

// InvalidArgument: too short, trailing bytes, an enumeration's unknown value, more than kMaxRoster
// members, or indices that are not 0, 1, 2, ... in order. Values are judged by CheckPolicy.
absl::StatusOr<RoundConfig> DecodeRoundConfig(ByteView bytes);

Digest HashConfig(const RoundConfig& config);  // H(cfg)

// rid of an attempt at the round.
crypto::Rid RidOf(const RoundConfig& config, uint8_t attempt);

// federation_id: the first 16 bytes of SHA-256(origin || LF || log_vkey).
std::array<uint8_t, 16> FederationId(absl::string_view origin, absl::string_view log_vkey);

struct ModelIdentity {
  Digest architecture_digest{};
  uint64_t n_params = 0;
  Digest base_model{};  // SHA-256 of the global safetensors file
};
Digest ModelHash(const ModelIdentity& model);  // H(model)

// s for a range and a width; every side computes it in this one way. 2 <= value_bits <= 32.
double ScaleOf(double range, int value_bits);

// The members that a masked round counts on.
struct CohortRule {
  uint16_t c_max = 0, drop_max = 0, quorum = 0, u_min = 0;
  friend bool operator==(const CohortRule&, const CohortRule&) = default;
};
// The defaults of section 3 for n sites (at most kMaxRoster): c_max = floor(n / 5),
// Q = floor(2n / 3) + 1, u_min = max(5, ceil(2n / 3), c_max + 2), and as many drop-outs as those
// leave, at most n / 5. With fewer than 5 sites u_min is above n: no masked round can run.
CohortRule DefaultCohort(size_t n_sites);
// The defaults where `asked` has no more: a plan may raise them, never lower them, but drop_max,
// which is `asked`'s when that is not 0. More colluders need a larger Q and u_min.
CohortRule RaiseCohort(size_t n_sites, const CohortRule& asked);

// The largest b_x that n sites cannot wrap: ring_bits - ceil(log2 n_sites); n_sites >= 1.
int MaxValueBits(int ring_bits, size_t n_sites);

}  // namespace hilum::privacy

#endif  // HILUM_PRIVACY_ROUND_CONFIG_H_

#include "privacy/round_config.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "crypto/labels.h"
#include "privacy/reader.h"

namespace hilum::privacy {
namespace {

void AppendIdentity(Bytes& out, const RoundConfig& config) {
  AppendBytes(out, config.federation_id);
  AppendU64(out, config.round);
  AppendBytes(out, config.plan);
  AppendBytes(out, config.ledger_head);
  AppendBytes(out, config.model_hash);
  AppendBytes(out, config.architecture_digest);
  AppendU8(out, config.optimiser);
  AppendBytes(out, config.optimiser_parameters);
  AppendBytes(out, config.optimiser_state);
}

void AppendVector(Bytes& out, const RoundConfig& config) {
  AppendU64(out, config.n_params);
  AppendU32(out, config.n_extras);
  AppendU32(out, config.chunk_coords);
  AppendU8(out, static_cast<uint8_t>(config.suite));
  AppendU8(out, config.ring_bits);
  AppendU8(out, config.value_bits);
  AppendF64(out, config.scale);
  AppendF64(out, config.clip_l2);
  AppendF64(out, config.range);
  AppendU32(out, config.max_weight);
}

void AppendCohort(Bytes& out, const RoundConfig& config) {
  AppendU32(out, static_cast<uint32_t>(config.roster.size()));
  for (const RosterEntry& entry : config.roster) {
    AppendU16(out, entry.index);
    AppendBytes(out, entry.key.bytes);
  }
  AppendU16(out, config.c_max);
  AppendU16(out, config.drop_max);
  AppendU16(out, config.quorum);
  AppendU16(out, config.u_min);
  AppendU8(out, static_cast<uint8_t>(config.share_proof));
  AppendU8(out, static_cast<uint8_t>(config.mode));
  AppendU16(out, config.group_size);
}

void AppendPrivacyAndTime(Bytes& out, const RoundConfig& config) {
  AppendU8(out, static_cast<uint8_t>(config.unit));
  AppendU8(out, static_cast<uint8_t>(config.mechanism));
  AppendF64(out, config.sigma);
  AppendF64(out, config.delta);
  AppendU8(out, config.accountant);
  AppendF64(out, config.epsilon_before);
  const Deadlines& d = config.deadlines;
  for (const uint32_t ms :
       {d.r0_1_ms, d.r0_2_ms, d.r1_1_ms, d.r1_2_ms, d.r2_ms, d.r3_ms, d.r4_ms}) {
    AppendU32(out, ms);
  }
  AppendU16(out, config.audit_days);
}

// An enumeration of the encoding: 0..largest.
template <class Enum>
absl::StatusOr<Enum> EnumOf(uint8_t byte, Enum largest, absl::string_view what) {
  if (byte > static_cast<uint8_t>(largest)) {
    return absl::InvalidArgumentError(absl::StrCat("the round configuration's ", what, " is ", byte,
                                                   ", the largest known is ",
                                                   static_cast<int>(largest)));
  }
  return static_cast<Enum>(byte);
}

void ReadIdentity(Reader& in, RoundConfig& config) {
  config.federation_id = in.Array<16>();
  config.round = in.U64();
  config.plan = in.Array<32>();
  config.ledger_head = in.Array<32>();
  config.model_hash = in.Array<32>();
  config.architecture_digest = in.Array<32>();
  config.optimiser = in.U8();
  config.optimiser_parameters = in.Array<32>();
  config.optimiser_state = in.Array<32>();
}

absl::Status ReadVector(Reader& in, RoundConfig& config) {
  config.n_params = in.U64();
  config.n_extras = in.U32();
  config.chunk_coords = in.U32();
  HILUM_ASSIGN_OR_RETURN(config.suite, EnumOf(in.U8(), Suite::kChaCha20, "suite"));
  config.ring_bits = in.U8();
  config.value_bits = in.U8();
  config.scale = in.F64();
  config.clip_l2 = in.F64();
  config.range = in.F64();
  config.max_weight = in.U32();
  return absl::OkStatus();
}

absl::Status ReadRoster(Reader& in, RoundConfig& config) {
  const uint32_t n_sites = in.U32();
  if (n_sites > kMaxRoster) {
    return absl::InvalidArgumentError(absl::StrCat("the round configuration lists ", n_sites,
                                                   " members, the limit is ", kMaxRoster));
  }
  for (uint32_t i = 0; i < n_sites && !in.ended_early(); ++i) {
    RosterEntry entry{.index = in.U16(), .key = {}};
    entry.key.bytes = in.Array<32>();
    if (entry.index != i && !in.ended_early()) {
      return absl::InvalidArgumentError(absl::StrCat("the round configuration's roster has index ",
                                                     entry.index, " where ", i, " belongs"));
    }
    config.roster.push_back(entry);
  }
  return absl::OkStatus();
}

absl::Status ReadCohort(Reader& in, RoundConfig& config) {
  HILUM_RETURN_IF_ERROR(ReadRoster(in, config));
  config.c_max = in.U16();
  config.drop_max = in.U16();
  config.quorum = in.U16();
  config.u_min = in.U16();
  HILUM_ASSIGN_OR_RETURN(config.share_proof, EnumOf(in.U8(), ShareProof::kFeldman, "share proof"));
  HILUM_ASSIGN_OR_RETURN(config.mode, EnumOf(in.U8(), RoundMode::kGrouped, "mode"));
  config.group_size = in.U16();
  return absl::OkStatus();
}

absl::Status ReadPrivacyAndTime(Reader& in, RoundConfig& config) {
  HILUM_ASSIGN_OR_RETURN(config.unit, EnumOf(in.U8(), PrivacyUnit::kRecord, "privacy unit"));
  HILUM_ASSIGN_OR_RETURN(config.mechanism,
                         EnumOf(in.U8(), NoiseMechanism::kSkellam, "noise mechanism"));
  config.sigma = in.F64();
  config.delta = in.F64();
  config.accountant = in.U8();
  config.epsilon_before = in.F64();
  Deadlines& d = config.deadlines;
  for (uint32_t* ms :
       {&d.r0_1_ms, &d.r0_2_ms, &d.r1_1_ms, &d.r1_2_ms, &d.r2_ms, &d.r3_ms, &d.r4_ms}) {
    *ms = in.U32();
  }
  config.audit_days = in.U16();
  return absl::OkStatus();
}

}  // namespace

Bytes EncodeRoundConfig(const RoundConfig& config) {
  Bytes out;
  AppendIdentity(out, config);
  AppendVector(out, config);
  AppendCohort(out, config);
  AppendPrivacyAndTime(out, config);
  return out;
}

absl::StatusOr<RoundConfig> DecodeRoundConfig(ByteView bytes) {
  Reader in(bytes);
  RoundConfig config;
  ReadIdentity(in, config);
  HILUM_RETURN_IF_ERROR(ReadVector(in, config));
  HILUM_RETURN_IF_ERROR(ReadCohort(in, config));
  HILUM_RETURN_IF_ERROR(ReadPrivacyAndTime(in, config));
  HILUM_RETURN_IF_ERROR(in.Finish("the round configuration"));
  return config;
}

Digest HashConfig(const RoundConfig& config) {
  return crypto::LabelledHash(crypto::kLabelCfg, EncodeRoundConfig(config));
}

crypto::Rid RidOf(const RoundConfig& config, uint8_t attempt) {
  return crypto::MakeRid(config.federation_id, config.round, attempt);
}

std::array<uint8_t, 16> FederationId(absl::string_view origin, absl::string_view log_vkey) {
  const Digest digest = crypto::Sha256(absl::StrCat(origin, "\n", log_vkey));
  std::array<uint8_t, 16> id;
  std::copy_n(digest.begin(), id.size(), id.begin());
  return id;
}

Digest ModelHash(const ModelIdentity& model) {
  Bytes message;
  AppendBytes(message, model.architecture_digest);
  AppendU64(message, model.n_params);
  AppendBytes(message, model.base_model);
  return crypto::LabelledHash(crypto::kLabelModel, message);
}

double ScaleOf(double range, int value_bits) {
  HILUM_CHECK(value_bits >= 2 && value_bits <= 32);
  return static_cast<double>((int64_t{1} << (value_bits - 1)) - 1) / range;
}

CohortRule DefaultCohort(size_t n_sites) { return RaiseCohort(n_sites, {}); }

CohortRule RaiseCohort(size_t n_sites, const CohortRule& asked) {
  const int n = static_cast<int>(n_sites);
  const int c_max = std::max<int>(n / 5, asked.c_max);
  const int quorum = std::max({2 * n / 3 + 1, (n + c_max) / 2 + 1, int{asked.quorum}});
  const int u_min = std::max({5, (2 * n + 2) / 3, c_max + 2, int{asked.u_min}});
  const int left = std::clamp(n - std::max(quorum, u_min), 0, n / 5);
  const int drop_max = asked.drop_max != 0 ? asked.drop_max : left;
  return {.c_max = static_cast<uint16_t>(c_max),
          .drop_max = static_cast<uint16_t>(drop_max),
          .quorum = static_cast<uint16_t>(quorum),
          .u_min = static_cast<uint16_t>(u_min)};
}

int MaxValueBits(int ring_bits, size_t n_sites) {
  HILUM_CHECK(n_sites >= 1);
  return ring_bits - static_cast<int>(std::bit_width(n_sites - 1));
}

}  // namespace hilum::privacy

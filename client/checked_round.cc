#include "client/checked_round.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/budget.h"
#include "crypto/hash.h"
#include "ledger_anchor/entry.h"
#include "privacy/accountant.h"
#include "privacy/quantize.h"
#include "proto/model_spec_codec.h"

namespace hilum::client {
namespace {

using privacy::RoundConfig;

absl::Status Mismatch(const RoundNotice& notice, absl::string_view what) {
  return absl::DataLossError(
      absl::StrCat("round ", notice.round, " of job ", notice.job, ": ", what));
}

absl::Status CheckApproved(State& state, const RoundNotice& notice) {
  HILUM_ASSIGN_OR_RETURN(const std::optional<JobRecord> job, state.Job(notice.job));
  if (!job.has_value() || job->answer != Answer::kApproved) {
    return absl::PermissionDeniedError(
        absl::StrCat("job ", notice.job, " is not approved at this site."));
  }
  if (!Covers(job->answered_plan, notice.plan)) {
    return absl::PermissionDeniedError(
        absl::StrCat("the plan of job ", notice.job, " is not the one that this site approved."));
  }
  return absl::OkStatus();
}

// The index of this site's key in the roster.
absl::StatusOr<uint16_t> IndexOf(const RoundConfig& config, const crypto::PublicKey& key) {
  for (const privacy::RosterEntry& entry : config.roster) {
    if (entry.key == key) return entry.index;
  }
  return absl::PermissionDeniedError("the round's roster does not hold this site's key.");
}

absl::StatusOr<Digest> ArchitectureDigest(const ModelSpec& spec) {
  HILUM_ASSIGN_OR_RETURN(const std::string text, proto::EncodeModelSpec(spec));
  return crypto::Sha256(text);
}

// The values that plan and configuration say twice.
absl::Status CheckConfigAgainstPlan(const RoundConfig& config, const proto::RoundPlan& plan,
                                    const RoundNotice& notice) {
  const proto::AggregationPlan& aggregation = plan.aggregation;
  if (config.round != notice.round)
    return Mismatch(notice, "its configuration is of another round");
  if (config.plan != crypto::Sha256(notice.plan)) {
    return Mismatch(notice, "its configuration names another plan");
  }
  if ((aggregation.mode == "open") != (config.mode == privacy::RoundMode::kOpen)) {
    return Mismatch(notice, "its configuration has another aggregation mode than the plan");
  }
  const double range = aggregation.range > 0 ? aggregation.range : aggregation.clip_l2;
  if (config.clip_l2 != aggregation.clip_l2 || config.range != range ||
      config.ring_bits != aggregation.ring_bits || config.max_weight != aggregation.max_weight) {
    return Mismatch(notice,
                    "its configuration has another clip, range, ring or weight limit "
                    "than the plan");
  }
  if (config.n_extras != privacy::kMinExtras || config.chunk_coords != privacy::kChunkCoords) {
    return Mismatch(notice, absl::StrCat("its configuration has ", config.n_extras,
                                         " extra coordinates in chunks of ", config.chunk_coords));
  }
  return absl::OkStatus();
}

// Unit, noise and delta are the plan's, which the hospital approved; noise cannot be left out.
absl::Status CheckPrivacyAgainstPlan(const RoundConfig& config, const proto::PrivacyPlan& plan,
                                     const RoundNotice& notice) {
  const bool is_private = plan.unit != "none";
  if (config.unit == privacy::UnitOf(plan.unit) &&
      config.mechanism == (is_private ? privacy::NoiseMechanism::kDiscreteGaussian
                                      : privacy::NoiseMechanism::kNone) &&
      config.sigma == (is_private ? plan.sigma : 0.0) &&
      config.delta == (is_private ? plan.delta : 0.0)) {
    return absl::OkStatus();
  }
  return Mismatch(notice,
                  "its configuration has another privacy unit, mechanism, sigma or delta than the "
                  "plan");
}

// A masked round counts on the members that the plan asks for, no fewer.
absl::Status CheckCohortAgainstPlan(const RoundConfig& config, const proto::RoundPlan& plan,
                                    const RoundNotice& notice) {
  const proto::AggregationPlan& aggregation = plan.aggregation;
  if (config.mode == privacy::RoundMode::kOpen) return absl::OkStatus();
  const privacy::Suite suite =
      aggregation.suite == "chacha20" ? privacy::Suite::kChaCha20 : privacy::Suite::kAes256Ctr;
  const privacy::CohortRule rule = privacy::RaiseCohort(
      config.roster.size(),
      {.c_max = static_cast<uint16_t>(aggregation.c_max),
       .drop_max = static_cast<uint16_t>(aggregation.drop_max),
       .quorum = static_cast<uint16_t>(aggregation.quorum),
       .u_min = static_cast<uint16_t>(std::max(aggregation.u_min, plan.cohort.minimum))});
  const privacy::CohortRule found{.c_max = config.c_max,
                                  .drop_max = config.drop_max,
                                  .quorum = config.quorum,
                                  .u_min = config.u_min};
  if (config.suite != suite || found != rule ||
      config.share_proof != privacy::ShareProof::kFeldman) {
    return Mismatch(notice,
                    "its configuration has another mask suite, c_max, drop_max, quorum or u_min "
                    "than the plan");
  }
  return absl::OkStatus();
}

// An approval is for the rounds of the plan, one update each. Without this a server could show an
// old round under a new attempt, or after later ones, and get further updates of the same films.
absl::Status CheckOnceEach(State& state, const proto::RoundPlan& plan, const RoundNotice& notice) {
  if (plan.aggregation.mode == "open" && notice.attempt != 0) {
    return Mismatch(notice, "an open round has one attempt only");
  }
  if (notice.round > plan.rounds) {
    return absl::PermissionDeniedError(absl::StrCat("round ", notice.round, " of job ", notice.job,
                                                    " is beyond the ", plan.rounds,
                                                    " rounds of its plan."));
  }
  HILUM_ASSIGN_OR_RETURN(const std::vector<RoundRecord> records, state.Rounds());
  for (const RoundRecord& record : records) {
    if (record.job != notice.job || record.round <= notice.round || record.n_bytes == 0) continue;
    return absl::PermissionDeniedError(absl::StrCat("round ", notice.round, " of job ", notice.job,
                                                    " comes after round ", record.round,
                                                    ", in which this site took part."));
  }
  return absl::OkStatus();
}

struct RoundProofs {
  std::string open;
  std::string close;
};

// Those of the notice, unless this site has accepted a newer checkpoint since.
absl::StatusOr<RoundProofs> NewestProofs(const RoundContext& context, const RoundNotice& notice) {
  RoundProofs proofs{.open = notice.open_proof, .close = notice.close_proof};
  const bool is_older = context.gate.IsOlder(proofs.open) || context.gate.IsOlder(proofs.close);
  if (!context.fetch_proof || !is_older) return proofs;
  if (notice.round > 1) {
    HILUM_ASSIGN_OR_RETURN(proofs.close,
                           context.fetch_proof(notice.job, notice.round - 1, "round-close"));
  }
  HILUM_ASSIGN_OR_RETURN(proofs.open, context.fetch_proof(notice.job, notice.round, "round-open"));
  return proofs;
}

// Whether the ledger proves that `name` changed its key from `pinned` to the roster's.
absl::Status CheckChangedKey(const RoundContext& context, const std::string& name,
                             const std::string& pinned, const crypto::PublicKey& shown) {
  if (!context.fetch_rotation) {
    return absl::PermissionDeniedError(
        absl::StrCat("the key of member ", name, " is not the one that this site has pinned."));
  }
  HILUM_ASSIGN_OR_RETURN(const crypto::PublicKey key, crypto::PublicKeyFromBase64(pinned));
  return CheckRotated(context.gate,
                      {.member = name, .pinned = key, .shown = shown, .now_s = context.now_s},
                      context.prove, context.fetch_rotation);
}

// The roster's names, by index. A long list is an object that the round-open names.
absl::StatusOr<std::vector<std::string>> NamesOfRoster(const RoundContext& context,
                                                       const CheckedRound& round) {
  const ledger_anchor::NameList& list = round.proven.open().cohort;
  Bytes annex;
  if (list.annex.has_value()) {
    if (!context.fetch_object) return absl::InternalError("nothing fetches the roster's names");
    HILUM_ASSIGN_OR_RETURN(annex,
                           context.fetch_object({round.facts.job, round.facts.round, *list.annex},
                                                ledger_anchor::kAnnexLimitBytes));
  }
  HILUM_ASSIGN_OR_RETURN(std::vector<std::string> names,
                         ledger_anchor::NamesOf(list, AsText(annex)));
  if (names.size() == round.config.roster.size()) return names;
  return absl::DataLossError(absl::StrCat("round ", round.facts.round, " of job ", round.facts.job,
                                          ": its configuration has ", round.config.roster.size(),
                                          " members, its round-open names ", names.size()));
}

// The pinned keys of the other members: the first one seen under a name stays, unless the ledger
// proves that the member rotated it.
absl::Status PinRoster(const RoundContext& context, const CheckedRound& round) {
  State& state = context.state;
  HILUM_ASSIGN_OR_RETURN(const std::vector<std::string> names, NamesOfRoster(context, round));
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string key = crypto::ToBase64(round.config.roster[i].key);
    HILUM_ASSIGN_OR_RETURN(const std::string pinned, state.Value("member/" + names[i]));
    if (pinned == key) continue;
    if (!pinned.empty()) {
      HILUM_RETURN_IF_ERROR(CheckChangedKey(context, names[i], pinned, round.config.roster[i].key));
    }
    HILUM_RETURN_IF_ERROR(state.PutValue("member/" + names[i], key));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<privacy::SiteFloors> FloorsOf(const RoundContext& context,
                                             const CheckedRound& round) {
  HILUM_ASSIGN_OR_RETURN(const Digest architecture, ArchitectureDigest(round.plan.spec));
  privacy::SiteFloors floors;
  for (const privacy::RosterEntry& entry : round.config.roster) floors.roster.push_back(entry.key);
  floors.architectures = {architecture};  // CheckPlan has compared it with the allow-list
  floors.n_params = static_cast<uint64_t>(round.plan.spec.n_params());
  floors.model_hash = privacy::ModelHash({.architecture_digest = architecture,
                                          .n_params = floors.n_params,
                                          .base_model = round.proven.open().base_model});
  floors.allow_open = context.options.allow_open;
  floors.min_open_sites = context.options.min_cohort;
  floors.max_clip_l2 = context.options.max_clip_l2;
  floors.max_range = context.options.max_clip_l2;
  floors.max_weight = context.options.max_weight;
  const privacy::CohortRule rule = privacy::DefaultCohort(round.config.roster.size());
  floors.min_c_max = rule.c_max;
  floors.min_quorum = rule.quorum;
  floors.min_sigma = context.options.min_sigma;
  floors.needs_noise = context.options.max_epsilon > 0.0;
  floors.min_u_min = std::max(rule.u_min, context.options.min_cohort);
  return floors;
}

absl::StatusOr<std::optional<SpendRow>> ChargeOf(const RoundContext& context,
                                                 const CheckedRound& round) {
  return ChargeOf(
      round.config, round.plan,
      {.job = round.facts.job, .round = round.facts.round, .attempt = round.facts.attempt},
      context.now_s);
}

namespace {

// Before a site trains: a round that it could not pay for.
absl::Status CheckRoundBudget(const RoundContext& context, const CheckedRound& round) {
  HILUM_ASSIGN_OR_RETURN(const std::optional<SpendRow> charge, ChargeOf(context, round));
  if (!charge.has_value()) return absl::OkStatus();
  return CheckBudget(context.state, context.options, *charge);
}

}  // namespace

absl::StatusOr<CheckedRound> CheckNotice(const RoundContext& context, const RoundNotice& notice) {
  HILUM_RETURN_IF_ERROR(CheckApproved(context.state, notice));
  if (notice.attempt > 255) return Mismatch(notice, "its attempt is above 255");
  HILUM_ASSIGN_OR_RETURN(proto::RoundPlan plan, CheckPlan(notice.plan, context.options));
  HILUM_ASSIGN_OR_RETURN(RoundConfig config, privacy::DecodeRoundConfig(notice.config));
  HILUM_RETURN_IF_ERROR(CheckConfigAgainstPlan(config, plan, notice));
  HILUM_RETURN_IF_ERROR(CheckPrivacyAgainstPlan(config, plan.privacy, notice));
  HILUM_RETURN_IF_ERROR(CheckCohortAgainstPlan(config, plan, notice));
  HILUM_RETURN_IF_ERROR(CheckOnceEach(context.state, plan, notice));
  HILUM_ASSIGN_OR_RETURN(const RoundProofs proofs, NewestProofs(context, notice));
  HILUM_ASSIGN_OR_RETURN(ProvenRound proven, context.gate.CheckRound({.job = notice.job,
                                                                      .round = notice.round,
                                                                      .open_proof = proofs.open,
                                                                      .close_proof = proofs.close,
                                                                      .now_s = context.now_s},
                                                                     context.prove));
  if (privacy::HashConfig(config) != proven.open().cfg) {
    return Mismatch(notice, "its configuration is not the one in the ledger");
  }
  if (config.federation_id !=
      privacy::FederationId(context.gate.origin(), context.gate.log_vkey())) {
    return Mismatch(notice, "its configuration is of another federation");
  }
  HILUM_ASSIGN_OR_RETURN(const uint16_t index, IndexOf(config, context.key.public_key()));
  CheckedRound round{.plan = std::move(plan),
                     .config = std::move(config),
                     .proven = std::move(proven),
                     .facts = {.job = notice.job,
                               .round = notice.round,
                               .attempt = notice.attempt,
                               .site_index = index}};
  round.facts.profile_digest = round.plan.model.profile_digest;
  HILUM_ASSIGN_OR_RETURN(const privacy::SiteFloors floors, FloorsOf(context, round));
  HILUM_RETURN_IF_ERROR(privacy::CheckPolicy(round.config, floors));
  HILUM_RETURN_IF_ERROR(CheckRoundBudget(context, round));
  HILUM_RETURN_IF_ERROR(PinRoster(context, round));
  return round;
}

}  // namespace hilum::client

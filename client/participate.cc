#include "client/participate.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "client/dataset.h"
#include "client/network.h"
#include "client/optimizer_memory.h"
#include "client/train.h"
#include "crypto/hash.h"
#include "models/architecture.h"
#include "privacy/clip.h"
#include "privacy/noise.h"
#include "privacy/policy.h"
#include "privacy/quantize.h"
#include "privacy/weight.h"
#include "proto/model_spec_codec.h"
#include "proto/safetensors.h"

namespace hilum::client {
namespace {

using privacy::RoundConfig;

// A notice whose every part agrees with the plan that was approved and with the ledger.
struct CheckedRound {
  proto::RoundPlan plan;
  RoundConfig config;
  ProvenRound proven;
  UpdateFacts facts;
};

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

// The pinned keys of the other members: the first one seen under a name stays (a member's key
// changes only by leaving and joining under a new name).
absl::Status PinRoster(State& state, const CheckedRound& round) {
  const std::vector<std::string>& names = round.proven.open().cohort.items;
  if (names.size() != round.config.roster.size()) return absl::OkStatus();  // the list is an annex
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string key = crypto::ToBase64(round.config.roster[i].key);
    HILUM_ASSIGN_OR_RETURN(const std::string pinned, state.Value("member/" + names[i]));
    if (pinned.empty()) {
      HILUM_RETURN_IF_ERROR(state.PutValue("member/" + names[i], key));
    } else if (pinned != key) {
      return absl::PermissionDeniedError(absl::StrCat(
          "the key of member ", names[i], " is not the one that this site has pinned."));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckFloors(const RoundContext& context, const CheckedRound& round) {
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
  return privacy::CheckPolicy(round.config, floors);
}

absl::StatusOr<CheckedRound> CheckNotice(const RoundContext& context, const RoundNotice& notice) {
  HILUM_RETURN_IF_ERROR(CheckApproved(context.state, notice));
  if (notice.attempt > 255) return Mismatch(notice, "its attempt is above 255");
  HILUM_ASSIGN_OR_RETURN(proto::RoundPlan plan, CheckPlan(notice.plan, context.options));
  HILUM_ASSIGN_OR_RETURN(RoundConfig config, privacy::DecodeRoundConfig(notice.config));
  HILUM_RETURN_IF_ERROR(CheckConfigAgainstPlan(config, plan, notice));
  HILUM_RETURN_IF_ERROR(CheckOnceEach(context.state, plan, notice));
  HILUM_ASSIGN_OR_RETURN(ProvenRound proven,
                         context.gate.CheckRound({.job = notice.job,
                                                  .round = notice.round,
                                                  .open_proof = notice.open_proof,
                                                  .close_proof = notice.close_proof,
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
  HILUM_RETURN_IF_ERROR(CheckFloors(context, round));
  HILUM_RETURN_IF_ERROR(PinRoster(context.state, round));
  return round;
}

// Models of earlier rounds are of no use any more; the last one is kept, since an aborted round is
// opened again on it.
void DropOldModels(const fs::path& folder, const fs::path& newest) {
  std::vector<std::pair<fs::file_time_type, fs::path>> others;
  std::error_code error;
  for (const auto& file : fs::directory_iterator(folder, error)) {
    if (file.path() != newest) others.emplace_back(file.last_write_time(error), file.path());
  }
  std::sort(others.begin(), others.end());
  for (size_t i = 0; i + 1 < others.size(); ++i) fs::remove(others[i].second, error);
}

// The base model's file: from the site's disk, else from the server, and then kept.
absl::StatusOr<VerifiedModel> BaseModel(const RoundContext& context, const CheckedRound& round) {
  const Digest& sha256 = round.proven.open().base_model;
  const fs::path path = context.folder.models() / (ToHex(sha256) + ".safetensors");
  const uint64_t limit = proto::SafetensorsLimitBytes(round.plan.spec.n_params());
  if (const absl::StatusOr<Bytes> kept = ReadFile(path, limit); kept.ok()) {
    absl::StatusOr<VerifiedModel> model = LedgerGate::AdmitBase(round.proven, *kept, round.plan);
    if (model.ok()) return model;  // a damaged copy is fetched again
  }
  HILUM_ASSIGN_OR_RETURN(const Bytes file, context.fetch_model(sha256, limit));
  HILUM_ASSIGN_OR_RETURN(VerifiedModel model,
                         LedgerGate::AdmitBase(round.proven, file, round.plan));
  HILUM_RETURN_IF_ERROR(MakeFolder(context.folder.models()));
  HILUM_RETURN_IF_ERROR(WriteFileDurably(path, file));
  DropOldModels(context.folder.models(), path);
  return model;
}

privacy::RoundingStream StreamOf(const CheckedRound& round) {
  if (!round.plan.seed.has_value() || round.config.mechanism != privacy::NoiseMechanism::kNone) {
    return privacy::RoundingStream::FromFreshRandomness();
  }
  return privacy::RoundingStream::FromJobSeed({.job_seed = *round.plan.seed,
                                               .round = RoundId{round.facts.round},
                                               .site_index = round.facts.site_index});
}

// The straight line from trained weights to the signed update.
absl::StatusOr<SignedUpdate> MakeUpdate(const RoundContext& context, const CheckedRound& round,
                                        const LocalWeights& local, const VerifiedModel& model,
                                        RoundRecord& record) {
  HILUM_ASSIGN_OR_RETURN(privacy::ModelDelta delta, Difference(local, model));
  HILUM_ASSIGN_OR_RETURN(privacy::ClippedDelta clipped,
                         privacy::ClipToNorm(std::move(delta), round.config.clip_l2));
  record.update_norm = clipped.unclipped_norm_l2();
  const uint32_t weight =
      static_cast<uint32_t>(std::min<uint64_t>(local.n_films(), round.config.max_weight));
  HILUM_ASSIGN_OR_RETURN(
      privacy::WeightedDelta weighted,
      privacy::Weight(std::move(clipped),
                      {.weight = weight, .max_weight = round.config.max_weight}));
  HILUM_ASSIGN_OR_RETURN(privacy::QuantizedDelta quantized,
                         privacy::Quantize(std::move(weighted), round.config,
                                           {.loss = local.mean_loss()}, StreamOf(round)));
  HILUM_ASSIGN_OR_RETURN(privacy::NoisedDelta noised,
                         privacy::AddNoise(std::move(quantized), round.config));
  HILUM_ASSIGN_OR_RETURN(privacy::MaskedUpdate masked,
                         privacy::Mask(std::move(noised), round.config));
  return SignUpdate(std::move(masked), round.config, round.facts, context.key);
}

absl::StatusOr<LocalDataset> Films(const RoundContext& context, const CheckedRound& round) {
  HILUM_ASSIGN_OR_RETURN(
      LocalDataset dataset,
      BuildDataset(context.state, FilmCache(context.folder.cache()),
                   {.plan = round.plan,
                    .secret = context.secret,
                    .round_context = absl::StrCat(round.facts.job, "/", round.facts.round, "/",
                                                  round.facts.attempt),
                    .now_s = context.now_s}));
  if (dataset.samples.size() < context.options.min_films) {
    return absl::FailedPreconditionError(
        absl::StrCat("this site has ", dataset.samples.size(), " films for job ", round.facts.job,
                     ", its policy asks for at least ", context.options.min_films));
  }
  return dataset;
}

absl::StatusOr<LocalWeights> Train(const RoundContext& context, const CheckedRound& round,
                                   const LocalDataset& dataset, const VerifiedModel& model) {
  const bool keeps = round.plan.training.keep_optimizer;
  const OptimizerFolder folder(context.folder.optimizer(), round.facts.job, dataset.films);
  models::OptimizerMemory memory;
  if (keeps) memory = folder.Before(round.facts.round, round.plan.spec.n_params());
  HILUM_ASSIGN_OR_RETURN(LocalWeights local,
                         TrainLocally(model, round.plan, dataset,
                                      {.round = round.facts.round,
                                       .seed = SeedOf(round.plan, round.facts.round,
                                                      context.options.site, context.secret),
                                       .threads = context.options.threads,
                                       .on_progress = context.on_training,
                                       .cancel = context.cancel,
                                       .memory = keeps ? &memory : nullptr}));
  if (keeps) HILUM_RETURN_IF_ERROR(folder.Keep(round.facts.round, memory));
  return local;
}

absl::StatusOr<SignedUpdate> TrainAndStore(const RoundContext& context, const CheckedRound& round,
                                           RoundRecord record) {
  const absl::StatusOr<LocalDataset> films = Films(context, round);
  if (!films.ok()) {
    return absl::Status(films.status().code(), absl::StrCat(kNotSent, films.status().message()));
  }
  const LocalDataset& dataset = *films;
  record.n_films = dataset.samples.size();
  record.n_patients = dataset.n_patients;
  record.n_left_out = dataset.n_left_out;
  record.manifest_root = dataset.manifest_root;
  HILUM_RETURN_IF_ERROR(context.state.PutRound(record));
  Log(LogLevel::kInfo, "training",
      {{"job", record.job},
       {"round", record.round},
       {"films", record.n_films},
       {"patients_left_out_without_consent", record.n_left_out}});
  HILUM_ASSIGN_OR_RETURN(const VerifiedModel model, BaseModel(context, round));
  HILUM_ASSIGN_OR_RETURN(const LocalWeights local, Train(context, round, dataset, model));
  record.loss = local.mean_loss();
  HILUM_ASSIGN_OR_RETURN(SignedUpdate update, MakeUpdate(context, round, local, model, record));
  HILUM_RETURN_IF_ERROR(StoreUpdate(context.folder.outbox(), update, record));
  HILUM_RETURN_IF_ERROR(context.state.PutRound(record));
  return update;
}

}  // namespace

absl::StatusOr<proto::RoundPlan> CheckPlan(const std::string& text, const SiteOptions& options) {
  HILUM_ASSIGN_OR_RETURN(proto::RoundPlan plan, proto::ParseRoundPlan(text));
  HILUM_ASSIGN_OR_RETURN(const models::ArchitectureOptions architecture,
                         ArchitectureOf(plan.model));
  HILUM_ASSIGN_OR_RETURN(const ModelSpec spec, models::SpecOf(architecture));
  if (spec != plan.spec) {
    return absl::InvalidArgumentError(absl::StrCat("job ", plan.job, " has another layout of ",
                                                   plan.model.architecture,
                                                   " than this program; both sides need the same "
                                                   "release."));
  }
  const auto& allowed = options.architectures;
  if (!allowed.empty() &&
      std::find(allowed.begin(), allowed.end(), plan.model.architecture) == allowed.end()) {
    return absl::PermissionDeniedError(
        absl::StrCat("job ", plan.job, " trains ", plan.model.architecture,
                     ", which [policy] architectures does not name."));
  }
  if (plan.aggregation.mode == "open" && !options.allow_open) {
    return absl::PermissionDeniedError(absl::StrCat(
        "job ", plan.job,
        " runs in open mode: the server would see this site's update by itself, "
        "and updates can reveal training images. Set allow_open = true in [policy] only if this "
        "hospital accepts that."));
  }
  if (plan.aggregation.clip_l2 > options.max_clip_l2) {
    return absl::PermissionDeniedError(
        absl::StrCat("job ", plan.job, " lets an update have norm ", plan.aggregation.clip_l2,
                     ", [policy] max_clip is ", options.max_clip_l2));
  }
  if (plan.aggregation.max_weight > options.max_weight) {
    return absl::PermissionDeniedError(
        absl::StrCat("job ", plan.job, " allows a weight of ", plan.aggregation.max_weight,
                     ", [policy] max_weight is ", options.max_weight));
  }
  if (plan.cohort.minimum < options.min_cohort) {
    return absl::PermissionDeniedError(
        absl::StrCat("job ", plan.job, " goes on with ", plan.cohort.minimum,
                     " sites, [policy] min_cohort is ", options.min_cohort));
  }
  return plan;
}

bool Covers(const std::string& approved, const std::string& offered) {
  if (approved == offered) return true;
  absl::StatusOr<proto::RoundPlan> before = proto::ParseRoundPlan(approved);
  const absl::StatusOr<proto::RoundPlan> after = proto::ParseRoundPlan(offered);
  if (!before.ok() || !after.ok() || after->rounds < before->rounds) return false;
  before->rounds = after->rounds;
  const absl::StatusOr<std::string> extended = proto::EncodeRoundPlan(*before);
  return extended.ok() && *extended == offered;
}

std::string ReasonForServer(const std::string& reason, const SiteFolder& folder) {
  const bool is_local =
      absl::StartsWith(reason, kNotSent) || absl::StrContains(reason, (folder.root / "").string());
  return is_local ? "films or files of the site itself do not permit it; its own status says why"
                  : reason;
}

absl::StatusOr<SignedUpdate> TakePart(const RoundContext& context, const RoundNotice& notice) {
  HILUM_ASSIGN_OR_RETURN(const CheckedRound round, CheckNotice(context, notice));
  HILUM_ASSIGN_OR_RETURN(const std::optional<RoundRecord> known,
                         context.state.Round(notice.job, notice.round, notice.attempt));
  if (known.has_value() && known->n_bytes > 0) {
    absl::StatusOr<SignedUpdate> stored = ReadUpdate(context.folder.outbox(), *known, round.config,
                                                     round.facts, context.key.public_key());
    if (stored.ok()) return stored;
    if (known->sent_at_s != 0) {
      return absl::DataLossError(absl::StrCat(
          "an update of round ", notice.round, " of job ", notice.job,
          " has left this site, and its stored copy is gone; a second one is not sent."));
    }
  }
  RoundRecord record;
  record.job = notice.job;
  record.round = notice.round;
  record.attempt = notice.attempt;
  record.phase = "training";
  record.base_model = round.proven.open().base_model;
  record.started_at_s = context.now_s;
  return TrainAndStore(context, round, record);
}

}  // namespace hilum::client

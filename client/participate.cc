#include "client/participate.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "client/budget.h"
#include "client/checked_round.h"
#include "client/dataset.h"
#include "client/incident.h"
#include "client/local_layers.h"
#include "client/network.h"
#include "client/optimizer_memory.h"
#include "client/own_entry.h"
#include "client/record_noise.h"
#include "client/round_check.h"
#include "client/round_checkpoint.h"
#include "client/train.h"
#include "crypto/hash.h"
#include "crypto/secret.h"
#include "models/architecture.h"
#include "models/initial_weights.h"
#include "privacy/clip.h"
#include "privacy/noise.h"
#include "privacy/policy.h"
#include "privacy/quantize.h"
#include "privacy/weight.h"
#include "proto/model_spec_codec.h"
#include "proto/safetensors.h"

namespace hilum::client {
namespace {

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
    // A damaged copy is fetched again. A round's check has written the good one (round_check.h).
    if (model.ok()) {
      DropOldModels(context.folder.models(), path);
      return model;
    }
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

privacy::NoiseStream NoiseOf(const RoundContext& context, const CheckedRound& round,
                             privacy::NoiseStream::Purpose purpose) {
  return privacy::NoiseStream::Of(
      crypto::DeriveKey(context.secret.bytes, AsBytes("hilum/site/noise")),
      privacy::RidOf(round.config, static_cast<uint8_t>(round.facts.attempt)), purpose);
}

// The straight line from trained weights to the vector that is masked, or sent as it is.
absl::StatusOr<privacy::NoisedDelta> MakeInput(const RoundContext& context,
                                               const CheckedRound& round, const LocalWeights& local,
                                               const VerifiedModel& model, RoundRecord& record) {
  HILUM_ASSIGN_OR_RETURN(privacy::ModelDelta delta, Difference(local, model));
  HILUM_ASSIGN_OR_RETURN(privacy::ClippedDelta clipped,
                         privacy::ClipToNorm(std::move(delta), round.config.clip_l2));
  record.update_norm = clipped.unclipped_norm_l2();
  // With differential privacy every site counts alike: the number of films is not told.
  const uint32_t weight =
      round.config.unit != privacy::PrivacyUnit::kNone
          ? round.config.max_weight
          : static_cast<uint32_t>(std::min<uint64_t>(local.n_films(), round.config.max_weight));
  HILUM_ASSIGN_OR_RETURN(
      privacy::WeightedDelta weighted,
      privacy::Weight(std::move(clipped),
                      {.weight = weight, .max_weight = round.config.max_weight}));
  HILUM_ASSIGN_OR_RETURN(privacy::QuantizedDelta quantized,
                         privacy::Quantize(std::move(weighted), round.config,
                                           {.loss = local.mean_loss()}, StreamOf(round)));
  return privacy::AddNoise(std::move(quantized), round.config,
                           NoiseOf(context, round, privacy::NoiseStream::Purpose::kNoise));
}

Committer CommitterOf(const RoundContext& context, const CheckedRound& round) {
  return {.site = context.options.site,
          .study = round.facts.job,
          .origin = round.proven.origin(),
          .secret = context.secret,
          .key = context.key,
          .now_s = context.now_s};
}

// A ledger that undoes this site's consents goes on record, in itself and in the site's folder.
void ReportPin(const RoundContext& context, const CheckedRound& round, absl::string_view why) {
  const auto report = [&]() -> absl::Status {
    const std::string evidence = absl::StrCat(why, "\n", ToHex(round.proven.open_leaf()), "\n");
    HILUM_ASSIGN_OR_RETURN(const IncidentEntry incident,
                           MakeIncident(context.folder, {.kind = "policy",
                                                         .about = "round-open",
                                                         .study = round.facts.job,
                                                         .round = round.facts.round,
                                                         .evidence = evidence}));
    return LogOwnEntry(context, incident.entry);
  };
  const absl::Status status = report();
  Log(LogLevel::kError, "consents pinned by the ledger are not this site's",
      {{"job", round.facts.job}, {"round", round.facts.round}, {"reported", status}});
}

// The ledger pins what this site has logged of its patients' consents, no older state of them.
absl::Status CheckConsents(const RoundContext& context, const CheckedRound& round) {
  if (context.consents == nullptr) return absl::OkStatus();
  HILUM_RETURN_IF_ERROR(
      ProveBatches(*context.consents, CommitterOf(context, round), context.log_entry).status());
  const absl::Status status = CheckPin(*context.consents, {.study = round.facts.job,
                                                           .site = context.options.site,
                                                           .open = round.proven.open(),
                                                           .index = round.proven.open_index()});
  if (absl::IsDataLoss(status)) ReportPin(context, round, status.message());
  return status;
}

// Commits the round's films to the ledger, before any of them is trained on.
absl::Status LogManifest(const RoundContext& context, const CheckedRound& round,
                         const LocalDataset& dataset) {
  if (context.consents == nullptr) return absl::OkStatus();
  ManifestClaim claim;
  claim.name.study = round.facts.job;
  claim.name.round = round.facts.round;
  claim.open_leaf = round.proven.open_leaf();
  claim.consent_size = round.proven.consent_size();
  claim.leaves = dataset.manifest;
  return CommitManifest(*context.consents, CommitterOf(context, round), claim, context.log_entry);
}

// Pids of the study in the active set that the round pins.
absl::StatusOr<std::set<std::string>> Pinned(const RoundContext& context,
                                             const CheckedRound& round) {
  if (context.consents == nullptr) return std::set<std::string>();
  return ActivePids(*context.consents, round.facts.job, round.proven.consent_size());
}

absl::StatusOr<LocalDataset> Films(const RoundContext& context, const CheckedRound& round) {
  HILUM_ASSIGN_OR_RETURN(const std::set<std::string> pinned, Pinned(context, round));
  return BuildDataset(context.state, FilmCache(context.folder.cache()),
                      {.plan = round.plan,
                       .secret = context.secret,
                       .round_context = absl::StrCat(round.facts.job, "/", round.facts.round),
                       .now_s = context.now_s,
                       .pinned = context.consents != nullptr ? &pinned : nullptr,
                       .min_films = context.options.min_films});
}

absl::Status CountFilms(const RoundContext& context, const CheckedRound& round) {
  HILUM_ASSIGN_OR_RETURN(const std::set<std::string> pinned, Pinned(context, round));
  HILUM_ASSIGN_OR_RETURN(
      const FilmChoice choice,
      ChooseFilms(context.state, round.plan, context.now_s, [&](const std::string& pid) {
        return context.consents == nullptr ||
               pinned.contains(StudyPid(context.secret, round.facts.job, pid));
      }));
  return RequireFilms(choice, round.facts.job, context.options.min_films);
}

// A status that speaks of the site's films.
absl::Status NotSent(const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat(kNotSent, status.message()));
}

// The films with their labels, one after the other: what the steps are made of.
Digest LabelledFilms(const LocalDataset& dataset) {
  Bytes labels;
  for (const Sample& sample : dataset.samples) {
    AppendU32(labels, static_cast<uint32_t>(sample.label()));
  }
  crypto::Sha256Stream stream;
  stream.Update(ByteView(dataset.films));
  stream.Update(ByteView(labels));
  return stream.Finish();
}

RoundCheckpoint CheckpointOf(const RoundContext& context, const CheckedRound& round,
                             const LocalDataset& dataset, uint64_t seed) {
  return RoundCheckpoint(context.folder.training(),
                         {.job = round.facts.job,
                          .round = round.facts.round,
                          .plan = round.config.plan,
                          .base_model = round.proven.open().base_model,
                          .films = LabelledFilms(dataset),
                          .seed = seed},
                         context.secret);
}

// What stays at this site, as the round before left it.
absl::StatusOr<std::vector<float>> LayersBefore(const LocalLayers& layers, uint64_t round,
                                                const models::ArchitectureOptions& architecture,
                                                const ModelSpec& spec) {
  if (spec.tensors.empty()) return std::vector<float>();
  HILUM_ASSIGN_OR_RETURN(std::optional<std::vector<float>> kept, layers.Before(round, spec));
  if (kept.has_value()) return *std::move(kept);
  return models::InitialLocal(architecture);
}

// Nothing, unless the round's unit is a record.
absl::StatusOr<std::optional<models::RecordPrivacy>> RecordPrivacyOf(const RoundContext& context,
                                                                     const CheckedRound& round) {
  if (round.config.unit != privacy::PrivacyUnit::kRecord) return std::nullopt;
  using Purpose = privacy::NoiseStream::Purpose;
  HILUM_ASSIGN_OR_RETURN(models::RecordPrivacy record,
                         MakeRecordPrivacy(round.plan.privacy, round.plan.spec.n_params(),
                                           {.noise = NoiseOf(context, round, Purpose::kNoise),
                                            .sample = NoiseOf(context, round, Purpose::kSample)}));
  return record;
}

absl::StatusOr<LocalWeights> Train(const RoundContext& context, const CheckedRound& round,
                                   const LocalDataset& dataset, const VerifiedModel& model) {
  const models::ArchitectureOptions architecture = ArchitectureOf(model);
  HILUM_ASSIGN_OR_RETURN(const models::Description network, models::Describe(architecture));
  HILUM_ASSIGN_OR_RETURN(const ModelSpec local_spec, models::LocalSpecOf(architecture));
  const LocalLayers layers(context.folder.local(), round.facts.job, context.secret);
  const bool keeps = round.plan.training.keep_optimizer;
  const OptimizerFolder folder(context.folder.optimizer(), round.facts.job, dataset.films);
  models::OptimizerMemory memory;
  if (keeps) memory = folder.Before(round.facts.round, network.n_params);
  LocalTraining training{
      .round = round.facts.round,
      .seed = SeedOf(round.plan, round.facts.round, context.options.site, context.secret),
      .threads = context.options.threads,
      .on_progress = context.on_training,
      .cancel = context.cancel,
      .memory = keeps ? &memory : nullptr};
  HILUM_ASSIGN_OR_RETURN(training.layers,
                         LayersBefore(layers, round.facts.round, architecture, local_spec));
  HILUM_ASSIGN_OR_RETURN(training.privacy, RecordPrivacyOf(context, round));
  const RoundCheckpoint checkpoint = CheckpointOf(context, round, dataset, training.seed);
  std::optional<models::TrainCheckpoint> resume;
  // With DP-SGD there are none: its noise is drawn for one run.
  if (!training.privacy.has_value() && context.options.checkpoint_steps > 0) {
    resume = checkpoint.Read(round.plan.spec.n_params() + local_spec.n_params(), network.n_params);
    if (resume.has_value()) training.resume = &*resume;
    training.checkpoint_steps = context.options.checkpoint_steps;
    training.on_checkpoint = [&](const models::TrainCheckpoint& now) {
      return checkpoint.Write(now);
    };
  }
  HILUM_ASSIGN_OR_RETURN(LocalWeights local, TrainLocally(model, round.plan, dataset, training));
  if (keeps) HILUM_RETURN_IF_ERROR(folder.Keep(round.facts.round, memory));
  if (!local_spec.tensors.empty()) {
    HILUM_RETURN_IF_ERROR(layers.Keep(round.facts.round, local_spec, local.layers()));
  }
  checkpoint.Remove();
  return local;
}

// The record of a masked vector is this site's proof of what it sent, also when the program was
// started again since: the attempt is over for it, and no new record takes that one's place.
absl::Status CheckNothingSent(const RoundContext& context, const CheckedRound& round) {
  if (round.config.mode == privacy::RoundMode::kOpen) return absl::OkStatus();
  HILUM_ASSIGN_OR_RETURN(
      const std::optional<RoundRecord> known,
      context.state.Round(round.facts.job, round.facts.round, round.facts.attempt));
  if (!known.has_value() || known->n_bytes == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat("this site's vector of round ", round.facts.round, " of job ", round.facts.job,
                   ", attempt ", round.facts.attempt, ", is on record; a second one is not made"));
}

}  // namespace

absl::Status LogOwnEntry(const RoundContext& context, const OwnEntry& own) {
  const std::string origin = context.gate.origin();
  return LogOwnEntry(context.state, own,
                     {.site = context.options.site,
                      .origin = origin,
                      .key = context.key,
                      .now_s = context.now_s},
                     context.log_entry)
      .status();
}

absl::Status CheckFilms(const RoundContext& context, const CheckedRound& round) {
  HILUM_RETURN_IF_ERROR(CheckConsents(context, round));
  const absl::Status counted = CountFilms(context, round);
  return counted.ok() ? counted : NotSent(counted);
}

absl::StatusOr<TrainedInput> TrainInput(const RoundContext& context, const CheckedRound& round) {
  HILUM_RETURN_IF_ERROR(CheckNothingSent(context, round));
  HILUM_RETURN_IF_ERROR(RequireVerified(context, round));
  RoundRecord record;
  record.job = round.facts.job;
  record.round = round.facts.round;
  record.attempt = round.facts.attempt;
  record.phase = "training";
  record.base_model = round.proven.open().base_model;
  record.started_at_s = context.now_s;
  HILUM_RETURN_IF_ERROR(CheckConsents(context, round));
  const absl::StatusOr<LocalDataset> films = Films(context, round);
  if (!films.ok()) return NotSent(films.status());
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
  if (const absl::Status logged = LogManifest(context, round, dataset); !logged.ok()) {
    return NotSent(logged);
  }
  HILUM_RETURN_IF_ERROR(CleanTraining(context.folder.training(), context.state));
  HILUM_ASSIGN_OR_RETURN(const VerifiedModel model, BaseModel(context, round));
  HILUM_ASSIGN_OR_RETURN(const LocalWeights local, Train(context, round, dataset, model));
  record.loss = local.mean_loss();
  HILUM_ASSIGN_OR_RETURN(privacy::NoisedDelta input,
                         MakeInput(context, round, local, model, record));
  return TrainedInput{.input = std::move(input), .record = std::move(record)};
}

namespace {

// A clip without noise is no differential privacy, so it satisfies neither rule.
absl::Status CheckPlanNoise(const proto::RoundPlan& plan, const SiteOptions& options) {
  const bool is_private = plan.privacy.unit != "none";
  if (!is_private && options.max_epsilon > 0.0) {
    return absl::PermissionDeniedError(
        absl::StrCat("job ", plan.job,
                     " adds no noise, so no privacy budget can cover it; [policy] max_epsilon is ",
                     options.max_epsilon, "."));
  }
  if ((is_private ? plan.privacy.sigma : 0.0) < options.min_sigma) {
    return absl::PermissionDeniedError(
        absl::StrCat("job ", plan.job,
                     is_private ? absl::StrCat(" has noise of sigma ", plan.privacy.sigma)
                                : std::string(" adds no noise"),
                     ", [policy] min_sigma is ", options.min_sigma, "."));
  }
  return absl::OkStatus();
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
  HILUM_RETURN_IF_ERROR(CheckPlanNoise(plan, options));
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
  // With differential privacy more rounds are more epsilon than was approved.
  if (before->privacy.unit != "none") return false;
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
  HILUM_ASSIGN_OR_RETURN(TrainedInput trained, TrainInput(context, round));
  HILUM_ASSIGN_OR_RETURN(privacy::MaskedUpdate masked,
                         privacy::Mask(std::move(trained.input), round.config));
  HILUM_ASSIGN_OR_RETURN(SignedUpdate update,
                         SignUpdate(std::move(masked), round.config, round.facts, context.key));
  HILUM_ASSIGN_OR_RETURN(const std::optional<SpendRow> charge, ChargeOf(context, round));
  if (charge.has_value()) {
    HILUM_RETURN_IF_ERROR(Charge(context.state, context.options, *charge));
  }
  HILUM_RETURN_IF_ERROR(StoreUpdate(context.folder.outbox(), update, trained.record));
  HILUM_RETURN_IF_ERROR(context.state.PutRound(trained.record));
  return update;
}

}  // namespace hilum::client

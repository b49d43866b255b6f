#include "client/compare.h"

#include <algorithm>
#include <mutex>
#include <set>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/version.h"
#include "client/evaluate.h"
#include "client/network.h"
#include "client/train.h"
#include "crypto/random.h"
#include "evaluation/intervals.h"
#include "evaluation/leak_audit.h"
#include "evaluation/report.h"
#include "nlohmann/json.hpp"

namespace hilum::client {
namespace {

using evaluation::Estimate;
using evaluation::Predictions;
using Json = nlohmann::ordered_json;

constexpr char kPooled[] = "pooled";

// The films of one site, past the consent gate.
struct SiteFilms {
  std::string name;
  std::vector<Sample> samples;
  uint64_t n_left_out = 0;  // films of patients without consent
};

struct Candidate {
  std::string name;
  std::string left_out;  // the source whose films it never saw; empty: none
  std::vector<Sample> samples;
  int64_t n_samples_seen = 0;
  absl::Status status;
  std::optional<Predictions> predictions;
};

absl::StatusOr<double> BalancedAccuracyOf(const Predictions& predictions) {
  return evaluation::BalancedAccuracy(evaluation::Confuse(predictions));
}

Json ToJson(const Estimate& difference) {
  return {{"difference", difference.value},
          {"ci95", {difference.ci95.low, difference.ci95.high}},
          {"n", difference.n},
          {"method", difference.method}};
}

class Comparison {
 public:
  explicit Comparison(const CompareOptions& options)
      : options_(options), secret_{crypto::RandomArray<32>()} {}

  absl::StatusOr<std::string> Run();

 private:
  absl::Status ReadFilms();
  absl::StatusOr<SiteFilms> PassConsentGate(const LabelledSet& set);
  void Audit(const LabelledSet& set, evaluation::Split split);
  void ListCandidates();
  void ListLeftOut();
  absl::Status TrainAll(const InitialModel& initial);
  absl::Status TrainOne(const InitialModel& initial, Candidate& candidate);
  absl::StatusOr<Predictions> SourceOnly() const;
  absl::StatusOr<Json> Metrics() const;
  absl::StatusOr<Json> Differences() const;
  const Candidate& Pooled() const;
  evaluation::BaselineFilms TrainedFilms() const;
  absl::StatusOr<Json> LeaveOneOut(evaluation::AuditRows& rows) const;
  absl::StatusOr<Json> LeakAudit();
  void CountStep();

  const CompareOptions& options_;
  const SiteSecret secret_;
  LabelledSet test_;
  std::vector<SiteFilms> sites_;
  std::vector<evaluation::AuditedImage> audited_;
  evaluation::SplitAudit split_;
  // Past the consent gate, in the order of the sites' samples; `site` is the source.
  std::vector<evaluation::AuditedImage> trained_;
  std::vector<Candidate> candidates_;  // the sites, pooled, then those that left a source out
  std::optional<models::Network> federated_network_;
  std::optional<Predictions> federated_;
  int height_ = 0, width_ = 0;
  std::mutex progress_mutex_;
  uint64_t steps_done_ = 0, steps_total_ = 0;
};

absl::StatusOr<SiteFilms> Comparison::PassConsentGate(const LabelledSet& set) {
  const ActiveSet active = ActiveSet::Build(set.consents, options_.now_s);
  SiteFilms site{.name = set.name, .samples = {}};
  for (const LabelledFilm& film : set.films) {
    absl::StatusOr<ConsentedVolume> consented = ConsentGate(film.film, active);
    if (!consented.ok()) {
      ++site.n_left_out;
      continue;
    }
    trained_.push_back({.split = evaluation::Split::kTrain,
                        .site = film.source,
                        .patient = film.film.patient(),
                        .label = set.classes[film.label]});
    site.samples.push_back(ToSample(*std::move(consented), film.label));
  }
  if (site.samples.empty()) {
    return absl::FailedPreconditionError(absl::StrCat("no film of ", set.name,
                                                      " may be trained on: ", site.n_left_out,
                                                      " lack the consent of their patient."));
  }
  return site;
}

void Comparison::Audit(const LabelledSet& set, evaluation::Split split) {
  for (const LabelledFilm& film : set.films) {
    const auto hash =
        evaluation::HashImage(film.film.pixels(), film.film.height(), film.film.width());
    audited_.push_back({.split = split,
                        .site = set.name,
                        .patient = film.film.patient(),
                        .sop = film.film.sop(),
                        .label = set.classes[film.label],
                        .hash = hash.value_or(evaluation::PerceptualHash{})});
  }
}

absl::Status Comparison::ReadFilms() {
  const proto::ModelPlan& model = options_.plan.model;
  const auto read = [&](const fs::path& folder) {
    return ReadLabelledSet({.folder = folder,
                            .profile = model.profile,
                            .classes = model.classes,
                            .min_age_years = model.min_age_years,
                            .secret = secret_,
                            .threads = options_.workers});
  };
  HILUM_ASSIGN_OR_RETURN(test_, read(options_.test));
  height_ = test_.films.front().film.height();
  width_ = test_.films.front().film.width();
  Audit(test_, evaluation::Split::kTest);
  for (const fs::path& folder : options_.data) {
    HILUM_ASSIGN_OR_RETURN(const LabelledSet set, read(folder));
    Audit(set, evaluation::Split::kTrain);
    HILUM_ASSIGN_OR_RETURN(SiteFilms site, PassConsentGate(set));
    sites_.push_back(std::move(site));
  }
  split_ = evaluation::AuditSplit(audited_);
  return evaluation::RequireDisjoint(split_);
}

void Comparison::CountStep() {
  const std::lock_guard lock(progress_mutex_);
  ++steps_done_;
  if (options_.on_progress) options_.on_progress(steps_done_, steps_total_);
}

// Round by round, as a site of the federation trains; so the optimizer starts afresh in each,
// unless the job keeps it.
absl::Status Comparison::TrainOne(const InitialModel& initial, Candidate& candidate) {
  HILUM_ASSIGN_OR_RETURN(models::Network network, LoadForComparison(initial));
  const models::TrainingSet set = SetOf(candidate.samples, height_, width_);
  const models::TrainHooks hooks{.on_step = [&](const models::TrainProgress&) { CountStep(); },
                                 .cancel = options_.cancel};
  models::OptimizerMemory memory;
  models::OptimizerMemory* const kept = options_.plan.training.keep_optimizer ? &memory : nullptr;
  for (uint64_t round = 1; round <= options_.plan.rounds; ++round) {
    HILUM_ASSIGN_OR_RETURN(
        const models::TrainOptions recipe,
        TrainOptionsOf(options_.plan,
                       {.first_round = round,
                        .n_samples = static_cast<int64_t>(candidate.samples.size()),
                        .seed = SeedOf(options_.plan, round, candidate.name, secret_)}));
    const absl::StatusOr<models::TrainResult> trained =
        models::Train(network, set, recipe, hooks, kept);
    if (!trained.ok()) {
      return absl::Status(trained.status().code(),
                          absl::StrCat(candidate.name, ": ", trained.status().message()));
    }
    candidate.n_samples_seen += trained->n_samples_seen;
  }
  HILUM_ASSIGN_OR_RETURN(candidate.predictions, PredictAll(network, test_));
  return absl::OkStatus();
}

void Comparison::ListCandidates() {
  Candidate pooled{.name = kPooled};
  for (const SiteFilms& site : sites_) {
    pooled.samples.insert(pooled.samples.end(), site.samples.begin(), site.samples.end());
    candidates_.push_back({.name = site.name, .samples = site.samples});
  }
  candidates_.push_back(std::move(pooled));
  if (options_.leave_out) ListLeftOut();
}

void Comparison::ListLeftOut() {
  std::set<std::string> sources;
  for (const evaluation::AuditedImage& film : trained_) {
    if (!film.site.empty()) sources.insert(film.site);
  }
  if (sources.size() < 2) return;  // the audit then says that no site was kept out
  for (const std::string& source : sources) {
    Candidate candidate{.name = absl::StrCat("without ", source), .left_out = source};
    size_t at = 0;
    for (const SiteFilms& site : sites_) {
      for (const Sample& sample : site.samples) {
        // A film of unknown source may be of this one.
        const std::string& its_source = trained_[at++].site;
        if (!its_source.empty() && its_source != source) candidate.samples.push_back(sample);
      }
    }
    candidates_.push_back(std::move(candidate));
  }
}

absl::Status Comparison::TrainAll(const InitialModel& initial) {
  ListCandidates();
  for (const Candidate& candidate : candidates_) {
    steps_total_ +=
        options_.plan.rounds * static_cast<uint64_t>(StepsPerRound(
                                   options_.plan, static_cast<int64_t>(candidate.samples.size())));
  }
  // The longest first, so that the workers end together.
  std::vector<Candidate*> queue;
  for (Candidate& candidate : candidates_) queue.push_back(&candidate);
  std::stable_sort(queue.begin(), queue.end(), [](const Candidate* a, const Candidate* b) {
    return a->samples.size() > b->samples.size();
  });
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < queue.size(); i = next++) {
      queue[i]->status = TrainOne(initial, *queue[i]);
    }
  };
  std::vector<std::thread> threads;
  for (int i = 1; i < options_.workers; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  for (const Candidate& candidate : candidates_) HILUM_RETURN_IF_ERROR(candidate.status);
  return absl::OkStatus();
}

// What a rule that sees only the source says of each test film.
absl::StatusOr<Predictions> Comparison::SourceOnly() const {
  return evaluation::SourceRule(
      evaluation::TabulateClassBySite(trained_, evaluation::Split::kTrain), test_.classes,
      *candidates_.front().predictions);
}

absl::StatusOr<Json> Comparison::Metrics() const {
  Json metrics = {{"local_only", Json::object()}};
  const auto report = [&](const std::string& name,
                          const Predictions& predictions) -> absl::StatusOr<Json> {
    HILUM_ASSIGN_OR_RETURN(const std::string json, ReportJson(name, predictions, test_.classes));
    return Json::parse(json);
  };
  for (const Candidate& candidate : candidates_) {
    if (!candidate.left_out.empty()) continue;  // in the leak audit
    HILUM_ASSIGN_OR_RETURN(Json json, report(candidate.name, *candidate.predictions));
    json["n_train"] = candidate.samples.size();
    json["n_samples_seen"] = candidate.n_samples_seen;
    if (candidate.name == kPooled) {
      metrics[kPooled] = std::move(json);
    } else {
      metrics["local_only"][candidate.name] = std::move(json);
    }
  }
  if (federated_.has_value()) {
    HILUM_ASSIGN_OR_RETURN(metrics["federated"], report("federated", *federated_));
  }
  HILUM_ASSIGN_OR_RETURN(const Predictions source_only, SourceOnly());
  HILUM_ASSIGN_OR_RETURN(metrics["source_only_baseline"], report("source only", source_only));
  return metrics;
}

absl::StatusOr<Json> Comparison::Differences() const {
  Json differences = Json::object();
  if (!federated_.has_value()) return differences;
  for (const Candidate& candidate : candidates_) {
    if (!candidate.left_out.empty()) continue;
    const Predictions& other = *candidate.predictions;
    HILUM_ASSIGN_OR_RETURN(const Estimate accuracy, evaluation::PairedBootstrapDifference(
                                                        *federated_, other, BalancedAccuracyOf));
    Json row = ToJson(accuracy);
    const absl::StatusOr<Estimate> auroc = evaluation::MeanAurocDifference(*federated_, other);
    if (!auroc.ok() && !absl::IsFailedPrecondition(auroc.status())) return auroc.status();
    row["auroc"] = auroc.ok() ? ToJson(*auroc) : Json(nullptr);
    differences[candidate.name] = std::move(row);
  }
  return differences;
}

const Candidate& Comparison::Pooled() const { return candidates_[sites_.size()]; }

// Every film that was trained on, as a baseline takes it.
evaluation::BaselineFilms Comparison::TrainedFilms() const {
  evaluation::BaselineFilms films{
      .n_classes = static_cast<int>(test_.classes.size()), .height = height_, .width = width_};
  size_t at = 0;
  for (const SiteFilms& site : sites_) {
    for (const Sample& sample : site.samples) {
      const evaluation::AuditedImage& film = trained_[at++];
      films.films.push_back({.pixels = sample.pixels(),
                             .label = sample.label(),
                             .patient = film.patient,
                             .site = film.site.empty() ? site.name : film.site});
    }
  }
  return films;
}

// What a network says of a source that it never saw.
absl::StatusOr<Json> Comparison::LeaveOneOut(evaluation::AuditRows& rows) const {
  Json json = Json::object();
  for (const Candidate& candidate : candidates_) {
    if (candidate.left_out.empty()) continue;
    Json& row = json[candidate.left_out];
    row = {{"n_train", candidate.samples.size()}, {"n_samples_seen", candidate.n_samples_seen}};
    evaluation::LeftOut left_out{.site = candidate.left_out,
                                 .n_train = static_cast<int64_t>(candidate.samples.size()),
                                 .n_samples_seen = candidate.n_samples_seen};
    const absl::StatusOr<Predictions> part =
        evaluation::OfSite(*candidate.predictions, candidate.left_out);
    const absl::StatusOr<std::string> report =
        part.ok() ? ReportJson(candidate.name, *part, test_.classes)
                  : absl::StatusOr<std::string>(part.status());
    if (report.ok()) {
      row["metrics"] = Json::parse(*report);
      const absl::StatusOr<Estimate> auroc = evaluation::MeanAurocOf(*part);
      if (auroc.ok()) left_out.auroc = *auroc;
      left_out.reason = std::string(auroc.status().message());
    } else {
      row["metrics"] = nullptr;  // no test film of that source, or a class is missing there
      row["reason"] = left_out.reason = std::string(report.status().message());
    }
    rows.left_out.push_back(std::move(left_out));
  }
  return json;
}

absl::StatusOr<Json> Comparison::LeakAudit() {
  evaluation::AuditRows rows;
  rows.split = split_;
  HILUM_ASSIGN_OR_RETURN(const Predictions source_only, SourceOnly());
  evaluation::SourceOnly rule;
  HILUM_ASSIGN_OR_RETURN(rule.balanced_accuracy,
                         evaluation::BootstrapByPatient(source_only, BalancedAccuracyOf));
  HILUM_ASSIGN_OR_RETURN(
      rule.accuracy, evaluation::ShareByPatient(source_only, [&](int64_t i) -> std::optional<bool> {
        return evaluation::Predicted(source_only, i) == source_only.labels[i];
      }));
  rows.source_only = rule;
  if (federated_network_.has_value()) {
    HILUM_RETURN_IF_ERROR(AddModelRows(*federated_network_, test_, *federated_, rows));
  }
  const Predictions& model = federated_.has_value() ? *federated_ : *Pooled().predictions;
  HILUM_ASSIGN_OR_RETURN(
      const std::vector<std::string> notes,
      evaluation::RunBaselines(TrainedFilms(), BaselineFilmsOf(test_), &model, rows));
  HILUM_ASSIGN_OR_RETURN(const Json left_out, LeaveOneOut(rows));
  Json json = Json::parse(evaluation::ToJson(rows));
  json["split_overlap"] = split_.n_overlaps;
  json["baselines_against"] = federated_.has_value() ? "federated" : kPooled;
  json["leave_one_out"] = left_out;
  json["notes"] = notes;
  json.update(Json::parse(
      ClassBySiteJson(evaluation::TabulateClassBySite(audited_, evaluation::Split::kTrain))));
  return json;
}

absl::StatusOr<std::string> Comparison::Run() {
  HILUM_ASSIGN_OR_RETURN(const InitialModel initial,
                         ReadInitialModel(options_.initial_model, options_.plan));
  if (options_.federated != nullptr) {
    if (options_.federated->classes() != options_.plan.model.classes ||
        options_.federated->profile_digest() != options_.plan.model.profile_digest) {
      return absl::InvalidArgumentError(
          "the federated model has other classes or another profile than the job.");
    }
    HILUM_ASSIGN_OR_RETURN(federated_network_, LoadNetwork(*options_.federated));
  }
  HILUM_RETURN_IF_ERROR(ReadFilms());
  HILUM_RETURN_IF_ERROR(TrainAll(initial));
  if (federated_network_.has_value()) {
    HILUM_ASSIGN_OR_RETURN(federated_, PredictAll(*federated_network_, test_));
  }
  Json json = {{"job", options_.plan.job},
               {"rounds", options_.plan.rounds},
               {"initial_model_sha256", ToHex(initial.sha256())}};
  if (options_.federated != nullptr) json["model_sha256"] = ToHex(options_.federated->sha256());
  if (options_.plan.privacy.unit != "none") {
    json["note"] =
        "only the federated model was trained with the job's differential privacy; what that "
        "costs is part of its differences from the others";
  }
  HILUM_ASSIGN_OR_RETURN(json["metrics"], Metrics());
  HILUM_ASSIGN_OR_RETURN(json["differences"], Differences());
  HILUM_ASSIGN_OR_RETURN(json["leak_audit"], LeakAudit());
  const Predictions& judged = federated_.has_value() ? *federated_ : *Pooled().predictions;
  HILUM_ASSIGN_OR_RETURN(const std::string bedside,
                         BedsideJson(test_, judged, HalfPoints(judged.n_classes)));
  json.update(Json::parse(bedside));
  for (const SiteFilms& site : sites_) {
    json["left_out_without_consent"][site.name] = site.n_left_out;
  }
  json["notice"] = std::string(kResearchUseOnly);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

absl::StatusOr<std::string> Compare(const CompareOptions& options) {
  if (options.data.empty()) {
    return absl::InvalidArgumentError("no training folder was given: name one --data a site.");
  }
  return Comparison(options).Run();
}

}  // namespace hilum::client

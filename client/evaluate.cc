#include "client/evaluate.h"

#include <algorithm>
#include <atomic>
#include <set>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/version.h"
#include "client/film_folder.h"
#include "client/network.h"
#include "crypto/random.h"
#include "evaluation/ablation.h"
#include "evaluation/calibration.h"
#include "evaluation/report.h"
#include "nlohmann/json.hpp"

namespace hilum::client {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kBatch = 32;

std::vector<ReadFilm> ReadAll(const FilmReader& reader, const std::vector<SourceFile>& files,
                              int n_threads) {
  std::vector<ReadFilm> read(files.size());
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < files.size(); i = next++) {
      read[i] = reader.Read(fs::path(files[i].source) / files[i].path);
    }
  };
  std::vector<std::thread> threads;
  for (int i = 1; i < n_threads; ++i) threads.emplace_back(work);
  work();
  for (std::thread& thread : threads) thread.join();
  return read;
}

evaluation::CaseFacts FactsOf(const ReadFilm& read) {
  evaluation::CaseFacts facts{.age_years = read.age_years};
  if (read.sex == dicom::Sex::kFemale) facts.sex = "female";
  if (read.sex == dicom::Sex::kMale) facts.sex = "male";
  if (read.sex == dicom::Sex::kOther) facts.sex = "other";
  if (read.view == dicom::View::kPa) facts.view = "PA";
  if (read.view == dicom::View::kAp) facts.view = "AP";
  return facts;
}

// Sorts what was read into the set.
void TakeFilm(const LabelledSetOptions& options, const SourceFile& file, const Label* label,
              ReadFilm read, LabelledSet& set) {
  const auto& classes = options.classes;
  const auto found =
      label == nullptr ? classes.end() : std::find(classes.begin(), classes.end(), label->label);
  if (found == classes.end()) {
    ++set.n_unlabelled;
  } else if (!read.film.has_value()) {
    ++set.n_refused;
  } else if (read.age_years.has_value() && *read.age_years < options.min_age_years) {
    ++set.n_outside_age;
  } else {
    const int index = static_cast<int>(found - classes.begin());
    const evaluation::CaseFacts facts = FactsOf(read);
    set.films.push_back({*std::move(read.film), file.path, index, label->source, facts});
  }
}

// The sources whose films show every class.
std::vector<std::string> WholeSources(const evaluation::Predictions& predictions) {
  std::map<std::string, std::set<int>> labels;
  for (int64_t i = 0; i < predictions.n(); ++i) {
    if (!predictions.sites[i].empty()) labels[predictions.sites[i]].insert(predictions.labels[i]);
  }
  std::vector<std::string> sources;
  for (const auto& [source, seen] : labels) {
    if (static_cast<int>(seen.size()) == predictions.n_classes) sources.push_back(source);
  }
  return sources;
}

// The value, nothing where the films do not define it, or the error.
absl::Status Keep(absl::StatusOr<evaluation::Estimate> found,
                  std::optional<evaluation::Estimate>& to) {
  if (absl::IsFailedPrecondition(found.status())) return absl::OkStatus();
  HILUM_RETURN_IF_ERROR(found.status());
  to = *std::move(found);
  return absl::OkStatus();
}

absl::StatusOr<double> BalancedAccuracyOf(const evaluation::Predictions& predictions) {
  return evaluation::BalancedAccuracy(evaluation::Confuse(predictions));
}

std::vector<evaluation::AuditedImage> ImagesOf(const LabelledSet& set, evaluation::Split split) {
  std::vector<evaluation::AuditedImage> images;
  for (const LabelledFilm& film : set.films) {
    const auto hash =
        evaluation::HashImage(film.film.pixels(), film.film.height(), film.film.width());
    images.push_back({.split = split,
                      .site = film.source,
                      .patient = film.film.patient(),
                      .sop = film.film.sop(),
                      .label = set.classes[film.label],
                      .hash = hash.value_or(evaluation::PerceptualHash{})});
  }
  return images;
}

// A threshold that was chosen on a film it is judged on flatters itself.
absl::Status RequireOtherFilms(const LabelledSet& validation, const LabelledSet& test) {
  std::vector<evaluation::AuditedImage> images = ImagesOf(validation, evaluation::Split::kTrain);
  const std::vector<evaluation::AuditedImage> judged = ImagesOf(test, evaluation::Split::kTest);
  images.insert(images.end(), judged.begin(), judged.end());
  const evaluation::SplitAudit audit = evaluation::AuditSplit(images);
  if (audit.n_overlaps == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(
      validation.name, " and ", test.name, " share ", audit.n_overlaps, " pairs of films (",
      audit.overlaps.front().kind, "): thresholds must be chosen on films of other patients."));
}

absl::StatusOr<ChosenPoints> ChoosePoints(const models::Network& network,
                                          const LabelledSet& validation, double sensitivity) {
  HILUM_ASSIGN_OR_RETURN(const evaluation::Predictions predictions,
                         PredictAll(network, validation));
  ChosenPoints chosen{.points = {},
                      .chosen_on = absl::StrCat(validation.name, ": a sensitivity of at least ",
                                                sensitivity, " there"),
                      .n_validation = predictions.n()};
  for (int k = 0; k < predictions.n_classes; ++k) {
    const int64_t n = std::count(predictions.labels.begin(), predictions.labels.end(), k);
    if (n < evaluation::kMinCasesToShare) {
      return absl::FailedPreconditionError(absl::StrCat(
          validation.name, " has ", n, " films of class ", validation.classes[k], ", at least ",
          evaluation::kMinCasesToShare, " are needed to choose a threshold."));
    }
    HILUM_ASSIGN_OR_RETURN(const evaluation::OperatingPoint point,
                           evaluation::PointOfSensitivity(predictions, k, sensitivity));
    chosen.points.push_back(point);
  }
  return chosen;
}

// The audit of films that nobody trained on: what their sites alone would say, and what the model
// says without the lungs.
absl::StatusOr<Json> AuditOf(const models::Network& network, const LabelledSet& set,
                             const evaluation::Predictions& predictions) {
  const evaluation::ClassBySite table = evaluation::TabulateClassBySite(
      ImagesOf(set, evaluation::Split::kTest), evaluation::Split::kTest);
  evaluation::AuditRows rows;
  absl::StatusOr<evaluation::SourceOnly> source_only = evaluation::BestSourceRule(table);
  if (source_only.ok()) {
    rows.source_only = *std::move(source_only);
    // The table knows no patients, and an interval that does not is too narrow.
    HILUM_ASSIGN_OR_RETURN(const evaluation::Predictions rule,
                           evaluation::SourceRule(table, set.classes, predictions));
    HILUM_ASSIGN_OR_RETURN(rows.source_only->balanced_accuracy,
                           evaluation::BootstrapByPatient(rule, BalancedAccuracyOf));
  } else if (!absl::IsFailedPrecondition(source_only.status())) {
    return source_only.status();
  }
  HILUM_RETURN_IF_ERROR(AddModelRows(network, set, predictions, rows));
  Json json = Json::parse(evaluation::ToJson(rows));
  json.update(Json::parse(ClassBySiteJson(table)));
  return json;
}

}  // namespace

absl::Status AddModelRows(const models::Network& network, const LabelledSet& set,
                          const evaluation::Predictions& predictions, evaluation::AuditRows& rows) {
  HILUM_RETURN_IF_ERROR(Keep(evaluation::BootstrapByPatient(predictions, BalancedAccuracyOf),
                             rows.model_balanced_accuracy));
  const std::pair<Ablation, std::optional<evaluation::Estimate>*> ablations[] = {
      {evaluation::BlackOutLungs, &rows.lungs_out_auroc},
      {evaluation::KeepBorder, &rows.border_only_auroc},
      {evaluation::ToThumbnail, &rows.thumbnail_auroc}};
  for (const auto& [ablation, row] : ablations) {
    HILUM_ASSIGN_OR_RETURN(const evaluation::Predictions ablated,
                           PredictAll(network, set, ablation));
    HILUM_RETURN_IF_ERROR(Keep(evaluation::MeanAurocOf(ablated), *row));
  }
  return absl::OkStatus();
}

evaluation::BaselineFilms BaselineFilmsOf(const LabelledSet& set) {
  evaluation::BaselineFilms films;
  films.n_classes = static_cast<int>(set.classes.size());
  films.height = set.films.front().film.height();
  films.width = set.films.front().film.width();
  for (const LabelledFilm& film : set.films) {
    films.films.push_back({.pixels = film.film.pixels(),
                           .label = film.label,
                           .patient = film.film.patient(),
                           .site = film.source});
  }
  return films;
}

std::string ClassBySiteJson(const evaluation::ClassBySite& table) {
  Json json = {{"class_by_site", Json::object()}};
  for (size_t s = 0; s < table.sites.size(); ++s) {
    for (size_t k = 0; k < table.labels.size(); ++k) {
      json["class_by_site"][table.sites[s]][table.labels[k]] = table.at(s, k);
    }
  }
  json["one_class_sites"] = table.one_class_sites();
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<LabelledSet> ReadLabelledSet(const LabelledSetOptions& options) {
  HILUM_ASSIGN_OR_RETURN(dicom::Profile profile, dicom::FindProfile(options.profile));
  HILUM_ASSIGN_OR_RETURN(const FolderListing listing, ListFolder(options.folder));
  HILUM_ASSIGN_OR_RETURN(const Labels labels, Labels::Read(options.folder / "labels.csv"));
  LabelledSet set;
  set.name = fs::path(options.folder / "").parent_path().filename().string();
  set.classes = options.classes;
  for (const SourceFile& file : listing.consents) {
    set.consents.push_back(ReadConsentFile(file, options.secret));
  }
  const FilmReader reader(std::move(profile), options.secret, {});
  std::vector<ReadFilm> read = ReadAll(reader, listing.films, options.threads);
  std::multiset<std::string> names;
  for (const SourceFile& file : listing.films) {
    names.insert(fs::path(file.path).filename().string());
  }
  for (size_t i = 0; i < read.size(); ++i) {
    if (absl::IsUnavailable(read[i].status)) return read[i].status;  // no fault of the film
    const SourceFile& file = listing.films[i];
    const bool by_name = names.count(fs::path(file.path).filename().string()) == 1;
    TakeFilm(options, file, labels.Find(file.path, by_name), std::move(read[i]), set);
  }
  if (!set.films.empty()) return set;
  return absl::FailedPreconditionError(
      absl::StrCat(options.folder.string(), " holds no film to judge: ", set.n_refused,
                   " cannot be read, ", set.n_unlabelled, " have no label of the model, ",
                   set.n_outside_age, " are of patients below its age range."));
}

absl::StatusOr<evaluation::Predictions> PredictAll(const models::Network& network,
                                                   const LabelledSet& set, Ablation ablation) {
  evaluation::Predictions predictions;
  predictions.n_classes = static_cast<int>(set.classes.size());
  for (size_t at = 0; at < set.films.size(); at += kBatch) {
    const size_t n = std::min(kBatch, set.films.size() - at);
    const int height = set.films[at].film.height(), width = set.films[at].film.width();
    const size_t plane = size_t(height) * size_t(width);
    std::vector<float> pixels(n * plane);
    for (size_t i = 0; i < n; ++i) {
      const std::span<float> image(pixels.data() + i * plane, plane);
      const std::vector<float>& film = set.films[at + i].film.pixels();
      std::copy(film.begin(), film.end(), image.begin());
      if (ablation != nullptr) ablation(image, height, width);
    }
    HILUM_ASSIGN_OR_RETURN(const models::Prediction batch,
                           network.Predict({static_cast<int64_t>(n), 1, height, width, pixels}));
    predictions.probabilities.insert(predictions.probabilities.end(), batch.probabilities.begin(),
                                     batch.probabilities.end());
  }
  for (const LabelledFilm& film : set.films) {
    predictions.labels.push_back(film.label);
    predictions.patients.push_back(film.film.patient());
    predictions.sites.push_back(film.source);
  }
  return predictions;
}

absl::StatusOr<std::string> ReportJson(const std::string& name,
                                       const evaluation::Predictions& predictions,
                                       const std::vector<std::string>& classes) {
  HILUM_ASSIGN_OR_RETURN(const evaluation::ModelReport report,
                         evaluation::Evaluate(name, predictions, classes));
  Json json = Json::parse(evaluation::ToJson(report));
  json["by_source"] = Json::object();
  for (const std::string& source : WholeSources(predictions)) {
    HILUM_ASSIGN_OR_RETURN(const evaluation::Predictions part,
                           evaluation::OfSite(predictions, source));
    HILUM_ASSIGN_OR_RETURN(const evaluation::ModelReport of_source,
                           evaluation::Evaluate(name, part, classes));
    json["by_source"][source] = Json::parse(evaluation::ToJson(of_source));
  }
  return json.dump();
}

ChosenPoints HalfPoints(int n_classes) {
  ChosenPoints chosen{.points = {}, .chosen_on = "no film: 0.5 for each class"};
  for (int k = 0; k < n_classes; ++k) chosen.points.push_back({k, 0.5});
  return chosen;
}

absl::StatusOr<std::string> BedsideJson(const LabelledSet& set,
                                        const evaluation::Predictions& predictions,
                                        const ChosenPoints& chosen) {
  HILUM_ASSIGN_OR_RETURN(const std::vector<evaluation::JudgedPoint> rows,
                         evaluation::JudgeBySite(predictions, chosen.points));
  std::vector<evaluation::CaseFacts> facts;
  for (const LabelledFilm& film : set.films) facts.push_back(film.facts);
  HILUM_ASSIGN_OR_RETURN(const std::vector<evaluation::Subgroup> groups,
                         evaluation::EvaluateSubgroups(predictions, facts, chosen.points));
  const Json json = {{"operating_point",
                      {{"chosen_on", chosen.chosen_on},
                       {"n_validation", chosen.n_validation},
                       {"rows", Json::parse(evaluation::ToJson(rows, set.classes))}}},
                     {"subgroups", Json::parse(evaluation::ToJson(groups, set.classes))}};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

absl::StatusOr<std::string> EvaluateModel(const VerifiedModel& model,
                                          const EvaluateOptions& options) {
  HILUM_ASSIGN_OR_RETURN(const models::Network network, LoadNetwork(model));
  const SiteSecret secret{crypto::RandomArray<32>()};  // one for both folders: patients compare
  const auto read = [&](const fs::path& folder) {
    return ReadLabelledSet({.folder = folder,
                            .profile = model.profile(),
                            .classes = model.classes(),
                            .min_age_years = model.min_age_years(),
                            .secret = secret,
                            .threads = options.threads});
  };
  HILUM_ASSIGN_OR_RETURN(const LabelledSet set, read(options.folder));
  ChosenPoints chosen = HalfPoints(static_cast<int>(set.classes.size()));
  if (!options.validation.empty()) {
    HILUM_ASSIGN_OR_RETURN(const LabelledSet validation, read(options.validation));
    HILUM_RETURN_IF_ERROR(RequireOtherFilms(validation, set));
    HILUM_ASSIGN_OR_RETURN(chosen, ChoosePoints(network, validation, options.sensitivity));
  }
  HILUM_ASSIGN_OR_RETURN(const evaluation::Predictions predictions, PredictAll(network, set));
  HILUM_ASSIGN_OR_RETURN(const std::string metrics,
                         ReportJson(model.job(), predictions, model.classes()));
  HILUM_ASSIGN_OR_RETURN(const std::string bedside, BedsideJson(set, predictions, chosen));
  HILUM_ASSIGN_OR_RETURN(const Json audit, AuditOf(network, set, predictions));
  Json json = {{"model", model.job()},
               {"architecture", model.spec().architecture},
               {"round", model.round()},
               {"model_sha256", ToHex(model.sha256())},
               {"data", options.folder.string()},
               {"n", set.films.size()},
               {"refused", set.n_refused},
               {"unlabelled", set.n_unlabelled},
               {"outside_age", set.n_outside_age},
               {"metrics", Json::parse(metrics)},
               {"leak_audit", audit},
               {"notice", std::string(kResearchUseOnly)}};
  json.update(Json::parse(bedside));
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace hilum::client

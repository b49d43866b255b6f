// A labelled folder of films, and what a model says about it.
#ifndef HILUM_CLIENT_EVALUATE_H_
#define HILUM_CLIENT_EVALUATE_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/file.h"
#include "client/consent_gate.h"
#include "client/film_cache.h"
#include "client/ledger_gate.h"
#include "client/pseudonym.h"
#include "evaluation/leak_audit.h"
#include "evaluation/metrics.h"
#include "evaluation/operating_point.h"
#include "evaluation/subgroups.h"
#include "models/network.h"

namespace hilum::client {

// One labelled film, in memory only.
struct LabelledFilm {
  PreparedFilm film;
  std::string file;
  int label = 0;       // index into the classes
  std::string source;  // third column of labels.csv; may be empty
  evaluation::CaseFacts facts;
};

struct LabelledSet {
  std::string name;  // of the folder
  std::vector<std::string> classes;
  std::vector<LabelledFilm> films;
  std::vector<ConsentRecord> consents;  // of consent/, as read
  uint64_t n_refused = 0;               // cannot be read as a film
  uint64_t n_unlabelled = 0;            // no label, or one that is none of the classes
  uint64_t n_outside_age = 0;           // the model abstains on them
};

struct LabelledSetOptions {
  fs::path folder;  // films, labels.csv; consent/*.json where there is training
  std::string profile;
  std::vector<std::string> classes;
  int min_age_years = 0;
  SiteSecret secret;  // pseudonyms under one secret can be compared between folders
  int threads = 2;
};

// Reads every film once. Pixels are not kept on disk.
// NotFound: no such folder or profile. InvalidArgument: labels.csv. FailedPrecondition: no film is
// left; the sentence counts why.
absl::StatusOr<LabelledSet> ReadLabelledSet(const LabelledSetOptions& options);

// What happens to each image before the network sees it: nothing, or an ablation of the leak audit.
using Ablation = void (*)(std::span<float> pixels, int height, int width);

// Probabilities for every film, in order; `sites` of the result holds the films' sources.
// Errors: as models::Network::Predict.
absl::StatusOr<evaluation::Predictions> PredictAll(const models::Network& network,
                                                   const LabelledSet& set,
                                                   Ablation ablation = nullptr);

// The rows of the leak audit that the model itself gives: its balanced accuracy, and its AUROC on
// films with a part taken away. A row that the films do not define stays empty.
// Errors: as PredictAll.
absl::Status AddModelRows(const models::Network& network, const LabelledSet& set,
                          const evaluation::Predictions& predictions, evaluation::AuditRows& rows);

// The films of a set as a baseline takes them; they must outlive the result.
evaluation::BaselineFilms BaselineFilmsOf(const LabelledSet& set);

// {site: {class: films}}, and the audit's warning: sites whose films are all of one class.
std::string ClassBySiteJson(const evaluation::ClassBySite& table);

// One model's report on the set as JSON: evaluation::ToJson(ModelReport), and "by_source" with one
// such object for each source that has every class.
absl::StatusOr<std::string> ReportJson(const std::string& name,
                                       const evaluation::Predictions& predictions,
                                       const std::vector<std::string>& classes);

// A threshold a class, in the order of the classes, and what it was chosen on.
struct ChosenPoints {
  std::vector<evaluation::OperatingPoint> points;
  std::string chosen_on;     // for people
  int64_t n_validation = 0;  // films; 0: chosen on none
};
// 0.5 for each class: a threshold that no film had a part in.
ChosenPoints HalfPoints(int n_classes);

// {"operating_point": {"chosen_on", "n_validation", "rows": [...]}, "subgroups": [...]} with
// evaluation::ToJson's rows: each class at its point on all films and on each source's, and by sex,
// age and view. Errors: as JudgeBySite, EvaluateSubgroups.
absl::StatusOr<std::string> BedsideJson(const LabelledSet& set,
                                        const evaluation::Predictions& predictions,
                                        const ChosenPoints& chosen);

struct EvaluateOptions {
  fs::path folder;  // films, labels.csv
  // Such a folder of other patients, on which the thresholds are chosen; empty: HalfPoints.
  fs::path validation;
  double sensitivity = 0.9;  // that each class's threshold reaches on the validation films
  int threads = 2;
};

// `hilum model evaluate`: {"model", "model_sha256", "round", "metrics", "operating_point",
// "subgroups", "leak_audit", "n", …}. The audit's rows that need training films are missing here,
// and say so: `hilum model compare` has them. FailedPrecondition: a patient, film or near-duplicate
// is in both folders; a class has fewer than evaluation::kMinCasesToShare validation films.
// InvalidArgument: sensitivity outside (0, 1]. Errors: as above, and as LoadNetwork.
absl::StatusOr<std::string> EvaluateModel(const VerifiedModel& model,
                                          const EvaluateOptions& options);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_EVALUATE_H_

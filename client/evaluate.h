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
#include "models/network.h"

namespace hilum::client {

// One labelled film, in memory only.
struct LabelledFilm {
  PreparedFilm film;
  std::string file;
  int label = 0;       // index into the classes
  std::string source;  // third column of labels.csv; may be empty
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

// `hilum model evaluate`: {"model", "model_sha256", "round", "metrics", "leak_audit", "n", …}. The
// audit's rows that need training films are missing here, and say so: `hilum model compare` has
// them. Errors: as above, and as LoadNetwork.
absl::StatusOr<std::string> EvaluateModel(const VerifiedModel& model, const fs::path& folder,
                                          int threads);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_EVALUATE_H_

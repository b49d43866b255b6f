#include "client/site_evaluation.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/evaluate.h"
#include "client/network.h"
#include "crypto/hash.h"
#include "crypto/mac.h"
#include "evaluation/calibration.h"
#include "evaluation/report.h"
#include "proto/canonical_json.h"

namespace hilum::client {
namespace {

constexpr char kLargestProbability[] = "0";  // the operating point

// Leaves out the films whose patient has a Consent on file that does not permit.
uint64_t DropDenied(const ActiveSet& consents, LabelledSet& set) {
  return std::erase_if(set.films, [&consents](const LabelledFilm& one) {
    const auto known = consents.patients().find(one.film.patient());
    return known != consents.patients().end() && !known->second.empty();
  });
}

Digest PixelDigest(const PreparedFilm& film) {
  const std::vector<float>& pixels = film.pixels();
  return crypto::Sha256(
      ByteView(reinterpret_cast<const uint8_t*>(pixels.data()), pixels.size() * sizeof(float)));
}

Digest CommitSet(const SiteSecret& secret, const LabelledSet& set) {
  std::vector<std::string> lines;
  for (const LabelledFilm& one : set.films) {
    lines.push_back(
        absl::StrCat(one.film.sop(), " ", one.label, " ", ToHex(PixelDigest(one.film)), "\n"));
  }
  std::sort(lines.begin(), lines.end());
  crypto::Sha256Stream content;
  for (const std::string& line : lines) content.Update(line);
  const Digest films = content.Finish();
  Bytes message;
  AppendText(message, "dataset");
  AppendU8(message, 0);
  AppendBytes(message, films);
  crypto::Sha256Stream commitment;
  commitment.Update("hilum-dataset/v1\n");
  commitment.Update(crypto::HmacSha256(secret.bytes, message));
  commitment.Update(films);
  return commitment.Finish();
}

// "COVID-19" -> "covid-19": an entry's names are codes.
std::string CodeOf(const std::string& name) {
  std::string code = absl::AsciiStrToLower(name);
  for (char& c : code) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '-') c = '_';
  }
  return code.substr(0, 64);
}

absl::Status AddMetric(const std::string& name, const evaluation::Estimate& estimate,
                       std::vector<ledger_anchor::Metric>& metrics) {
  if (estimate.n <= 0) return absl::OkStatus();  // the films do not define it
  HILUM_ASSIGN_OR_RETURN(std::string value, proto::FormatDecimal(estimate.value));
  metrics.push_back(
      {.name = name, .value = std::move(value), .n = static_cast<uint64_t>(estimate.n)});
  return absl::OkStatus();
}

absl::StatusOr<ledger_anchor::List<ledger_anchor::Metric>> MetricsOf(
    const evaluation::ModelReport& report) {
  ledger_anchor::List<ledger_anchor::Metric> list;
  HILUM_RETURN_IF_ERROR(AddMetric("balanced_accuracy", report.balanced_accuracy, list.items));
  HILUM_RETURN_IF_ERROR(AddMetric("accuracy", report.accuracy, list.items));
  HILUM_RETURN_IF_ERROR(AddMetric("brier", report.brier, list.items));
  HILUM_RETURN_IF_ERROR(AddMetric("ece", report.calibration_error, list.items));
  std::set<std::string> names;
  for (size_t k = 0; k < report.auroc.size() && list.items.size() < ledger_anchor::kListLimit;
       ++k) {
    const std::string name = absl::StrCat("auroc_", CodeOf(report.classes[k]));
    if (!names.insert(name).second) continue;
    HILUM_RETURN_IF_ERROR(AddMetric(name, report.auroc[k], list.items));
  }
  list.n = list.items.size();
  return list;
}

}  // namespace

absl::StatusOr<SiteEvaluation> EvaluateForLedger(const EvaluationInputs& inputs) {
  const VerifiedModel& model = inputs.model;
  if (model.round() == 0) {
    return absl::FailedPreconditionError(
        absl::StrCat("model ", model.job(), " is version 0: no round has made it."));
  }
  HILUM_ASSIGN_OR_RETURN(const models::Network network, LoadNetwork(model, inputs.layers));
  HILUM_ASSIGN_OR_RETURN(LabelledSet set, ReadLabelledSet({.folder = inputs.data,
                                                           .profile = model.profile(),
                                                           .classes = model.classes(),
                                                           .min_age_years = model.min_age_years(),
                                                           .secret = inputs.secret,
                                                           .threads = inputs.threads}));
  SiteEvaluation result;
  result.n_left_out = DropDenied(inputs.consents, set);
  result.n_films = set.films.size();
  if (set.films.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat(inputs.data.string(), " holds no film that may be judged: ", result.n_left_out,
                     " are of patients whose Consent does not permit it."));
  }
  if (result.n_films < uint64_t{evaluation::kMinCasesToShare}) {
    return absl::FailedPreconditionError(
        absl::StrCat(set.films.size(), " films may be judged; everybody can read an entry, so its ",
                     "numbers must rest on at least ", evaluation::kMinCasesToShare, "."));
  }
  HILUM_ASSIGN_OR_RETURN(const evaluation::Predictions predictions, PredictAll(network, set));
  HILUM_ASSIGN_OR_RETURN(const evaluation::ModelReport report,
                         evaluation::Evaluate(model.job(), predictions, model.classes()));
  result.report = evaluation::ToJson(report);
  ledger_anchor::Evaluation body{.model = model.sha256(),
                                 .round = model.round(),
                                 .site = inputs.site,
                                 .dataset = CommitSet(inputs.secret, set),
                                 .metrics = {},
                                 .operating_point = kLargestProbability};
  HILUM_ASSIGN_OR_RETURN(body.metrics, MetricsOf(report));
  result.entry = {.study = model.job(), .body = std::move(body)};
  return result;
}

}  // namespace hilum::client

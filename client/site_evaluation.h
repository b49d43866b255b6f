// What a site says in the ledger about a model on films of its own (`evaluation`, ledger.md 3.3).
#ifndef HILUM_CLIENT_SITE_EVALUATION_H_
#define HILUM_CLIENT_SITE_EVALUATION_H_

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "base/file.h"
#include "client/consent_gate.h"
#include "client/ledger_gate.h"
#include "client/own_entry.h"
#include "client/pseudonym.h"

namespace hilum::client {

struct EvaluationInputs {
  const VerifiedModel& model;
  fs::path data;  // films and labels.csv
  const std::string& site;
  const SiteSecret& secret;
  const ActiveSet& consents;  // of the site
  int threads = 2;
  std::vector<float> layers{};  // what stays at the site (LayersFor of local_layers.h)
};

struct SiteEvaluation {
  OwnEntry entry;  // of an Evaluation
  const ledger_anchor::Evaluation& body() const {
    return std::get<ledger_anchor::Evaluation>(entry.body);
  }
  std::string report;  // of all metrics with intervals, JSON; it stays at the site
  uint64_t n_films = 0;
  uint64_t n_left_out = 0;  // their patient's Consent on file does not permit
};

// The model's metrics on the folder's films: balanced accuracy, accuracy, Brier score, calibration
// error, and the AUROC of each class. The class of largest probability is called, so the operating
// point is 0. Only numbers and counts are in the entry; the set of films is
//   H("hilum-dataset/v1" LF || nonce (32) || content), where
//   content = H over the sorted lines "<sop pseudonym> <label index> <SHA-256 of pixels>" LF and
//   nonce = HMAC-SHA256(site secret, "dataset" || 0x00 || content):
// nobody without the secret can try out sets, and the site can open it from the same folder.
// A film whose patient has a Consent on file that does not permit is left out; reference films of
// patients without one are judged. Errors: as ReadLabelledSet (evaluate.h), LoadNetwork and
// evaluation::Evaluate; FailedPrecondition: the model is version 0, which no round made, or fewer
// than evaluation::kMinCasesToShare films may be judged.
absl::StatusOr<SiteEvaluation> EvaluateForLedger(const EvaluationInputs& inputs);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_SITE_EVALUATION_H_

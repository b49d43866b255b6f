// What a federation is worth: the same recipe on each site's films alone and on all films in one
// place, beside the federated model, on a common test set. Figures come out, weights never do.
#ifndef HILUM_CLIENT_COMPARE_H_
#define HILUM_CLIENT_COMPARE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/file.h"
#include "client/ledger_gate.h"
#include "proto/round_plan.h"

namespace hilum::client {

struct CompareOptions {
  proto::RoundPlan plan;       // of the job, its rounds those of the whole run
  fs::path initial_model;      // folder of version 0
  std::vector<fs::path> data;  // one folder a site, named as the site; consent/ counts here too
  fs::path test;               // the common test set
  const VerifiedModel* federated = nullptr;  // may be null
  // Trains, for each source of films, a network that sees none of them, and judges it on the test
  // films of that source: the row "leave one site out" of the audit. As many trainings as sources.
  bool leave_out = false;
  int workers = 2;    // models that are trained at the same time, one thread each
  int64_t now_s = 0;  // consents are judged at this moment
  std::function<void(uint64_t done, uint64_t total)> on_progress;  // training steps; may be empty
  const std::atomic<bool>* cancel = nullptr;
};

// Local-only and pooled networks start from version 0 and see their own films rounds *
// local_epochs times, in slices of a round, with the plan's optimizer and schedule, as one site of
// the federation does, but without the noise of [privacy]: what that costs is part of the
// difference. The last weights are the ones judged, of every model alike. Returns
//   {"metrics": {"local_only": {site: R}, "pooled": R, "federated": R, "source_only_baseline": R},
//    "differences": {name: {"difference", "ci95", "n", "method", "auroc": {the same}}},
//    "leak_audit": {…, "leave_one_out": {source: {"n_train", "n_samples_seen", "metrics": R}}}, …}
//   with BedsideJson (evaluate.h) of the federated model, or of the pooled one where there is none,
//   and "note" where the job has differential privacy,
// with R as ReportJson's; the trained networks also say "n_train" (films) and "n_samples_seen".
// Differences are of balanced accuracy, federated minus the other, by paired bootstrap over
// patients, and under "auroc" of the mean AUROC (paired DeLong for two classes and one film a
// patient). Baselines of the audit are compared with the federated model, and with the pooled one
// where there is none. FailedPrecondition: a patient, film or near-duplicate is in training and
// test: such figures would mean nothing; or a site has no film left. InvalidArgument, NotFound:
// folders, plan and models do not fit. DataLoss: a training became NaN. Cancelled: the flag was
// set.
absl::StatusOr<std::string> Compare(const CompareOptions& options);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_COMPARE_H_

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
  int workers = 2;    // models that are trained at the same time, one thread each
  int64_t now_s = 0;  // consents are judged at this moment
  std::function<void(uint64_t done, uint64_t total)> on_progress;  // training steps; may be empty
  const std::atomic<bool>* cancel = nullptr;
};

// Local-only and pooled networks start from version 0 and see their own films rounds *
// local_epochs times, in slices of a round, with the plan's optimizer and schedule, as one site of
// the federation does; the last weights are the ones judged, of every model alike. Returns
//   {"metrics": {"local_only": {site: R}, "pooled": R, "federated": R, "source_only_baseline": R},
//    "differences": {name: {"difference", "ci95", "n", "method"}}, "leak_audit": {…}, …}
// with R as ReportJson's, and differences of balanced accuracy, federated minus the other, by
// paired bootstrap over patients. FailedPrecondition: a patient, film or near-duplicate is in
// training and test: such figures would mean nothing; or a site has no film left. InvalidArgument,
// NotFound: folders, plan and models do not fit. DataLoss: a training became NaN. Cancelled: the
// flag was set.
absl::StatusOr<std::string> Compare(const CompareOptions& options);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_COMPARE_H_

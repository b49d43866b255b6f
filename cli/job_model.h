// The released model of a round, with its proof, as a folder.
#ifndef HILUM_CLI_JOB_MODEL_H_
#define HILUM_CLI_JOB_MODEL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/file.h"
#include "cli/job_credentials.h"
#include "ledger_anchor/gate.h"
#include "proto/model_json.h"
#include "proto/round_plan.h"

namespace hilum::cli {

// What the ledger proves about one round's model.
struct ProvenModel {
  Digest sha256{};
  std::string proof;   // the tlog-proof of its round-close
  std::string policy;  // the tlog-policy it was checked with
  uint64_t index = 0;  // of the entry
  uint64_t round = 0;
  std::vector<std::string> cohort, dropped;
  std::vector<ledger_anchor::Metric> metrics;
  bool quorum_none = false;  // no witness vouches for the log
};

struct ModelClaim {
  std::string job;
  uint64_t round = 0;
  std::string proof;  // as the server sent it
  uint64_t now_s = 0;
};

// An entry that the ledger proves to the lead.
struct ProvenForLead {
  ledger_anchor::ProvenEntry entry;
  std::string policy;  // the tlog-policy it was checked with
};
// DataLoss: the proof does not verify, or is not of an entry of this type about this job; `round`
// only counts where the type has one. PermissionDenied: the quorum of the policy.
absl::StatusOr<ProvenForLead> CheckLeadProof(const LeadCredentials& credentials,
                                             const ModelClaim& claim, const std::string& type);

// Checks the proof against what the credentials pin, and reads what it says.
// DataLoss: the proof does not verify, or is not of this job's round. FailedPrecondition: the round
// was aborted, so it made no model.
absl::StatusOr<ProvenModel> CheckModelProof(const LeadCredentials& credentials,
                                            const ModelClaim& claim);

// Parses the file against the plan and writes model.safetensors, model.json, MODEL_CARD.md,
// round.tlog-proof and policy into `out`. Returns what model.json says.
// DataLoss: the file is not a model of this plan, or its SHA-256 is not the proven one.
absl::StatusOr<proto::ModelDescription> WriteModelFolder(const fs::path& out,
                                                         const proto::RoundPlan& plan,
                                                         const ProvenModel& proven,
                                                         const LeadCredentials& credentials,
                                                         ByteView file);

}  // namespace hilum::cli

#endif  // HILUM_CLI_JOB_MODEL_H_

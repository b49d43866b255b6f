// A job's released model: the files that model.sig signs, as a folder.
#ifndef HILUM_CLI_JOB_RELEASE_H_
#define HILUM_CLI_JOB_RELEASE_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/file.h"
#include "cli/job_credentials.h"
#include "cli/job_model.h"
#include "proto/model_json.h"
#include "proto/round_plan.h"

namespace hilum::cli {

// What the ledger proves about a released model, and the signature that its entry names.
struct ProvenRelease {
  Digest bundle{};              // of model.sig
  Digest files{};               // of the signed files (ledger_anchor/release_bundle.h)
  std::vector<Digest> objects;  // the model's file among them
  std::string proof;            // the tlog-proof of the model-release
  std::string policy;           // the tlog-policy it was checked with
  uint64_t index = 0;
  uint64_t round = 0;
  bool quorum_none = false;
};

// As CheckModelProof, of a model-release of the round. NotFound: its entry names no signature: an
// older server made it.
absl::StatusOr<ProvenRelease> CheckReleaseProof(const LeadCredentials& credentials,
                                                const ModelClaim& claim);

// Gives a file of the release. Errors as JobClient::FetchModel.
using FetchFile = std::function<absl::StatusOr<Bytes>(const Digest& digest, uint64_t limit_bytes)>;

// Fetches model.sig and each file that it signs, checks them all, and writes them, the proof and
// the policy into `out`. Returns what model.json says.
// DataLoss: a file or the signature is not what the ledger and `credentials` say, or the model is
// not one of this plan; nothing is written then. InvalidArgument: `out` holds something else.
absl::StatusOr<proto::ModelDescription> WriteReleaseFolder(const fs::path& out,
                                                           const proto::RoundPlan& plan,
                                                           const ProvenRelease& proven,
                                                           const LeadCredentials& credentials,
                                                           const FetchFile& fetch);

}  // namespace hilum::cli

#endif  // HILUM_CLI_JOB_RELEASE_H_

// The only door through which weights enter a network.
#ifndef HILUM_CLIENT_NETWORK_H_
#define HILUM_CLIENT_NETWORK_H_

#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "base/file.h"
#include "base/model_spec.h"
#include "client/ledger_gate.h"
#include "models/architecture.h"
#include "models/network.h"
#include "proto/round_plan.h"

namespace hilum::client {

// What models/ needs to know to build the network of a plan. `input_size` follows from the
// profile. NotFound: an unknown profile.
absl::StatusOr<models::ArchitectureOptions> ArchitectureOf(const proto::ModelPlan& model);

// The same of a verified model.
models::ArchitectureOptions ArchitectureOf(const VerifiedModel& model);

// Builds the network of a verified model. `local`: what stays at this site (local_layers.h).
// InvalidArgument, NotFound: this program does not know the architecture, or its layout differs.
// FailedPrecondition: the model keeps layers at each site, and `local` is empty.
absl::StatusOr<models::Network> LoadNetwork(const VerifiedModel& model,
                                            std::span<const float> local = {});

// Version 0 as `hilum model init` made it: what a comparison starts from. No ledger has seen it
// before a job's first round, so it has no proof; therefore nothing that grows out of it is ever
// written or sent (compare.h makes figures of it, and only those). Only ReadInitialModel makes one.
class InitialModel {
 public:
  const Digest& sha256() const { return sha256_; }

 private:
  friend absl::StatusOr<InitialModel> ReadInitialModel(const fs::path& folder,
                                                       const proto::RoundPlan& plan);
  friend absl::StatusOr<models::Network> LoadForComparison(const InitialModel& model);
  InitialModel() = default;
  models::ArchitectureOptions options_;
  ModelSpec spec_;
  std::vector<float> flat_;
  Digest sha256_{};
};

// `folder` holds model.safetensors. InvalidArgument: it is not of round 0 or not of the plan's
// layout. NotFound: no such file. DataLoss: not a model.
absl::StatusOr<InitialModel> ReadInitialModel(const fs::path& folder, const proto::RoundPlan& plan);

// Errors as LoadNetwork.
absl::StatusOr<models::Network> LoadForComparison(const InitialModel& model);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_NETWORK_H_

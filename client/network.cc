#include "client/network.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "dicom/profile.h"
#include "models/initial_weights.h"
#include "models/load.h"
#include "proto/safetensors.h"

namespace hilum::client {

absl::StatusOr<models::ArchitectureOptions> ArchitectureOf(const proto::ModelPlan& model) {
  HILUM_ASSIGN_OR_RETURN(const dicom::Profile profile, dicom::FindProfile(model.profile));
  return models::ArchitectureOptions{.name = model.architecture,
                                     .n_classes = static_cast<int>(model.classes.size()),
                                     .norm = model.norm,
                                     .input_size = profile.size_px,
                                     .local_layers = model.local_layers};
}

models::ArchitectureOptions ArchitectureOf(const VerifiedModel& model) {
  return {.name = model.spec().architecture,
          .n_classes = static_cast<int>(model.classes().size()),
          .norm = model.norm(),
          .input_size = model.input_size(),
          .local_layers = model.local_layers()};
}

absl::StatusOr<models::Network> LoadNetwork(const VerifiedModel& model,
                                            std::span<const float> local) {
  const models::ArchitectureOptions options = ArchitectureOf(model);
  HILUM_ASSIGN_OR_RETURN(const ModelSpec kept, models::LocalSpecOf(options));
  if (!kept.tensors.empty() && local.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the model of job ", model.job(), " keeps ", kept.tensors.size(),
                     " tensors at each site (norm ", model.norm(),
                     "), so by itself it is not whole; `hilum infer --site DIR` and `hilum site "
                     "evaluate` add a site's."));
  }
  return models::Load(options, model.spec(), model.flat(), local);
}

absl::StatusOr<InitialModel> ReadInitialModel(const fs::path& folder,
                                              const proto::RoundPlan& plan) {
  InitialModel model;
  HILUM_ASSIGN_OR_RETURN(model.options_, ArchitectureOf(plan.model));
  HILUM_ASSIGN_OR_RETURN(model.spec_, models::SpecOf(model.options_));
  const uint64_t limit = proto::SafetensorsLimitBytes(model.spec_.n_params());
  HILUM_ASSIGN_OR_RETURN(const Bytes file, ReadFile(folder / "model.safetensors", limit));
  HILUM_ASSIGN_OR_RETURN(proto::SafetensorsFile parsed,
                         proto::ParseSafetensorsAs(file, model.spec_));
  const auto round = parsed.metadata.find("round");
  if (round != parsed.metadata.end() && round->second != "0") {
    return absl::InvalidArgumentError(
        absl::StrCat("the model in ", folder.string(), " is of round ", round->second,
                     "; a comparison starts from version 0, as the federation did."));
  }
  model.flat_ = std::move(parsed.flat);
  model.sha256_ = crypto::Sha256(file);
  return model;
}

absl::StatusOr<models::Network> LoadForComparison(const InitialModel& model) {
  HILUM_ASSIGN_OR_RETURN(const std::vector<float> local, models::InitialLocal(model.options_));
  return models::Load(model.options_, model.spec_, model.flat_, local);
}

}  // namespace hilum::client

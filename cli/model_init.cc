#include "cli/model_init.h"

#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/file.h"
#include "base/ids.h"
#include "base/status_macros.h"
#include "cli/output.h"
#include "crypto/hash.h"
#include "dicom/profile.h"
#include "models/architecture.h"
#include "models/initial_weights.h"
#include "proto/model_json.h"
#include "proto/safetensors.h"

namespace hilum::cli {
namespace {

// As in JOB.toml (docs/job.md): another model could be of no job.
constexpr int kMaxAgeYears = 150;
constexpr size_t kMinClasses = 2, kMaxClasses = 16;

absl::Status CheckClasses(const std::vector<std::string>& classes) {
  if (classes.size() < kMinClasses || classes.size() > kMaxClasses) {
    return absl::InvalidArgumentError(absl::StrCat("--classes has ", classes.size(),
                                                   " names, it must have ", kMinClasses, " to ",
                                                   kMaxClasses));
  }
  for (const std::string& name : classes) HILUM_RETURN_IF_ERROR(CheckName("the class", name));
  const std::set<std::string> distinct(classes.begin(), classes.end());
  if (distinct.size() != classes.size()) {
    return absl::InvalidArgumentError(absl::StrCat("the classes ", absl::StrJoin(classes, ","),
                                                   " name one twice, each must be named once"));
  }
  return absl::OkStatus();
}

// What model.json and JOB.toml can hold.
absl::Status CheckLocalLayers(const std::vector<std::string>& patterns) {
  if (patterns.size() <= proto::kLocalLayersLimit) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("--local has ", patterns.size(),
                                                 " patterns, at most ", proto::kLocalLayersLimit,
                                                 " are possible"));
}

// The profile that was asked for, or the one of the network's own size.
absl::StatusOr<dicom::Profile> ProfileOf(const ModelInitFlags& flags) {
  if (!flags.profile.empty()) return dicom::FindProfile(flags.profile);
  HILUM_ASSIGN_OR_RETURN(const models::Architecture architecture,
                         models::FindArchitecture(flags.architecture));
  return dicom::FindProfile(absl::StrCat("cxr", architecture.input_size));
}

absl::Status CheckFolder(const fs::path& out) {
  for (const char* name : {"model.safetensors", "model.json"}) {
    std::error_code error;
    if (fs::exists(out / name, error)) {
      return absl::InvalidArgumentError(
          absl::StrCat((out / name).string(), " exists already; choose another --out"));
    }
  }
  return MakeFolder(out);
}

nlohmann::ordered_json ToJson(const proto::ModelDescription& model, const fs::path& out) {
  return {{"architecture", model.architecture}, {"classes", model.classes},
          {"profile", model.profile},           {"n_params", model.n_params},
          {"sha256", ToHex(model.sha256)},      {"model_dir", out.string()}};
}

}  // namespace

absl::Status RunModelInit(const ModelInitFlags& flags) {
  HILUM_RETURN_IF_ERROR(CheckClasses(flags.classes));
  HILUM_RETURN_IF_ERROR(CheckLocalLayers(flags.local_layers));
  if (flags.min_age_years < 0 || flags.min_age_years > kMaxAgeYears) {
    return absl::InvalidArgumentError(absl::StrCat("--min-age is ", flags.min_age_years,
                                                   " years, it must be 0 to ", kMaxAgeYears));
  }
  HILUM_ASSIGN_OR_RETURN(const dicom::Profile profile, ProfileOf(flags));
  const models::ArchitectureOptions options{flags.architecture,
                                            static_cast<int>(flags.classes.size()), flags.norm,
                                            profile.size_px, flags.local_layers};
  HILUM_ASSIGN_OR_RETURN(const ModelSpec spec, models::SpecOf(options));
  HILUM_ASSIGN_OR_RETURN(const std::vector<float> weights,
                         models::InitialWeights(options, flags.seed));
  proto::ModelDescription model;
  model.architecture = flags.architecture;
  model.classes = flags.classes;
  model.norm = flags.norm;
  model.local_layers = flags.local_layers;
  model.profile = profile.name;
  model.profile_digest = crypto::Sha256(profile.canonical_text());
  model.input_size = {3, profile.size_px, profile.size_px};
  model.n_params = spec.n_params();
  model.min_age_years = flags.min_age_years;
  proto::SafetensorsMetadata metadata{{"architecture", flags.architecture},
                                      {"norm", flags.norm},
                                      {"classes", absl::StrJoin(flags.classes, ",")},
                                      {"min_age_years", absl::StrCat(flags.min_age_years)},
                                      {"profile", profile.name},
                                      {"profile_digest", ToHex(model.profile_digest)},
                                      {"round", "0"},
                                      {"job", ""},
                                      {"origin", ""}};
  if (!flags.local_layers.empty()) {
    metadata["local_layers"] = absl::StrJoin(flags.local_layers, ",");
  }
  HILUM_ASSIGN_OR_RETURN(const Bytes file, proto::EncodeSafetensors(spec, weights, metadata));
  model.sha256 = crypto::Sha256(file);
  const fs::path out(flags.out);
  HILUM_RETURN_IF_ERROR(CheckFolder(out));
  HILUM_RETURN_IF_ERROR(WriteFileDurably(out / "model.safetensors", file));
  HILUM_RETURN_IF_ERROR(
      WriteFileDurably(out / "model.json", AsBytes(proto::ModelDescriptionToJson(model))));
  if (flags.json) {
    PrintJson(ToJson(model, out));
  } else {
    Print(absl::StrCat("Version 0 of ", model.architecture, " (COVID-Net-style, reconstructed), ",
                       model.n_params, " parameters, ",
                       FormatBytes(static_cast<double>(file.size())), "\nSHA-256 ",
                       ToHex(model.sha256), "\n", (out / "model.safetensors").string(), "\n"));
  }
  return absl::OkStatus();
}

}  // namespace hilum::cli

#include "client/local_layers.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/network.h"
#include "client/round_files.h"
#include "client/sealed_file.h"
#include "client/site_folder.h"
#include "models/architecture.h"
#include "proto/safetensors.h"

namespace hilum::client {
namespace {

constexpr char kSuffix[] = ".layers";

absl::StatusOr<std::vector<float>> Read(const SealedFile& file, const ModelSpec& spec) {
  HILUM_ASSIGN_OR_RETURN(const Bytes bytes,
                         ReadSealed(file, proto::SafetensorsLimitBytes(spec.n_params())));
  absl::StatusOr<proto::SafetensorsFile> layers = proto::ParseSafetensorsAs(bytes, spec);
  if (!layers.ok()) {
    return absl::DataLossError(
        absl::StrCat(file.path.string(), " is of another network: ", layers.status().message()));
  }
  return std::move(layers->flat);
}

}  // namespace

LocalLayers::LocalLayers(const fs::path& root, absl::string_view job, const SiteSecret& secret)
    : folder_(root / std::string(job)), job_(job), secret_(secret) {}

std::string LocalLayers::PurposeOf(uint64_t round) const {
  return absl::StrCat("hilum/local-layers/v1 ", job_, " ", round);
}

absl::StatusOr<std::optional<std::vector<float>>> LocalLayers::Before(uint64_t round,
                                                                      const ModelSpec& spec) const {
  for (const auto& [number, path] : RoundFiles(folder_, kSuffix)) {
    if (number >= round) continue;
    const std::string purpose = PurposeOf(number);
    absl::StatusOr<std::vector<float>> values =
        Read({.path = path, .secret = secret_, .purpose = purpose}, spec);
    if (values.ok()) return *std::move(values);
    if (!absl::IsDataLoss(values.status())) return values.status();
    const fs::path aside = path.string() + ".refused";
    std::error_code error;
    fs::rename(path, aside, error);
    return absl::DataLossError(absl::StrCat(
        "the layers of job ", job_,
        " that stay at this site cannot be used: ", values.status().message(), "; ",
        error ? absl::StrCat("it cannot be set aside either: ", error.message())
              : absl::StrCat("it is set aside as ", aside.string(),
                             ", and the next round goes on from the file before it, or from the "
                             "first layers"),
        "."));
  }
  return std::nullopt;
}

absl::Status LocalLayers::Keep(uint64_t round, const ModelSpec& spec,
                               std::span<const float> values) const {
  HILUM_ASSIGN_OR_RETURN(const Bytes bytes, proto::EncodeSafetensors(spec, values, {}));
  HILUM_RETURN_IF_ERROR(MakeFolder(folder_));
  const std::string purpose = PurposeOf(round);
  HILUM_RETURN_IF_ERROR(WriteSealed(
      {.path = folder_ / absl::StrCat(round, kSuffix), .secret = secret_, .purpose = purpose},
      bytes));
  DropRoundFiles(folder_, kSuffix, round);
  return absl::OkStatus();
}

absl::StatusOr<std::vector<float>> LayersFor(const VerifiedModel& model, const fs::path& site) {
  HILUM_ASSIGN_OR_RETURN(const ModelSpec spec, models::LocalSpecOf(ArchitectureOf(model)));
  if (spec.tensors.empty()) return std::vector<float>();
  const std::string kept =
      absl::StrCat("the model of job ", model.job(), " keeps ", spec.tensors.size(),
                   " tensors at each site, so by itself it is not whole; ");
  if (site.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(kept, "name a site's folder with --site."));
  }
  const SiteFolder folder{site};
  HILUM_ASSIGN_OR_RETURN(const SiteSecret secret, LoadSiteSecret(folder.pseudonym_secret()));
  const LocalLayers layers(folder.local(), model.job(), secret);
  HILUM_ASSIGN_OR_RETURN(std::optional<std::vector<float>> values,
                         layers.Before(model.round() + 1, spec));
  if (values.has_value()) return *std::move(values);
  return absl::FailedPreconditionError(
      absl::StrCat(kept, "the site in ", site.string(), " holds none of round ", model.round(),
                   " or before: it has trained in no such round, or has only those of the newest ",
                   kRoundsKept, " rounds."));
}

}  // namespace hilum::client

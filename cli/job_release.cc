#include "cli/job_release.h"

#include <map>
#include <system_error>
#include <utility>
#include <variant>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "ledger_anchor/release_bundle.h"
#include "proto/safetensors.h"

namespace hilum::cli {
namespace {

constexpr uint64_t kTextLimitBytes = 1 << 20;
constexpr char kModel[] = "model.safetensors";
constexpr char kDescription[] = "model.json";

using Files = std::map<std::string, Bytes>;

absl::Status Other(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("the release's ", what, "."));
}

absl::StatusOr<Bytes> FetchHashed(const FetchFile& fetch, absl::string_view name,
                                  const Digest& digest, uint64_t limit_bytes) {
  HILUM_ASSIGN_OR_RETURN(Bytes file, fetch(digest, limit_bytes));
  if (crypto::Sha256(file) == digest) return file;
  return Other(absl::StrCat(name, " hashes to ", ToHex(crypto::Sha256(file)), ", signed is ",
                            ToHex(digest)));
}

// model.sig is the one that the entry names, and of the key that the credentials pin.
absl::StatusOr<ledger_anchor::ReleaseBundle> CheckBundle(const proto::RoundPlan& plan,
                                                         const ProvenRelease& proven,
                                                         const LeadCredentials& credentials,
                                                         absl::string_view text) {
  HILUM_ASSIGN_OR_RETURN(ledger_anchor::ReleaseBundle bundle,
                         ledger_anchor::ParseReleaseBundle(text));
  if (ledger_anchor::FilesDigest(bundle.files) != proven.files) {
    return Other("model.sig signs other files than the ledger names");
  }
  if (bundle.name != plan.job) {
    return Other(absl::StrCat("model.sig is of ", bundle.name, ", not of ", plan.job));
  }
  if (!credentials.release_key.empty()) {
    HILUM_RETURN_IF_ERROR(ledger_anchor::VerifyReleaseBundle(bundle, credentials.release_key));
  }
  return bundle;
}

absl::StatusOr<Files> FetchFiles(const ledger_anchor::ReleaseBundle& bundle,
                                 const proto::RoundPlan& plan, const FetchFile& fetch) {
  const uint64_t model_limit_bytes = proto::SafetensorsLimitBytes(plan.spec.n_params());
  Files files;
  for (const ledger_anchor::ReleaseFile& file : bundle.files) {
    const uint64_t limit_bytes = file.name == kModel ? model_limit_bytes : kTextLimitBytes;
    HILUM_ASSIGN_OR_RETURN(files[file.name],
                           FetchHashed(fetch, file.name, file.sha256, limit_bytes));
  }
  if (!files.contains(kModel) || !files.contains(kDescription)) {
    return Other("model.sig does not sign model.safetensors and model.json");
  }
  return files;
}

// The model is one of this plan, and model.json says what the plan says.
absl::StatusOr<proto::ModelDescription> CheckModel(const Files& files, const proto::RoundPlan& plan,
                                                   const ProvenRelease& proven,
                                                   const LeadCredentials& credentials) {
  const Bytes& file = files.at(kModel);
  const Digest sha256 = crypto::Sha256(file);
  if (!absl::c_linear_search(proven.objects, sha256)) {
    return Other(absl::StrCat("model has the SHA-256 ", ToHex(sha256),
                              ", which its ledger entry does not name"));
  }
  const auto parsed = proto::ParseSafetensorsAs(file, plan.spec);
  if (!parsed.ok()) return absl::DataLossError(parsed.status().message());
  HILUM_ASSIGN_OR_RETURN(
      const proto::ModelDescription expected,
      proto::DescribeModel(
          plan, {.round = proven.round, .origin = credentials.origin, .sha256 = sha256}));
  if (AsText(files.at(kDescription)) != proto::ModelDescriptionToJson(expected)) {
    return Other("model.json does not say what the job's plan and the ledger say");
  }
  return expected;
}

// Something else in the folder would make it fail every later check.
absl::Status CheckOut(const fs::path& out, const Files& files) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(out, error)) {
    const std::string name = entry.path().filename().string();
    if (files.contains(name) || absl::c_linear_search(ledger_anchor::kUnsignedFiles, name)) {
      continue;
    }
    return absl::InvalidArgumentError(absl::StrCat(
        out.string(), " holds ", name, ", which is not of this release; name another folder."));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ProvenRelease> CheckReleaseProof(const LeadCredentials& credentials,
                                                const ModelClaim& claim) {
  HILUM_ASSIGN_OR_RETURN(ProvenForLead checked,
                         CheckLeadProof(credentials, claim, "model-release"));
  const auto* release = std::get_if<ledger_anchor::ModelRelease>(&checked.entry.entry().body);
  if (release == nullptr || release->version != absl::StrCat(claim.round)) {
    return absl::DataLossError(
        absl::StrCat("the proven entry is not the release of round ", claim.round, "."));
  }
  if (!release->bundle.has_value()) {
    return absl::NotFoundError("the ledger's model-release names no signature.");
  }
  return ProvenRelease{.bundle = *release->bundle,
                       .files = release->files,
                       .objects = release->objects.items,
                       .proof = claim.proof,
                       .policy = std::move(checked.policy),
                       .index = checked.entry.place().index,
                       .round = claim.round,
                       .quorum_none = checked.entry.quorum_none()};
}

absl::StatusOr<proto::ModelDescription> WriteReleaseFolder(const fs::path& out,
                                                           const proto::RoundPlan& plan,
                                                           const ProvenRelease& proven,
                                                           const LeadCredentials& credentials,
                                                           const FetchFile& fetch) {
  HILUM_ASSIGN_OR_RETURN(const Bytes text,
                         FetchHashed(fetch, ledger_anchor::kBundleFileName, proven.bundle,
                                     ledger_anchor::kBundleTextLimitBytes));
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::ReleaseBundle bundle,
                         CheckBundle(plan, proven, credentials, AsText(text)));
  HILUM_ASSIGN_OR_RETURN(Files files, FetchFiles(bundle, plan, fetch));
  HILUM_ASSIGN_OR_RETURN(proto::ModelDescription model,
                         CheckModel(files, plan, proven, credentials));
  HILUM_RETURN_IF_ERROR(CheckOut(out, files));
  HILUM_RETURN_IF_ERROR(MakeFolder(out));
  files["round.tlog-proof"] = Bytes(proven.proof.begin(), proven.proof.end());
  files["policy"] = Bytes(proven.policy.begin(), proven.policy.end());
  files[std::string(ledger_anchor::kBundleFileName)] = text;
  for (const auto& [name, file] : files) {
    HILUM_RETURN_IF_ERROR(WriteFileDurably(out / name, file));
  }
  HILUM_RETURN_IF_ERROR(ledger_anchor::CheckReleaseFolder(bundle, out));
  return model;
}

}  // namespace hilum::cli

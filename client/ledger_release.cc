// LedgerGate::AdmitRelease: a released model folder, checked offline.
#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "client/ledger_gate.h"
#include "client/network.h"
#include "crypto/hash.h"
#include "ledger_anchor/proof.h"
#include "ledger_anchor/release_bundle.h"
#include "models/architecture.h"
#include "proto/model_json.h"
#include "proto/safetensors.h"

namespace hilum::client {
namespace {

using ledger_anchor::Entry;
using ledger_anchor::EntryPlace;
using ledger_anchor::GatePins;

constexpr uint64_t kModelLimitBytes = uint64_t{4} << 30;

// An entry of the log, and who vouches for it.
struct ReleasedEntry {
  Entry entry;
  EntryPlace place;
  std::string origin;
  bool quorum_none = false;
};

// The proof under the log's signature and the witnesses', without the aggregator's entry key.
absl::StatusOr<ReleasedEntry> CheckUnderLog(const ReleasePins& pins, absl::string_view text,
                                            uint64_t now_s) {
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::TlogProof proof, ledger_anchor::ParseTlogProof(text));
  HILUM_RETURN_IF_ERROR(ledger_anchor::CheckFaults(pins.policy, pins.faults));
  HILUM_ASSIGN_OR_RETURN(
      const ledger_anchor::PolicyResult result,
      ledger_anchor::CheckPolicy(pins.policy, proof.checkpoint,
                                 {.now_s = now_s, .max_age_s = pins.max_cosignature_age_s}));
  ReleasedEntry released;
  released.place = {proof.index, crypto::LeafHash(AsBytes(proof.extra))};
  HILUM_RETURN_IF_ERROR(ledger_anchor::VerifyInclusion({.index = proof.index,
                                                        .size = result.opened.checkpoint.size,
                                                        .leaf_hash = released.place.leaf_hash,
                                                        .root = result.opened.checkpoint.root},
                                                       proof.hashes));
  HILUM_ASSIGN_OR_RETURN(released.entry, ledger_anchor::ParseEntry(proof.extra));
  released.origin = result.opened.checkpoint.origin;
  released.quorum_none = result.quorum_none;
  return released;
}

// The same, and the entry's own signature under the pinned key.
absl::StatusOr<ReleasedEntry> CheckUnderPins(const ReleasePins& pins, absl::string_view text,
                                             uint64_t now_s) {
  HILUM_ASSIGN_OR_RETURN(ReleasedEntry released, CheckUnderLog(pins, text, now_s));
  if (pins.entry_key.has_value()) {
    HILUM_RETURN_IF_ERROR(
        ledger_anchor::VerifyEntrySignature(released.entry, released.origin, *pins.entry_key));
  }
  return released;
}

// OK when the entry says that `model` is what a round made.
absl::Status CheckNames(const Entry& entry, const Digest& model, uint64_t round) {
  if (const auto* close = std::get_if<ledger_anchor::RoundClose>(&entry.body)) {
    if (close->status != "ok") {
      return absl::DataLossError(absl::StrCat("the proof is of round ", close->round,
                                              ", which was aborted and made no model"));
    }
    if (close->model == model && close->round == round) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat("the model folder holds model ", ToHex(model),
                                            " of round ", round, ", the ledger's entry names ",
                                            ToHex(close->model), " of round ", close->round));
  }
  if (const auto* release = std::get_if<ledger_anchor::ModelRelease>(&entry.body)) {
    const std::vector<Digest>& objects = release->objects.items;
    if (std::find(objects.begin(), objects.end(), model) != objects.end()) {
      return absl::OkStatus();
    }
    return absl::DataLossError(absl::StrCat("the model folder holds model ", ToHex(model),
                                            ", which the ledger's model-release does not name"));
  }
  return absl::DataLossError(absl::StrCat("the proof is of an entry of type ",
                                          ledger_anchor::EntryType(entry),
                                          ", not of a round-close or model-release"));
}

// What the proven file says of itself must be what model.json says: only then can the class names
// and the age limit be believed.
absl::Status CheckDescription(const proto::SafetensorsFile& file,
                              const proto::ModelDescription& description) {
  const std::pair<const char*, std::string> fields[] = {
      {"architecture", description.architecture},
      {"norm", description.norm},
      {"classes", absl::StrJoin(description.classes, ",")},
      {"min_age_years", absl::StrCat(description.min_age_years)},
      {"profile", description.profile},
      {"profile_digest", ToHex(description.profile_digest)},
      {"round", absl::StrCat(description.round)},
      {"job", description.job},
      {"origin", description.origin}};
  for (const auto& [key, expected] : fields) {
    const auto found = file.metadata.find(key);
    if (found == file.metadata.end() || found->second != expected) {
      return absl::DataLossError(
          absl::StrCat("model.json says ", key, " \"", expected, "\", the proven file does not"));
    }
  }
  const auto layers = file.metadata.find("local_layers");  // only where some stay at the sites
  const std::string expected = absl::StrJoin(description.local_layers, ",");
  if ((layers == file.metadata.end() ? std::string() : layers->second) != expected) {
    return absl::DataLossError(
        absl::StrCat("model.json says local_layers \"", expected, "\", the proven file does not"));
  }
  return absl::OkStatus();
}

// model.sig is the one that the entry names, and the folder holds what it signs.
absl::StatusOr<ReleaseSignature> CheckBundle(const fs::path& folder, const Entry& entry,
                                             const ReleasePins& pins) {
  const auto* release = std::get_if<ledger_anchor::ModelRelease>(&entry.body);
  const absl::StatusOr<Bytes> text = ReadFile(folder / std::string(ledger_anchor::kBundleFileName),
                                              ledger_anchor::kBundleTextLimitBytes);
  if (release == nullptr || !release->bundle.has_value()) {
    if (absl::IsNotFound(text.status())) return ReleaseSignature::kNone;
    return absl::DataLossError("the folder holds model.sig, which the proven entry does not name");
  }
  if (!text.ok()) {
    return absl::DataLossError(
        absl::StrCat("the proven entry names model.sig: ", text.status().message()));
  }
  if (crypto::Sha256(*text) != *release->bundle) {
    return absl::DataLossError(absl::StrCat("model.sig has the SHA-256 ",
                                            ToHex(crypto::Sha256(*text)), ", the ledger says ",
                                            ToHex(*release->bundle)));
  }
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::ReleaseBundle bundle,
                         ledger_anchor::ParseReleaseBundle(AsText(*text)));
  if (ledger_anchor::FilesDigest(bundle.files) != release->files) {
    return absl::DataLossError("model.sig signs other files than the ledger names");
  }
  HILUM_RETURN_IF_ERROR(ledger_anchor::CheckReleaseFolder(bundle, folder));
  if (pins.release_key.empty()) return ReleaseSignature::kNamed;
  HILUM_RETURN_IF_ERROR(ledger_anchor::VerifyReleaseBundle(bundle, pins.release_key));
  return ReleaseSignature::kVerified;
}

absl::StatusOr<Bytes> ReadReleaseFile(const fs::path& path, uint64_t limit_bytes) {
  absl::StatusOr<Bytes> bytes = ReadFile(path, limit_bytes);
  if (absl::IsNotFound(bytes.status()) && path.filename() == "round.tlog-proof") {
    return absl::NotFoundError(
        absl::StrCat(path.string(),
                     " is missing, the ledger's proof, without which no model is used: only "
                     "released models have one, and `hilum job model` fetches it."));
  }
  if (absl::IsNotFound(bytes.status())) {
    return absl::NotFoundError(
        absl::StrCat(path.string(),
                     " is missing; a released model folder holds model.safetensors, model.json "
                     "and round.tlog-proof (hilum job model)."));
  }
  return bytes;
}

}  // namespace

absl::StatusOr<VerifiedModel> LedgerGate::AdmitRelease(const fs::path& folder,
                                                       const ReleasePins& pins, int64_t now_s) {
  HILUM_ASSIGN_OR_RETURN(const Bytes file,
                         ReadReleaseFile(folder / "model.safetensors", kModelLimitBytes));
  HILUM_ASSIGN_OR_RETURN(const Bytes json,
                         ReadReleaseFile(folder / "model.json", proto::kModelJsonLimitBytes));
  HILUM_ASSIGN_OR_RETURN(const Bytes proof, ReadReleaseFile(folder / "round.tlog-proof",
                                                            ledger_anchor::kProofLimitBytes));
  HILUM_ASSIGN_OR_RETURN(const ReleasedEntry released,
                         CheckUnderPins(pins, AsText(proof), static_cast<uint64_t>(now_s)));
  HILUM_ASSIGN_OR_RETURN(const ReleaseSignature signature,
                         CheckBundle(folder, released.entry, pins));
  HILUM_ASSIGN_OR_RETURN(const proto::ModelDescription description,
                         proto::ModelDescriptionFromJson(AsText(json)));
  const Digest sha256 = crypto::Sha256(file);
  HILUM_RETURN_IF_ERROR(CheckNames(released.entry, sha256, description.round));
  HILUM_ASSIGN_OR_RETURN(proto::SafetensorsFile parsed, proto::ParseSafetensors(file));
  HILUM_RETURN_IF_ERROR(CheckDescription(parsed, description));
  if (description.job != released.entry.study || description.origin != released.origin ||
      description.sha256 != sha256) {
    return absl::DataLossError("model.json names another job, ledger or file than the proof");
  }
  VerifiedModel model;
  model.spec_ = std::move(parsed.spec);
  model.flat_ = std::move(parsed.flat);
  model.sha256_ = sha256;
  model.norm_ = description.norm;
  model.local_layers_ = description.local_layers;
  model.classes_ = description.classes;
  model.profile_ = description.profile;
  model.profile_digest_ = description.profile_digest;
  model.input_size_ = static_cast<int>(description.input_size.back());
  model.min_age_years_ = description.min_age_years;
  model.job_ = description.job;
  model.round_ = description.round;
  model.origin_ = released.origin;
  model.entry_index_ = released.place.index;
  model.quorum_none_ = released.quorum_none;
  model.signature_ = signature;
  return model;
}

}  // namespace hilum::client

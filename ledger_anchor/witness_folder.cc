#include "ledger_anchor/witness_folder.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace hilum::ledger_anchor {
namespace {

constexpr uint64_t kVkeyLimitBytes = 1024;
constexpr char kKey[] = "witness.key";
constexpr char kVkey[] = "witness.vkey";
constexpr char kMemory[] = "witness.sqlite";

}  // namespace

std::string SiteWitnessName(absl::string_view origin, absl::string_view site) {
  return absl::StrCat(origin, "/witness/", site);
}

std::string SiteOfWitness(absl::string_view origin, absl::string_view name) {
  const bool is_site = absl::ConsumePrefix(&name, SiteWitnessName(origin, ""));
  return is_site ? std::string(name) : std::string();
}

absl::StatusOr<std::string> CreateWitness(const fs::path& folder, absl::string_view name) {
  HILUM_RETURN_IF_ERROR(CheckKeyName(name));
  HILUM_RETURN_IF_ERROR(MakeFolder(folder));
  const crypto::SigningKey key = crypto::SigningKey::Generate();
  std::string vkey =
      FormatVerifierKey(MakeVerifierKey(name, KeyType::kCosignature, key.public_key()));
  HILUM_RETURN_IF_ERROR(key.Save(folder / kKey));
  HILUM_RETURN_IF_ERROR(WitnessStore::Create(folder / kMemory, vkey));
  HILUM_RETURN_IF_ERROR(WriteFileDurably(folder / kVkey, AsBytes(vkey + "\n")));
  return vkey;
}

absl::StatusOr<OpenedWitness> OpenWitness(const fs::path& folder) {
  const absl::StatusOr<std::string> text = ReadTextFile(folder / kVkey, kVkeyLimitBytes);
  if (absl::IsNotFound(text.status())) {
    return absl::NotFoundError(absl::StrCat("there is no witness in ", folder.string()));
  }
  HILUM_RETURN_IF_ERROR(text.status());
  const std::string vkey(absl::StripSuffix(*text, "\n"));
  HILUM_ASSIGN_OR_RETURN(VerifierKey parsed, ParseVerifierKey(vkey));
  HILUM_ASSIGN_OR_RETURN(crypto::SigningKey key, crypto::SigningKey::Load(folder / kKey));
  if (parsed != MakeVerifierKey(parsed.name, KeyType::kCosignature, key.public_key())) {
    return absl::DataLossError(absl::StrCat((folder / kKey).string(), " is not the key that ",
                                            (folder / kVkey).string(), " names"));
  }
  HILUM_ASSIGN_OR_RETURN(std::unique_ptr<WitnessStore> store,
                         WitnessStore::Open(folder / kMemory, vkey));
  return OpenedWitness{std::move(parsed), std::move(key), std::move(store)};
}

}  // namespace hilum::ledger_anchor

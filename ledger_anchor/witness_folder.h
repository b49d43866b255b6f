// A witness's folder: its private key, its public key with its name, and its memory.
#ifndef HILUM_LEDGER_ANCHOR_WITNESS_FOLDER_H_
#define HILUM_LEDGER_ANCHOR_WITNESS_FOLDER_H_

#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "crypto/sign.h"
#include "ledger_anchor/note.h"
#include "ledger_anchor/witness_store.h"

namespace hilum::ledger_anchor {

// What the witness of a member of role site is called: ORIGIN/witness/SITE.
std::string SiteWitnessName(absl::string_view origin, absl::string_view site);

// The site whose witness has this name; empty: not one of a site.
std::string SiteOfWitness(absl::string_view origin, absl::string_view name);

// Makes the folder with a new key and an empty memory; returns the verifier key that logs and
// policies name. InvalidArgument: the name is no key name. AlreadyExists: there is a witness.
absl::StatusOr<std::string> CreateWitness(const std::filesystem::path& folder,
                                          absl::string_view name);

struct OpenedWitness {
  VerifierKey vkey;
  crypto::SigningKey key;
  std::unique_ptr<WitnessStore> store;
};
// NotFound: no witness there, or its memory is gone. DataLoss: the key is not that of the name.
// FailedPrecondition: the memory is another witness's.
absl::StatusOr<OpenedWitness> OpenWitness(const std::filesystem::path& folder);

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_WITNESS_FOLDER_H_

// The objects that entries name: their IPFS aliases, and sealed copies opened.
#ifndef HILUM_CLI_LEDGER_OBJECTS_H_
#define HILUM_CLI_LEDGER_OBJECTS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "cli/ledger_source.h"
#include "ledger_anchor/entry.h"
#include "ledger_anchor/fetch.h"

namespace hilum::cli {

struct ObjectAlias {
  std::string role;  // model, sealed copy, bundle, released file
  Digest object{};
  std::string cid;  // empty: the object is in no store at hand
};

// Of a round-close and a model-release; other entries name no model. DataLoss: an object is
// damaged. InvalidArgument: the ledger was taken from a URL, so no store is at hand.
absl::StatusOr<std::vector<ObjectAlias>> AliasesOf(const ledger_anchor::LedgerPlace& place,
                                                   const ledger_anchor::Entry& entry);

struct OpenFlags {
  LedgerFlags ledger;
  std::string object;    // 64 hexadecimal digits
  std::string identity;  // file
  std::string out;       // file
};

// Decrypts a sealed copy that a round-close names, when it holds that entry's model.
absl::Status RunOpen(const OpenFlags& flags);

}  // namespace hilum::cli

#endif  // HILUM_CLI_LEDGER_OBJECTS_H_

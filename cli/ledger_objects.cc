#include "cli/ledger_objects.h"

#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "cli/output.h"
#include "ledger_anchor/object.h"
#include "ledger_anchor/store.h"

namespace hilum::cli {
namespace {

using ledger_anchor::ModelRelease;
using ledger_anchor::RoundClose;
using ledger_anchor::Store;

// Empty: neither store has it.
absl::StatusOr<std::string> CidOf(const ledger_anchor::LedgerPlace& place, const Digest& digest) {
  for (const auto& folder : {place.objects, place.sealed}) {
    if (!folder.has_value()) continue;
    absl::StatusOr<std::string> cid =
        ledger_anchor::IpfsCidOf(Store::OpenForReading(*folder), digest);
    if (!absl::IsNotFound(cid.status())) return cid;
  }
  return std::string();
}

}  // namespace

absl::StatusOr<std::vector<ObjectAlias>> AliasesOf(const ledger_anchor::LedgerPlace& place,
                                                   const ledger_anchor::Entry& entry) {
  if (!place.objects && !place.sealed) {
    return absl::InvalidArgumentError(
        "an IPFS alias is made of an object's bytes, and no store (a folder objects/ or sealed/) "
        "lies beside this ledger");
  }
  std::vector<ObjectAlias> aliases;
  if (const auto* close = std::get_if<RoundClose>(&entry.body)) {
    aliases.push_back({.role = "model", .object = close->model, .cid = ""});
    if (close->object) {
      aliases.push_back({.role = "sealed copy", .object = *close->object, .cid = ""});
    }
  } else if (const auto* release = std::get_if<ModelRelease>(&entry.body)) {
    if (release->bundle) {
      aliases.push_back({.role = "bundle", .object = *release->bundle, .cid = ""});
    }
    for (const Digest& object : release->objects.items) {
      aliases.push_back({.role = "released file", .object = object, .cid = ""});
    }
  }
  for (ObjectAlias& alias : aliases) {
    HILUM_ASSIGN_OR_RETURN(alias.cid, CidOf(place, alias.object));
  }
  return aliases;
}

absl::Status RunOpen(const OpenFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const Digest object, DigestFromHex(flags.object));
  HILUM_ASSIGN_OR_RETURN(const LedgerSource source, OpenLedger(flags.ledger));
  const RoundClose* named = nullptr;
  for (const ledger_anchor::ViewEntry& one : source.view.entries) {
    const auto* close = std::get_if<RoundClose>(&one.entry.body);
    if (close != nullptr && close->object == object) named = close;
  }
  if (named == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("no round-close of this ledger names the sealed copy ", flags.object));
  }
  if (!source.place.sealed) {
    return absl::NotFoundError(
        absl::StrCat("no sealed copies (a folder sealed/) lie beside ", flags.ledger.from));
  }
  HILUM_RETURN_IF_ERROR(ledger_anchor::OpenSealedObject(
      Store::OpenForReading(*source.place.sealed),
      {.object = object, .plaintext = named->model, .identity = flags.identity, .out = flags.out}));
  if (flags.ledger.json) {
    PrintJson({{"object", flags.object},
               {"model", ToHex(named->model)},
               {"round", named->round},
               {"out", flags.out}});
  } else {
    Print(absl::StrCat("the model of round ", named->round, " is in ", flags.out, ": its SHA-256, ",
                       ToHex(named->model), ", is the one that the ledger names", "\n"));
  }
  return absl::OkStatus();
}

}  // namespace hilum::cli

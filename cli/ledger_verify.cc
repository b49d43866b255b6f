#include "cli/ledger_verify.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/bytes.h"
#include "base/status_macros.h"
#include "cli/output.h"
#include "ledger_anchor/fsck.h"
#include "ledger_anchor/store.h"

namespace hilum::cli {
namespace {

using ledger_anchor::LogView;
using ledger_anchor::RoundClose;
using ledger_anchor::VerifyDepth;
using nlohmann::ordered_json;

// Models and round records: what the entries themselves address.
std::set<Digest> NamedObjects(const LogView& view) {
  std::set<Digest> objects;
  for (const ledger_anchor::ViewEntry& one : view.entries) {
    const auto* close = std::get_if<RoundClose>(&one.entry.body);
    if (close == nullptr) continue;
    objects.insert({close->base_model, close->model});
    if (close->secagg) objects.insert(close->secagg->evidence);
  }
  return objects;
}

// Sealed copies that the entries address.
std::set<Digest> SealedObjects(const LogView& view) {
  std::set<Digest> objects;
  for (const ledger_anchor::ViewEntry& one : view.entries) {
    const auto* close = std::get_if<RoundClose>(&one.entry.body);
    if (close != nullptr && close->object) objects.insert(*close->object);
  }
  return objects;
}

struct ObjectCount {
  uint64_t n_checked = 0;
  uint64_t n_missing = 0;
};

absl::StatusOr<ObjectCount> CheckObjects(const std::filesystem::path& folder,
                                         const std::set<Digest>& named) {
  const auto store = ledger_anchor::Store::OpenForReading(folder);
  ObjectCount count;
  for (const Digest& digest : named) {
    const absl::Status status = store.Check(digest);
    if (absl::IsNotFound(status)) {
      ++count.n_missing;
      continue;
    }
    HILUM_RETURN_IF_ERROR(status);
    ++count.n_checked;
  }
  return count;
}

// Of the stores that lie beside the log.
struct ObjectCounts {
  std::optional<ObjectCount> objects;
  std::optional<ObjectCount> sealed;
};

absl::StatusOr<ObjectCounts> CheckStores(const LedgerSource& source) {
  ObjectCounts counts;
  if (source.place.objects) {
    HILUM_ASSIGN_OR_RETURN(counts.objects,
                           CheckObjects(*source.place.objects, NamedObjects(source.view)));
  }
  if (source.place.sealed) {
    HILUM_ASSIGN_OR_RETURN(counts.sealed,
                           CheckObjects(*source.place.sealed, SealedObjects(source.view)));
  }
  return counts;
}

ordered_json CountJson(const ObjectCount& count) {
  return {{"checked", count.n_checked}, {"missing", count.n_missing}};
}

ordered_json VerifyJson(const LedgerSource& source, bool hashes_only, const ObjectCounts& counts) {
  const LogView& view = source.view;
  ordered_json out = {{"verified", true}, {"depth", hashes_only ? "hashes" : "everything"}};
  out.update(LedgerJson(source));
  if (counts.objects) out["objects"] = CountJson(*counts.objects);
  if (counts.sealed) out["sealed"] = CountJson(*counts.sealed);
  out["entries"] = ordered_json::array();
  for (const ledger_anchor::ViewEntry& entry : view.entries) {
    out["entries"].push_back(EntryJson(entry));
  }
  return out;
}

std::string VerifyText(const LedgerSource& source, bool hashes_only, const ObjectCounts& counts) {
  const LogView& view = source.view;
  std::string text = absl::StrCat(
      view.checkpoint.origin, ": ", view.checkpoint.size, " entries verified: ",
      hashes_only ? "tree, tiles and encoding only"
                  : "tree, tiles, encoding, signatures, members and rounds",
      "\nroot     ", ToHex(view.checkpoint.root), "\nlog key  ", GenesisOf(view).log_vkey,
      "\ntrust    ", TrustOf(view), "\ncosigned ",
      source.cosigners.empty() ? "by no member's witness" : absl::StrJoin(source.cosigners, ", "),
      "\n");
  if (counts.objects) {
    absl::StrAppend(&text, "objects  ", counts.objects->n_checked,
                    " models and round records hash to their names, ", counts.objects->n_missing,
                    " are not in this store\n");
  }
  if (counts.sealed) {
    absl::StrAppend(&text, "sealed   ", counts.sealed->n_checked,
                    " sealed copies hash to their names, ", counts.sealed->n_missing,
                    " are not in this store\n");
  }
  return text;
}

}  // namespace

absl::Status RunVerify(const LedgerFlags& flags, bool hashes_only) {
  HILUM_ASSIGN_OR_RETURN(
      const LedgerSource source,
      OpenLedger(flags, hashes_only ? VerifyDepth::kHashes : VerifyDepth::kEverything));
  HILUM_ASSIGN_OR_RETURN(const ObjectCounts counts, CheckStores(source));
  if (flags.json) {
    PrintJson(VerifyJson(source, hashes_only, counts));
  } else {
    Print(VerifyText(source, hashes_only, counts));
  }
  return absl::OkStatus();
}

absl::Status RunFsck(const LedgerFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const LedgerSource source, OpenLedger(flags));
  if (!source.place.served) {
    return absl::InvalidArgumentError(absl::StrCat("fsck reads a folder, and ", flags.from,
                                                   " is a URL; `verify` checks a remote log"));
  }
  HILUM_ASSIGN_OR_RETURN(ledger_anchor::FsckReport report,
                         ledger_anchor::CheckServedFolder(source.view, *source.place.served));
  if (source.place.objects) {
    HILUM_RETURN_IF_ERROR(ledger_anchor::CheckStore(*source.place.objects, report));
  }
  if (source.place.sealed) {
    HILUM_RETURN_IF_ERROR(ledger_anchor::CheckStore(*source.place.sealed, report));
  }
  if (flags.json) {
    PrintJson({{"verified", report.faults.empty()},
               {"files", report.n_files},
               {"objects", report.n_objects},
               {"faults", report.faults}});
  } else {
    for (const std::string& fault : report.faults) Print(Printable(fault) + "\n");
    Print(absl::StrCat(report.n_files, " served files and ", report.n_objects,
                       " objects compared, ", report.faults.size(), " faults\n"));
  }
  if (report.faults.empty()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(report.faults.size(), " of ",
                                          report.n_files + report.n_objects,
                                          " files are not what they must be; bring them back ",
                                          "from a copy, or open the log again to rebuild tiles"));
}

}  // namespace hilum::cli

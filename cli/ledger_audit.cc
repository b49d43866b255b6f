#include "cli/ledger_audit.h"

#include <chrono>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "aggregator/replay.h"
#include "base/bytes.h"
#include "base/count.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "cli/ledger_anchors.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "ledger_anchor/page.h"
#include "ledger_anchor/policy.h"
#include "ledger_anchor/store.h"
#include "ledger_anchor/tiles.h"

namespace hilum::cli {
namespace {

using ledger_anchor::RoundEntries;
using ledger_anchor::Store;
using ledger_anchor::TileId;
using nlohmann::ordered_json;

constexpr uint64_t kObjectLimitBytes = uint64_t{4} << 30;

absl::StatusOr<RoundEntries> FindClosedRound(const LedgerFlags& flags, const LedgerSource& source,
                                             uint64_t round) {
  HILUM_ASSIGN_OR_RETURN(const RoundEntries found,
                         ledger_anchor::FindRound(source.view, round, flags.study));
  if (found.close == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("round ", round, " is open; there is something to replay once it is closed"));
  }
  if (!source.place.fetch_object) {
    return absl::InvalidArgumentError(
        absl::StrCat(flags.from, " holds the ledger without the store (a folder objects/ beside ",
                     "it); `hilum ledger export` writes both"));
  }
  return found;
}

std::optional<ledger_anchor::Entry> BeforeOf(const RoundEntries& entries) {
  if (entries.before == nullptr) return std::nullopt;
  return entries.before->entry;
}

std::vector<ledger_anchor::RoundClose> EarlierOf(const RoundEntries& entries) {
  std::vector<ledger_anchor::RoundClose> closes;
  for (const ledger_anchor::ViewEntry* one : entries.earlier) {
    closes.push_back(std::get<ledger_anchor::RoundClose>(one->entry.body));
  }
  return closes;
}

// A round that misses its evidence cannot be verified. A server does not serve the evidence of
// rounds, so over HTTP its absence says nothing against the round.
absl::Status AsVerification(const LedgerFlags& flags, const absl::Status& status) {
  if (!absl::IsNotFound(status)) return status;
  if (!absl::StrContains(flags.from, "://")) return absl::DataLossError(status.message());
  return absl::NotFoundError(
      absl::StrCat(flags.from,
                   " serves the ledger without the round's evidence; ask the operator for the "
                   "folder that `hilum ledger export` makes (",
                   status.message(), ")"));
}

absl::Status CheckEmptyFolder(const fs::path& folder) {
  std::error_code error;
  if (!fs::exists(folder, error) || fs::is_empty(folder, error)) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(folder.string(), " is not an empty folder; name a new one"));
}

// The served files of the verified log, made from its entries.
absl::Status WriteLog(const ledger_anchor::LogView& view, const fs::path& folder) {
  const auto write = [&folder](const std::string& path, ByteView bytes) -> absl::Status {
    HILUM_RETURN_IF_ERROR(MakeFolder((folder / path).parent_path()));
    return WriteFileDurably(folder / path, bytes);
  };
  std::vector<std::string> texts;
  for (const ledger_anchor::ViewEntry& entry : view.entries) texts.push_back(entry.text);
  for (const TileId& tile :
       ledger_anchor::TilesOfLevel(ledger_anchor::kEntriesLevel, texts.size())) {
    const auto part = std::span<const std::string>(texts).subspan(
        tile.index * ledger_anchor::kTileWidth, static_cast<size_t>(tile.width));
    HILUM_RETURN_IF_ERROR(write(ledger_anchor::TilePath(tile), ledger_anchor::EncodeBundle(part)));
  }
  for (int l = 0; l < view.hashes.n_levels(); ++l) {
    for (const TileId& tile : ledger_anchor::TilesOfLevel(l, texts.size())) {
      const auto part = view.hashes.level(l).subspan(tile.index * ledger_anchor::kTileWidth,
                                                     static_cast<size_t>(tile.width));
      HILUM_RETURN_IF_ERROR(write(ledger_anchor::TilePath(tile), ledger_anchor::EncodeTile(part)));
    }
  }
  return write("checkpoint", AsBytes(view.checkpoint_note));
}

struct Exported {
  size_t n_objects = 0;
  uint64_t size_bytes = 0;
};

absl::StatusOr<Exported> WriteObjects(const LedgerFlags& flags, const LedgerSource& source,
                                      uint64_t round, const fs::path& folder) {
  HILUM_ASSIGN_OR_RETURN(const RoundEntries entries, FindClosedRound(flags, source, round));
  const absl::StatusOr<std::vector<Digest>> objects = aggregator::ObjectsOfRound(
      source.place.fetch_object, entries.open->entry, entries.close->entry, BeforeOf(entries));
  if (!objects.ok()) return AsVerification(flags, objects.status());
  HILUM_ASSIGN_OR_RETURN(const Store store, Store::Open(folder));
  Exported exported = {.n_objects = objects->size()};
  for (const Digest& digest : *objects) {
    const absl::StatusOr<Bytes> bytes = source.place.fetch_object(digest, kObjectLimitBytes);
    if (!bytes.ok()) return AsVerification(flags, bytes.status());
    HILUM_RETURN_IF_ERROR(store.Put(*bytes));
    exported.size_bytes += bytes->size();
  }
  return exported;
}

// The page beside log/, and the policy that OpenLedger held the checkpoint to.
absl::Status WriteHtml(const LedgerFlags& flags, const fs::path& folder) {
  HILUM_RETURN_IF_ERROR(ledger_anchor::WritePage(folder));
  if (flags.policy.empty()) return absl::OkStatus();
  HILUM_ASSIGN_OR_RETURN(const std::string policy,
                         ReadTextFile(flags.policy, ledger_anchor::kPolicyLimitBytes));
  return WriteFileDurably(folder / "policy", AsBytes(policy));
}

std::string ExportText(const ExportFlags& flags, size_t n_entries, const Exported& exported) {
  std::string text =
      absl::StrCat(n_entries, " entries and ", Count(exported.n_objects, "object"), " (",
                   FormatBytes(static_cast<double>(exported.size_bytes)), ") are in ", flags.out);
  if (flags.round) {
    absl::StrAppend(&text, "; check them anywhere with `hilum ledger audit ", *flags.round,
                    flags.ledger.study.empty() ? "" : " --study ", flags.ledger.study, " --from ",
                    flags.out, "`");
  }
  absl::StrAppend(&text, "\n");
  if (flags.html) {
    absl::StrAppend(&text, "browsers run no scripts of a file: `python3 -m http.server --bind ",
                    "127.0.0.1 8000 -d ", flags.out, "`, then http://127.0.0.1:8000/ledger.html\n");
  }
  return text;
}

ordered_json AuditJson(const LedgerSource& source, const aggregator::ReplayResult& result,
                       const AuditFlags& flags, double seconds) {
  ordered_json out = {{"verified", true},
                      {"depth", flags.tags ? "tags" : "updates"},
                      {"job", result.job},
                      {"round", result.round},
                      {"status", result.status},
                      {"model", ToHex(result.model)},
                      {"updates", result.n_updates},
                      {"updates_read", result.n_read},
                      {"films", result.total_weight},
                      {"mean_loss", result.mean_loss},
                      {"read_bytes", result.read_bytes},
                      {"seconds", seconds},
                      {"device", result.device}};
  out.update(LedgerJson(source));
  return out;
}

std::string AuditText(const LedgerSource& source, const aggregator::ReplayResult& result,
                      const AuditFlags& flags, double seconds) {
  std::string text = absl::StrCat("round ", result.round, " of ", result.job, ": ");
  if (result.status == "aborted") {
    absl::StrAppend(&text, "aborted; the model stayed what it was\n");
  } else {
    const std::string cost =
        absl::StrCat(" (", FormatBytes(static_cast<double>(result.read_bytes)), ", ",
                     FormatSeconds(seconds), " on ", result.device, "); ");
    absl::StrAppend(&text,
                    flags.tags ? absl::StrCat("the sum fits the tags of ", result.n_updates,
                                              " updates, of which ", result.n_read, " were read")
                               : absl::StrCat(result.n_updates, " updates added up again"),
                    cost, "the model has the same bits\n");
  }
  return absl::StrCat(text, "model  ", ToHex(result.model), "\nlog    ",
                      source.view.checkpoint.origin, ", ", source.view.checkpoint.size,
                      " entries; ", TrustOf(source.view), "\n");
}

}  // namespace

absl::Status RunAudit(const AuditFlags& audit) {
  const LedgerFlags& flags = audit.ledger;
  HILUM_ASSIGN_OR_RETURN(const aggregator::Compute compute,
                         aggregator::ChooseCompute({.device = audit.device}));
  HILUM_ASSIGN_OR_RETURN(const LedgerSource source, OpenLedger(flags));
  HILUM_ASSIGN_OR_RETURN(const RoundEntries entries, FindClosedRound(flags, source, audit.round));
  const auto start = std::chrono::steady_clock::now();
  const ledger_anchor::Members& members = source.view.state.members();
  std::optional<Progress> bar;
  const absl::StatusOr<aggregator::ReplayResult> result = aggregator::Replay(
      {.fetch = source.place.fetch_object,
       .open = entries.open->entry,
       .open_leaf = entries.open->leaf_hash,
       .close = entries.close->entry,
       .before = BeforeOf(entries),
       .earlier = EarlierOf(entries),
       .open_index = entries.open->index,
       .members = &members,
       .origin = source.view.state.origin(),
       .log_vkey = source.view.state.log_vkey(),
       .compute = compute,
       .depth = audit.tags ? aggregator::ReplayDepth::kTags : aggregator::ReplayDepth::kVectors,
       .progress = [&](absl::string_view, uint64_t n_done, uint64_t n_total) {
         if (!bar) {
           bar.emplace(ProgressOptions{.what = "Auditing the round",
                                       .unit = "updates",
                                       .total = n_total,
                                       .on = !audit.quiet});
         }
         bar->Set(n_done);
       }});
  bar.reset();
  if (!result.ok()) return AsVerification(flags, result.status());
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  if (flags.json) {
    PrintJson(AuditJson(source, *result, audit, took.count()));
  } else {
    Print(AuditText(source, *result, audit, took.count()));
  }
  return absl::OkStatus();
}

absl::Status RunExport(const ExportFlags& flags) {
  if (!flags.round && !flags.html) {
    return absl::InvalidArgumentError("export takes a ROUND, or --html for the page, or both");
  }
  const fs::path folder = flags.out;
  HILUM_RETURN_IF_ERROR(CheckEmptyFolder(folder));
  HILUM_ASSIGN_OR_RETURN(const LedgerSource source, OpenLedger(flags.ledger));
  Exported exported;
  if (flags.round) {
    HILUM_ASSIGN_OR_RETURN(exported,
                           WriteObjects(flags.ledger, source, *flags.round, folder / "objects"));
  }
  HILUM_RETURN_IF_ERROR(WriteLog(source.view, folder / "log"));
  HILUM_ASSIGN_OR_RETURN(const size_t n_receipts, CopyAnchors(source, folder));
  if (flags.html) HILUM_RETURN_IF_ERROR(WriteHtml(flags.ledger, folder));
  if (flags.ledger.json) {
    ordered_json out = {{"out", flags.out},
                        {"entries", source.view.entries.size()},
                        {"receipts", n_receipts},
                        {"objects", exported.n_objects},
                        {"object_bytes", exported.size_bytes}};
    if (flags.round) out["round"] = *flags.round;
    if (flags.html) out["page"] = (folder / "ledger.html").string();
    PrintJson(out);
  } else {
    Print(ExportText(flags, source.view.entries.size(), exported));
  }
  return absl::OkStatus();
}

}  // namespace hilum::cli

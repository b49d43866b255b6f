// What a member may read of a closed round's evidence (docs/secure_aggregation.md, section 8).
#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "aggregator/server_core.h"
#include "base/status_macros.h"
#include "ledger_anchor/entry.h"
#include "privacy/secagg/r5_messages.h"

namespace hilum::aggregator {
namespace {

using Digests = std::set<Digest>;

// The annexes of a long list, the model and the round record.
void AddNamed(const ledger_anchor::Entry& entry, Digests& named) {
  const auto add_list = [&named](const ledger_anchor::NameList& list) {
    if (list.annex.has_value()) named.insert(*list.annex);
  };
  if (const auto* open = std::get_if<ledger_anchor::RoundOpen>(&entry.body)) {
    add_list(open->cohort);
    named.insert(open->base_model);
  }
  const auto* close = std::get_if<ledger_anchor::RoundClose>(&entry.body);
  if (close == nullptr) return;
  add_list(close->cohort);
  add_list(close->dropped);
  named.insert({close->base_model, close->model});
  if (close->secagg.has_value()) named.insert(close->secagg->evidence);
}

// What the record names, but for the vectors whose tags stand for them.
absl::StatusOr<Digests> NamedByRecord(const RoundRecord& record) {
  Digests named = {record.config_object, record.plan};
  if (!record.masked.has_value()) return named;
  named.insert(record.masked->sum_object);
  HILUM_ASSIGN_OR_RETURN(const privacy::secagg::RoundOpening opening,
                         privacy::secagg::DecodeRoundOpening(record.masked->opening));
  for (const CountedUpdate& update : record.updates) {
    const bool tagged =
        std::any_of(opening.tags.begin(), opening.tags.end(),
                    [&update](const auto& tag) { return tag.index == update.site_index; });
    if (!tagged) named.insert(update.object);
  }
  return named;
}

// Indices in the ledger of the round's entries, as far as they are logged.
std::vector<uint64_t> EntriesOf(const LiveJob& job, RoundId round) {
  std::vector<uint64_t> indices;
  const auto add = [&](const RoundRow& row) {
    if (row.round != round) return;
    for (const auto& index : {row.open_index, row.close_index}) {
      if (index.has_value()) indices.push_back(*index);
    }
  };
  for (const RoundRow& row : job.history) add(row);
  if (job.active.has_value()) add(job.active->row);
  return indices;
}

}  // namespace

absl::StatusOr<ledger_anchor::StoreReader> Server::OpenObject(const JobId& id, RoundId round,
                                                              const Digest& sha256) {
  ServerCore& core = *core_;
  std::vector<uint64_t> indices;
  {
    const absl::MutexLock lock(&core.mutex);
    const LiveJob* job = core.FindJob(id);
    if (job != nullptr) indices = EntriesOf(*job, round);
  }
  Digests named;
  std::optional<Digest> evidence;
  for (const uint64_t index : indices) {
    HILUM_ASSIGN_OR_RETURN(const std::string text, core.federation->log->ReadEntry(index));
    HILUM_ASSIGN_OR_RETURN(const ledger_anchor::Entry entry, ledger_anchor::ParseEntry(text));
    AddNamed(entry, named);
    const auto* close = std::get_if<ledger_anchor::RoundClose>(&entry.body);
    if (close != nullptr && close->secagg.has_value()) evidence = close->secagg->evidence;
  }
  if (!named.contains(sha256) && evidence.has_value()) {
    HILUM_ASSIGN_OR_RETURN(const Bytes text,
                           core.federation->store.Get(*evidence, kRecordLimitBytes));
    HILUM_ASSIGN_OR_RETURN(const RoundRecord record, ParseRoundRecord(AsText(text)));
    HILUM_ASSIGN_OR_RETURN(named, NamedByRecord(record));
  }
  if (named.contains(sha256)) return core.federation->store.OpenObject(sha256);
  return absl::NotFoundError(absl::StrCat("round ", round.number, " of job ", id.name,
                                          " has no object ", ToHex(sha256), " for its members"));
}

}  // namespace hilum::aggregator

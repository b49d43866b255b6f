#include "aggregator/collect.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "ledger_anchor/entry.h"
#include "ledger_anchor/round_record.h"
#include "privacy/round_config.h"

namespace hilum::aggregator {
namespace {

using Digests = std::set<Digest>;

constexpr int64_t kDayS = 86'400;
constexpr uint64_t kConfigLimitBytes = 1 << 20;

// What is kept, and the updates that may go although their round's record names them.
struct Named {
  Digests kept;
  Digests expired;
};

// Every run of exactly 64 hexadecimal digits: whatever field a digest stands in, it is found.
void AddDigestsOf(absl::string_view text, Digests& digests) {
  size_t length = 0;
  for (size_t i = 0; i <= text.size(); ++i) {
    const char c = i < text.size() ? text[i] : '\0';
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')) {
      ++length;
      continue;
    }
    if (length == 64) digests.insert(*DigestFromHex(text.substr(i - length, length)));
    length = 0;
  }
}

absl::Status NotKnown(absl::string_view what, const absl::Status& status) {
  return absl::DataLossError(absl::StrCat("nothing is deleted, because what ", what,
                                          " names is not known: ", status.message()));
}

// Whether the retention that the round's configuration promises has ended.
absl::StatusOr<bool> IsExpired(const Federation& federation, const RoundRecord& record,
                               uint64_t closed_s, const CollectOptions& options) {
  if (!options.expired_updates) return false;
  HILUM_ASSIGN_OR_RETURN(const Bytes bytes,
                         federation.store.Get(record.config_object, kConfigLimitBytes));
  HILUM_ASSIGN_OR_RETURN(const privacy::RoundConfig config, privacy::DecodeRoundConfig(bytes));
  return options.now_s - static_cast<int64_t>(closed_s) > config.audit_days * kDayS;
}

// A closed round's record, and what it names.
absl::Status AddRecord(const Federation& federation, const ledger_anchor::Entry& entry,
                       const ledger_anchor::RoundClose& close, const CollectOptions& options,
                       Named& named) {
  if (!close.secagg.has_value()) return absl::OkStatus();
  HILUM_ASSIGN_OR_RETURN(const Bytes text,
                         federation.store.Get(close.secagg->evidence, kRecordLimitBytes));
  HILUM_ASSIGN_OR_RETURN(RoundRecord record, ParseRoundRecord(AsText(text)));
  HILUM_ASSIGN_OR_RETURN(const bool expired, IsExpired(federation, record, entry.t, options));
  if (!expired) {
    AddDigestsOf(AsText(text), named.kept);
    return absl::OkStatus();
  }
  for (const CountedUpdate& update : record.updates) named.expired.insert(update.object);
  named.kept.insert({record.config_object, record.plan, record.base_model, record.model});
  if (record.masked.has_value()) named.kept.insert(record.masked->sum_object);
  if (record.optimiser.has_value()) {
    named.kept.insert({record.optimiser->before, record.optimiser->after});
  }
  return absl::OkStatus();
}

absl::Status AddEntry(const Federation& federation, absl::string_view text,
                      const CollectOptions& options, Named& named) {
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::Entry entry, ledger_anchor::ParseEntry(text));
  AddDigestsOf(text, named.kept);
  const auto* close = std::get_if<ledger_anchor::RoundClose>(&entry.body);
  if (close == nullptr) return absl::OkStatus();
  return AddRecord(federation, entry, *close, options, named);
}

absl::Status AddLog(const Federation& federation, const CollectOptions& options, Named& named) {
  const uint64_t size = federation.log->size();  // signed yet or not
  for (uint64_t index = 0; index < size; ++index) {
    const absl::StatusOr<std::string> text = federation.log->ReadEntry(index);
    const absl::Status status =
        text.ok() ? AddEntry(federation, *text, options, named) : text.status();
    if (!status.ok()) return NotKnown(absl::StrCat("entry ", index), status);
  }
  return absl::OkStatus();
}

// A round as state.sqlite has it: an open one is in no record yet.
absl::Status AddRound(Federation& federation, const RoundRow& row, Named& named) {
  if (!row.fault.empty()) return absl::DataLossError(row.fault);
  AddDigestsOf(row.open_entry, named.kept);
  AddDigestsOf(row.close_entry, named.kept);
  named.kept.insert({row.base_model, row.model});
  if (row.config.empty()) return absl::OkStatus();
  HILUM_ASSIGN_OR_RETURN(const privacy::RoundConfig config, privacy::DecodeRoundConfig(row.config));
  named.kept.insert({crypto::Sha256(row.config), config.plan, config.optimiser_state});
  if (row.close_index.has_value()) return absl::OkStatus();  // its record names the updates
  HILUM_ASSIGN_OR_RETURN(const std::vector<StoredUpdate> updates,
                         federation.state->Updates(row.job, row.round));
  for (const StoredUpdate& update : updates) named.kept.insert(update.update.object);
  HILUM_ASSIGN_OR_RETURN(const std::vector<FlightRow> flights,
                         federation.state->Flights(row.job, row.round, row.attempt));
  for (const FlightRow& flight : flights) {  // the end of R2 names the stored sum
    Digest sum{};
    if (flight.sender != FlightRow::kEnd || flight.message.size() != sum.size()) continue;
    std::copy(flight.message.begin(), flight.message.end(), sum.begin());
    named.kept.insert(sum);
  }
  return absl::OkStatus();
}

absl::Status AddState(Federation& federation, Named& named) {
  HILUM_ASSIGN_OR_RETURN(const std::vector<JobRow> jobs, federation.state->Jobs());
  for (const JobRow& job : jobs) {
    named.kept.insert({job.initial_model, job.model, crypto::Sha256(job.plan)});
    AddDigestsOf(job.release_entry, named.kept);
    HILUM_ASSIGN_OR_RETURN(const std::vector<RoundRow> rounds, federation.state->Rounds(job.job));
    for (const RoundRow& row : rounds) {
      const absl::Status status = AddRound(federation, row, named);
      if (!status.ok()) {
        return NotKnown(absl::StrCat("round ", row.round.number, " of ", job.job.name), status);
      }
    }
  }
  return absl::OkStatus();
}

absl::Status Sweep(const ledger_anchor::Store& store, const Named& named,
                   const CollectOptions& options, CollectReport& report) {
  HILUM_ASSIGN_OR_RETURN(const auto objects, store.List());
  const std::string day = FormatUtc(options.now_s);
  for (const ledger_anchor::Store::Stored& object : objects) {
    ++report.n_objects;
    if (named.kept.contains(object.digest)) continue;
    const bool expired = named.expired.contains(object.digest);
    if (options.now_s - object.stored_s < options.grace_s) {
      ++report.n_young;
      continue;
    }
    expired ? ++report.n_expired : ++report.n_unnamed;
    report.deleted_bytes += object.size_bytes;
    if (options.dry_run) continue;
    HILUM_RETURN_IF_ERROR(store.Remove(
        object.digest,
        absl::StrCat(day, expired ? ", its round's retention had ended" : ", nothing named it")));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<CollectReport> CollectObjects(Federation& federation,
                                             const CollectOptions& options) {
  if (options.grace_s < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("a grace time of ", options.grace_s, " s; it cannot be negative"));
  }
  Named named;
  HILUM_RETURN_IF_ERROR(AddLog(federation, options, named));
  HILUM_RETURN_IF_ERROR(AddState(federation, named));
  CollectReport report;
  HILUM_RETURN_IF_ERROR(Sweep(federation.store, named, options, report));
  const fs::path sealed = federation.identity.folder / "sealed";
  std::error_code error;
  if (fs::exists(sealed, error)) {
    HILUM_RETURN_IF_ERROR(
        Sweep(ledger_anchor::Store::OpenForReading(sealed), named, options, report));
  }
  if (!options.dry_run) {
    Log(LogLevel::kInfo, "objects collected",
        {{"unnamed", report.n_unnamed},
         {"expired", report.n_expired},
         {"bytes", report.deleted_bytes}});
  }
  return report;
}

}  // namespace hilum::aggregator

#include "cli/ledger_show.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "cli/ledger_objects.h"
#include "cli/output.h"
#include "ledger_anchor/consent_tree.h"

namespace hilum::cli {
namespace {

using ledger_anchor::ConsentBatch;
using ledger_anchor::Entry;
using ledger_anchor::EntryType;
using ledger_anchor::Evaluation;
using ledger_anchor::Genesis;
using ledger_anchor::Incident;
using ledger_anchor::Join;
using ledger_anchor::KeyRotate;
using ledger_anchor::Leave;
using ledger_anchor::ModelRelease;
using ledger_anchor::NameList;
using ledger_anchor::RoundClose;
using ledger_anchor::RoundOpen;
using ledger_anchor::TrainManifest;
using ledger_anchor::ViewEntry;
using nlohmann::ordered_json;

std::string Short(const Digest& digest) { return ToHex(digest).substr(0, 12); }

// One cell that says what an entry of each type is about.
struct Details {
  std::string operator()(const Genesis& body) const {
    return absl::StrCat("federation ", body.federation);
  }
  std::string operator()(const Join& body) const {
    return absl::StrCat(body.member, " as ", body.role);
  }
  std::string operator()(const Leave& body) const {
    return absl::StrCat(body.member, ", ", body.reason, ", last round ", body.round);
  }
  std::string operator()(const RoundOpen& body) const {
    return absl::StrCat(
        body.cohort.n, " sites, base model ", Short(body.base_model),
        body.consent ? absl::StrCat(", consents below entry ", body.consent->size) : "");
  }
  std::string operator()(const RoundClose& body) const {
    std::string text = absl::StrCat(body.status, ", ", body.cohort.n, " counted, ", body.dropped.n,
                                    " dropped, model ", Short(body.model));
    for (const ledger_anchor::Metric& metric : body.metrics.items) {
      absl::StrAppend(&text, ", ", metric.name, " ", metric.value.substr(0, 6));
    }
    return text;
  }
  std::string operator()(const ModelRelease& body) const {
    return absl::StrCat(body.name, " ", body.version, " of entry ", body.close_index);
  }
  std::string operator()(const Incident& body) const {
    return absl::StrCat(body.kind, ": ", body.about, ", evidence ", Short(body.evidence));
  }
  std::string operator()(const KeyRotate& body) const {
    return absl::StrCat(body.member, ", ", body.use, " key ", Short(body.old), " -> ",
                        Short(crypto::KeyDigest(body.new_key)), ", after a completed round");
  }
  std::string operator()(const ConsentBatch& body) const {
    return absl::StrCat(body.site, ", ", body.count, " commitments with dummies, root ",
                        Short(body.root));
  }
  std::string operator()(const TrainManifest& body) const {
    return absl::StrCat(body.site, ", ", body.manifest_count, " leaves with dummies, active set ",
                        Short(body.active_root));
  }
  std::string operator()(const Evaluation& body) const {
    std::string text = absl::StrCat(body.site, ", model ", Short(body.model));
    for (const ledger_anchor::Metric& metric : body.metrics.items) {
      absl::StrAppend(&text, ", ", metric.name, " ", metric.value.substr(0, 6), " of ", metric.n);
    }
    return text;
  }
};

std::optional<uint64_t> RoundOf(const Entry& entry) {
  if (const auto* open = std::get_if<RoundOpen>(&entry.body)) return open->round;
  if (const auto* close = std::get_if<RoundClose>(&entry.body)) return close->round;
  if (const auto* incident = std::get_if<Incident>(&entry.body)) return incident->round;
  if (const auto* manifest = std::get_if<TrainManifest>(&entry.body)) return manifest->round;
  if (const auto* evaluation = std::get_if<Evaluation>(&entry.body)) return evaluation->round;
  return std::nullopt;
}

bool Holds(const NameList& names, const std::string& site) {
  return std::find(names.items.begin(), names.items.end(), site) != names.items.end();
}

bool Concerns(const Entry& entry, const std::string& site) {
  if (entry.by == site) return true;
  if (const auto* join = std::get_if<Join>(&entry.body)) return join->member == site;
  if (const auto* leave = std::get_if<Leave>(&entry.body)) return leave->member == site;
  if (const auto* open = std::get_if<RoundOpen>(&entry.body)) return Holds(open->cohort, site);
  if (const auto* close = std::get_if<RoundClose>(&entry.body)) {
    return Holds(close->cohort, site) || Holds(close->dropped, site);
  }
  const auto* incident = std::get_if<Incident>(&entry.body);
  return incident != nullptr && incident->about == site;
}

// NotFound: `study` is set and no entry is of it. A mistyped name must not look like no entries.
absl::Status CheckStudy(const std::string& study, const ledger_anchor::LogView& view) {
  if (study.empty()) return absl::OkStatus();
  std::set<std::string> studies;
  for (const ViewEntry& one : view.entries) {
    if (one.entry.study == study) return absl::OkStatus();
    if (!one.entry.study.empty()) studies.insert(one.entry.study);
  }
  return absl::NotFoundError(
      absl::StrCat("the log holds no study \"", study, "\"; it holds ",
                   studies.empty() ? std::string("none") : absl::StrJoin(studies, ", ")));
}

// NotFound: `site` is set and no entry concerns it.
absl::Status CheckSite(const std::string& site, const ledger_anchor::LogView& view) {
  if (site.empty()) return absl::OkStatus();
  std::set<std::string> members;
  for (const ViewEntry& one : view.entries) {
    if (Concerns(one.entry, site)) return absl::OkStatus();
    members.insert(one.entry.by);
    if (const auto* join = std::get_if<Join>(&one.entry.body)) members.insert(join->member);
  }
  return absl::NotFoundError(absl::StrCat("no entry of the log concerns a site \"", Printable(site),
                                          "\"; its members are ", absl::StrJoin(members, ", ")));
}

// NotFound: `round` is set and no entry, of the study where one is named, is of it.
absl::Status CheckRound(const ShowFlags& flags, const ledger_anchor::LogView& view) {
  if (!flags.round) return absl::OkStatus();
  uint64_t last = 0;  // rounds count from 1
  for (const ViewEntry& one : view.entries) {
    if (!flags.ledger.study.empty() && one.entry.study != flags.ledger.study) continue;
    const std::optional<uint64_t> round = RoundOf(one.entry);
    if (round == flags.round) return absl::OkStatus();
    if (round) last = std::max(last, *round);
  }
  return absl::NotFoundError(
      absl::StrCat("the log holds no round ", *flags.round,
                   flags.ledger.study.empty() ? "" : " of " + flags.ledger.study, "; ",
                   last > 0 ? absl::StrCat("its last is ", last) : std::string("it holds none")));
}

absl::StatusOr<std::vector<const ViewEntry*>> Select(const ShowFlags& flags,
                                                     const ledger_anchor::LogView& view) {
  const auto types = ledger_anchor::EntryTypes();
  if (!flags.type.empty() && !absl::c_linear_search(types, flags.type)) {
    return absl::InvalidArgumentError(absl::StrCat("no entry has the type \"", flags.type,
                                                   "\"; there are ", absl::StrJoin(types, ", ")));
  }
  HILUM_RETURN_IF_ERROR(CheckStudy(flags.ledger.study, view));
  HILUM_RETURN_IF_ERROR(CheckSite(flags.site, view));
  HILUM_RETURN_IF_ERROR(CheckRound(flags, view));
  uint64_t since = 0;
  if (!flags.since.empty()) {
    HILUM_ASSIGN_OR_RETURN(since, ParseTime(flags.since));
  }
  std::vector<const ViewEntry*> selected;
  for (const ViewEntry& one : view.entries) {
    const Entry& entry = one.entry;
    if (!flags.type.empty() && EntryType(entry) != flags.type) continue;
    if (!flags.site.empty() && !Concerns(entry, flags.site)) continue;
    if (!flags.ledger.study.empty() && entry.study != flags.ledger.study) continue;
    if (flags.round && RoundOf(entry) != flags.round) continue;
    if (entry.t >= since) selected.push_back(&one);
  }
  return selected;
}

// Whether something is shown that a site says about consents.
bool NamesConsent(const std::vector<const ViewEntry*>& entries) {
  return std::any_of(entries.begin(), entries.end(), [](const ViewEntry* one) {
    return std::holds_alternative<ConsentBatch>(one->entry.body) ||
           std::holds_alternative<TrainManifest>(one->entry.body);
  });
}

void PrintAliases(const std::map<uint64_t, std::vector<ObjectAlias>>& aliases) {
  Table table({"index", "object", "SHA-256", "IPFS alias (CIDv1)"});
  bool any = false;
  for (const auto& [index, objects] : aliases) {
    for (const ObjectAlias& alias : objects) {
      any = true;
      table.AddRow({absl::StrCat(index), alias.role, Short(alias.object),
                    alias.cid.empty() ? "not in this store" : alias.cid});
    }
  }
  if (any) Print(absl::StrCat("\n", table.ToString()));
}

absl::StatusOr<uint64_t> IndexToProve(const ProveFlags& flags, const ledger_anchor::LogView& view) {
  if (flags.index.has_value() == flags.round.has_value()) {
    return absl::InvalidArgumentError("prove takes a ROUND or --index INDEX, one of them");
  }
  if (flags.index) return *flags.index;
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::RoundEntries round,
                         ledger_anchor::FindRound(view, *flags.round, flags.ledger.study));
  if (flags.open) return round.open->index;
  if (round.close != nullptr) return round.close->index;
  return absl::NotFoundError(
      absl::StrCat("round ", *flags.round, " is not closed yet; --open proves its round-open"));
}

}  // namespace

std::string EntryTable(const std::vector<const ViewEntry*>& entries) {
  Table table({"index", "time", "type", "by", "study", "round", "about"});
  for (const ViewEntry* one : entries) {
    const std::optional<uint64_t> round = RoundOf(one->entry);
    table.AddRow({absl::StrCat(one->index), FormatUtc(static_cast<int64_t>(one->entry.t)),
                  std::string(EntryType(one->entry)), one->entry.by,
                  one->entry.study.empty() ? "-" : one->entry.study,
                  round ? absl::StrCat(*round) : "-", std::visit(Details(), one->entry.body)});
  }
  return table.ToString();
}

absl::StatusOr<uint64_t> ParseTime(absl::string_view text) {
  uint64_t seconds = 0;
  if (absl::SimpleAtoi(text, &seconds)) return seconds;
  for (const char* format : {"%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"}) {
    absl::Time time;
    std::string error;
    if (absl::ParseTime(format, text, absl::UTCTimeZone(), &time, &error) &&
        time >= absl::UnixEpoch()) {
      return static_cast<uint64_t>(absl::ToUnixSeconds(time));
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("the time \"", Printable(text.substr(0, 40)),
                   "\" is neither 2026-11-24 nor 2026-11-24T14:07:03Z nor seconds since 1970"));
}

absl::Status RunShow(const ShowFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const LedgerSource source, OpenLedger(flags.ledger));
  HILUM_ASSIGN_OR_RETURN(const std::vector<const ViewEntry*> selected, Select(flags, source.view));
  std::map<uint64_t, std::vector<ObjectAlias>> aliases;
  for (const ViewEntry* entry : selected) {
    if (!flags.cid) break;
    HILUM_ASSIGN_OR_RETURN(aliases[entry->index], AliasesOf(source.place, entry->entry));
  }
  if (flags.ledger.json) {
    ordered_json out = LedgerJson(source);
    out["entries"] = ordered_json::array();
    for (const ViewEntry* entry : selected) {
      out["entries"].push_back(EntryJson(*entry));
      for (const ObjectAlias& alias : aliases[entry->index]) {
        out["entries"].back()["ipfs"][ToHex(alias.object)] = alias.cid;
      }
    }
    if (NamesConsent(selected)) out["limit"] = std::string(ledger_anchor::kConsentLimit);
    PrintJson(out);
    return absl::OkStatus();
  }
  Print(EntryTable(selected));
  if (NamesConsent(selected)) Print(absl::StrCat("\n", ledger_anchor::kConsentLimit, "\n"));
  PrintAliases(aliases);
  Print(absl::StrCat("\n", selected.size(), " of ", source.view.entries.size(), " entries of ",
                     source.view.checkpoint.origin, "; ", TrustOf(source.view),
                     "; times are what the signers say\n"));
  return absl::OkStatus();
}

absl::Status RunProve(const ProveFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const LedgerSource source, OpenLedger(flags.ledger));
  HILUM_ASSIGN_OR_RETURN(const uint64_t index, IndexToProve(flags, source.view));
  const absl::StatusOr<std::string> proof = ledger_anchor::ProveEntry(source.view, index);
  if (!proof.ok()) return absl::NotFoundError(proof.status().message());
  if (!flags.out.empty()) HILUM_RETURN_IF_ERROR(WriteFileDurably(flags.out, AsBytes(*proof)));
  if (flags.ledger.json) {
    ordered_json out = LedgerJson(source);
    out["entry"] = EntryJson(source.view.entries[index]);
    out["proof"] = *proof;
    PrintJson(out);
  } else if (flags.out.empty()) {
    Print(*proof);
  }
  return absl::OkStatus();
}

}  // namespace hilum::cli

#include "cli/ledger_monitor.h"

#include <csignal>
#include <ctime>
#include <utility>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/process.h"
#include "base/status_macros.h"
#include "cli/ledger_show.h"
#include "cli/ledger_source.h"
#include "cli/output.h"
#include "ledger_anchor/monitor.h"

namespace hilum::cli {
namespace {

namespace la = ledger_anchor;
using Json = nlohmann::ordered_json;

absl::StatusOr<la::Monitor> OpenMonitor(const MonitorFlags& flags) {
  if (flags.interval_s < 1 || flags.interval_s > 86400) {
    return absl::InvalidArgumentError(
        absl::StrCat("--interval is ", flags.interval_s, ", it must be 1 to 86400 seconds"));
  }
  la::MonitorOptions options{.vkey = flags.vkey, .folder = flags.state};
  if (!flags.policy.empty()) {
    HILUM_ASSIGN_OR_RETURN(const std::string text,
                           ReadTextFile(flags.policy, la::kPolicyLimitBytes));
    HILUM_ASSIGN_OR_RETURN(options.policy, la::ParsePolicy(text));
  }
  HILUM_ASSIGN_OR_RETURN(la::LedgerPlace place, la::LocateLedger(flags.from));
  return la::Monitor::Open(std::move(place.fetch), options);
}

void PrintEvent(const MonitorFlags& flags, const Json& event) {
  flags.once ? PrintJson(event) : PrintJsonLine(event);
}

// A log seen for the first time is one line; its entries are for `show`.
absl::Status PrintNews(const MonitorFlags& flags, const la::LogView& view,
                       const std::optional<la::MonitorNews>& news) {
  HILUM_ASSIGN_OR_RETURN(std::vector<std::string> cosigners, la::CosignersOf(view));
  if (news.has_value() && !news->witnesses.empty()) cosigners = news->witnesses;
  std::vector<const la::ViewEntry*> fresh;
  if (news.has_value() && news->old_size > 0) {
    for (uint64_t i = news->old_size; i < view.entries.size(); ++i) {
      fresh.push_back(&view.entries[i]);
    }
  }
  if (flags.json) {
    Json event{{"event", news.has_value() ? "checkpoint" : "unchanged"},
               {"origin", view.checkpoint.origin},
               {"size", view.checkpoint.size},
               {"root", ToHex(view.checkpoint.root)},
               {"log_vkey", GenesisOf(view).log_vkey},
               {"cosigned_by", cosigners}};
    if (news.has_value()) {
      event["old_size"] = news->old_size;
      event["trust"] = news->first_use ? "trust on first use" : "pinned";
      event["new"] = Json::array();
      for (const la::ViewEntry* entry : fresh) event["new"].push_back(EntryJson(*entry));
    }
    PrintEvent(flags, event);
    return absl::OkStatus();
  }
  Print(absl::StrCat(
      FormatUtc(SystemClock().NowSeconds()), " ", view.checkpoint.origin, ": ",
      view.checkpoint.size, " entries verified, ",
      !news.has_value()     ? "nothing new"
      : news->old_size == 0 ? std::string("seen for the first time")
                            : absl::StrCat(fresh.size(), " new, none before them changed"),
      "; root ", ToHex(view.checkpoint.root).substr(0, 16), "; cosigned ",
      cosigners.empty() ? "by no member's witness" : absl::StrJoin(cosigners, ", "),
      news.has_value() && news->first_use
          ? absl::StrCat("\ntrust on first use of the key ", GenesisOf(view).log_vkey)
          : std::string(),
      "\n"));
  if (!fresh.empty()) Print(EntryTable(fresh));
  return absl::OkStatus();
}

// Where there is no folder, the evidence is on standard output.
void PrintEvidence(const MonitorFlags& flags, const absl::Status& error) {
  const absl::optional<absl::Cord> notes = error.GetPayload(std::string(la::kForkPayload));
  if (!notes.has_value()) return;
  if (flags.json) {
    PrintEvent(flags,
               {{"event", "fork"}, {"reason", error.message()}, {"notes", std::string(*notes)}});
  } else if (flags.state.empty()) {
    Print(absl::StrCat("The last checkpoint that was accepted, then the one that was shown:\n\n",
                       std::string(*notes)));
  }
}

// True: a signal came.
bool WaitOrEnd(const sigset_t& signals, uint64_t seconds) {
  const std::timespec pause{.tv_sec = static_cast<std::time_t>(seconds), .tv_nsec = 0};
  return sigtimedwait(&signals, nullptr, &pause) > 0;
}

bool MayPass(const absl::Status& trouble) {
  return absl::IsUnavailable(trouble) || absl::IsPermissionDenied(trouble) ||
         absl::IsNotFound(trouble);
}

}  // namespace

absl::Status RunMonitor(const MonitorFlags& flags) {
  const sigset_t signals = BlockEndSignals();  // before any thread is made: they inherit it
  HILUM_ASSIGN_OR_RETURN(la::Monitor monitor, OpenMonitor(flags));
  std::string trouble;
  while (true) {
    const auto news = monitor.Look(static_cast<uint64_t>(SystemClock().NowSeconds()));
    if (news.ok()) {
      if (news->has_value() || flags.once || !trouble.empty()) {
        HILUM_RETURN_IF_ERROR(PrintNews(flags, monitor.view(), *news));
      }
      trouble.clear();
    } else if (flags.once || !MayPass(news.status())) {
      PrintEvidence(flags, news.status());
      return news.status();
    } else if (trouble.empty()) {
      trouble = std::string(news.status().message());
      if (flags.json) {
        PrintEvent(flags, {{"event", "trouble"}, {"reason", trouble}});
      } else {
        Print(absl::StrCat(FormatUtc(SystemClock().NowSeconds()), " not verified: ",
                           Printable(trouble), "; looking again every ", flags.interval_s, " s\n"));
      }
    }
    if (flags.once) return absl::OkStatus();
    if (WaitOrEnd(signals, flags.interval_s)) break;
  }
  if (!flags.json) {
    Print(absl::StrCat("Stopped; go on with the same command",
                       flags.state.empty() ? " (--state would remember what was seen).\n" : ".\n"));
  }
  return absl::OkStatus();
}

}  // namespace hilum::cli

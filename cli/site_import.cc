#include "cli/site_import.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/clock.h"
#include "base/cores.h"
#include "base/status_macros.h"
#include "cli/output.h"
#include "cli/progress.h"
#include "cli/site_open.h"
#include "cli/site_output.h"
#include "cli/site_pacs_output.h"
#include "cli/site_sources.h"
#include "client/import.h"
#include "client/inbox.h"
#include "client/pacs_import.h"
#include "client/pseudonym.h"
#include "client/receiver.h"

namespace hilum::cli {
namespace {

using nlohmann::ordered_json;

// Objects that came are taken up when none has come for so long, or the oldest waits for so long.
constexpr int64_t kQuietMs = 2'000;
constexpr int64_t kWaitMs = 60'000;

struct WhatToDo {
  bool dry_run = false;
  bool forget = false;
};

absl::StatusOr<client::ImportReport> TakeUp(const OpenSite& site, const fs::path& source,
                                            WhatToDo what, const std::atomic<bool>& stop) {
  HILUM_ASSIGN_OR_RETURN(const client::SiteSecret secret,
                         client::LoadSiteSecret(site.folder.pseudonym_secret()));
  std::optional<Progress> bar;
  client::ImportOptions options;
  options.source = source;
  options.profile = site.options.profile;
  options.issuers = site.options.issuers;
  options.forget = what.forget;
  options.dry_run = what.dry_run;
  options.threads = std::min(UsableCores(), 16);
  options.now_s = SystemClock().NowSeconds();
  options.cancel = &stop;
  options.on_progress = [&](uint64_t done, uint64_t total) {
    if (!bar.has_value()) bar.emplace(ProgressOptions{"Importing studies", "films", total});
    bar->Set(done);
  };
  return client::Import(*site.state, client::FilmCache(site.folder.cache()), secret, options);
}

absl::StatusOr<client::SelectionRules> RulesOf(const SiteImportFlags& flags) {
  const fs::path file =
      flags.rules.empty() ? fs::path(flags.dir) / "rules.toml" : fs::path(flags.rules);
  absl::StatusOr<client::SelectionRules> rules = ReadRules(file);
  if (absl::IsNotFound(rules.status()) && flags.rules.empty()) {
    return ParseRules(file.string(), "");
  }
  return rules;
}

// [dicomweb] of site.toml, with the URL of the command where it names one. Secrets go to the
// configured server only.
absl::StatusOr<client::DicomwebOptions> ServerOf(const OpenSite& site, absl::string_view source) {
  client::DicomwebOptions server = site.options.sources.dicomweb;
  if (absl::ConsumePrefix(&source, "dicomweb+") && source != server.url) {
    server = {.url = std::string(source)};
  }
  if (server.url.empty()) {
    return absl::InvalidArgumentError(
        "site.toml names no PACS: set url in its section [dicomweb], or give SOURCE as "
        "dicomweb+https://HOST/PATH.");
  }
  return server;
}

absl::Status ImportFolder(const SiteImportFlags& flags, const OpenSite& site) {
  const std::atomic<bool>& stop = StopOnSignals();
  HILUM_ASSIGN_OR_RETURN(const client::ImportReport report,
                         TakeUp(site, flags.source, {flags.dry_run, flags.forget}, stop));
  if (flags.json) {
    PrintJson(ImportJson(report));
  } else {
    Print(ImportText(report));
  }
  return absl::OkStatus();
}

absl::Status ImportDicomweb(const SiteImportFlags& flags, const OpenSite& site) {
  HILUM_ASSIGN_OR_RETURN(const client::SelectionRules rules, RulesOf(flags));
  HILUM_ASSIGN_OR_RETURN(const client::DicomwebOptions server, ServerOf(site, flags.source));
  HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<dicom::Dicomweb> pacs, client::OpenDicomweb(server));
  HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<client::Inbox> inbox,
                         client::Inbox::Open(site.folder, site.options.sources.inbox_bytes));
  const std::atomic<bool>& stop = StopOnSignals();
  client::PacsReport fetched;
  {
    Progress bar(ProgressOptions{"Fetching from the PACS", "objects"});
    HILUM_ASSIGN_OR_RETURN(
        fetched, client::FetchFromPacs(*pacs, *inbox,
                                       {.rules = rules,
                                        .dry_run = flags.dry_run,
                                        .cancel = &stop,
                                        .on_progress = [&bar](const client::PacsReport& report) {
                                          bar.Set(report.fetched);
                                        }}));
  }
  HILUM_ASSIGN_OR_RETURN(const client::ImportReport report,
                         TakeUp(site, inbox->path(), {flags.dry_run}, stop));
  if (flags.json) {
    ordered_json json = ImportJson(report);
    json["pacs"] = PacsJson(fetched);
    PrintJson(json);
  } else {
    Print(absl::StrCat(PacsText(fetched, flags.dry_run), ImportText(report)));
  }
  return absl::OkStatus();
}

// Objects that have come and are not taken up yet, by time.
struct Arrivals {
  std::atomic<int64_t> first_ms = 0;  // 0: none
  std::atomic<int64_t> last_ms = 0;

  void Add(int64_t now_ms) {
    last_ms = now_ms;
    int64_t none = 0;
    first_ms.compare_exchange_strong(none, now_ms);
  }
  bool AreDue(int64_t now_ms) const {
    return first_ms != 0 && (now_ms - last_ms >= kQuietMs || now_ms - first_ms >= kWaitMs);
  }
};

absl::Status TakeUpArrivals(const SiteImportFlags& flags, const OpenSite& site,
                            const client::Inbox& inbox, const std::atomic<bool>& stop) {
  const absl::StatusOr<client::ImportReport> report = TakeUp(site, inbox.path(), {}, stop);
  if (absl::IsCancelled(report.status())) return absl::OkStatus();  // the next start goes on
  HILUM_RETURN_IF_ERROR(report.status());
  if (flags.json) {
    ordered_json json = ImportJson(*report);
    json.erase("studies");
    PrintJsonLine({{"event", "taken-up"}, {"report", json}});
  } else {
    Print(ImportText(*report));
  }
  return absl::OkStatus();
}

absl::Status ImportScp(const SiteImportFlags& flags, const OpenSite& site) {
  if (flags.dry_run) {
    return absl::InvalidArgumentError(
        "--dry-run and scp exclude each other: objects that are "
        "acknowledged must be kept.");
  }
  HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<client::Inbox> inbox,
                         client::Inbox::Open(site.folder, site.options.sources.inbox_bytes));
  const std::atomic<bool>& stop = StopOnSignals();
  Arrivals arrivals;
  const auto on_event = [&](const client::ReceiverEvent& event) {
    if (event.report.stored > 0) arrivals.Add(SystemClock().MonotonicMs());
    if (flags.json) {
      PrintJsonLine(ReceiverJson(event));
    } else {
      Print(ReceiverText(event));
    }
  };
  HILUM_ASSIGN_OR_RETURN(
      const std::unique_ptr<client::Receiver> receiver,
      client::Receiver::Open(*inbox, {.scp = site.options.sources.scp, .on_event = on_event}));
  HILUM_RETURN_IF_ERROR(TakeUpArrivals(flags, site, *inbox, stop));  // of an earlier run
  if (flags.json) {
    PrintJsonLine({{"event", "listening"}, {"address", receiver->address()}});
  } else {
    Print(absl::StrCat("listening at ", receiver->address(), " as ",
                       site.options.sources.scp.ae_title, "; end with Ctrl-C\n"));
  }
  std::atomic<bool> end = false;
  absl::Status received;
  std::thread receiving([&] {
    received = receiver->Run(end);
    end = true;
  });
  absl::Status taken;
  while (!stop && !end && taken.ok()) {
    if (arrivals.AreDue(SystemClock().MonotonicMs())) {
      arrivals.first_ms = 0;
      taken = TakeUpArrivals(flags, site, *inbox, stop);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
  end = true;
  receiving.join();
  HILUM_RETURN_IF_ERROR(received);
  return taken;
}

}  // namespace

absl::Status RunImport(const SiteImportFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const OpenSite site, OpenJoinedSite(flags.dir));
  if (flags.forget) return ImportFolder(flags, site);
  if (flags.source == "scp") return ImportScp(flags, site);
  if (flags.source == "dicomweb" || absl::StartsWith(flags.source, "dicomweb+")) {
    return ImportDicomweb(flags, site);
  }
  if (absl::StrContains(flags.source, "://")) {
    return absl::InvalidArgumentError(
        absl::StrCat("SOURCE \"", flags.source.substr(0, 100),
                     "\" is neither a folder, scp, dicomweb nor dicomweb+https://HOST/PATH."));
  }
  return ImportFolder(flags, site);
}

absl::Status RunSend(const SiteImportFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const OpenSite site, OpenJoinedSite(flags.dir));
  HILUM_ASSIGN_OR_RETURN(const client::DicomwebOptions server, ServerOf(site, "dicomweb"));
  HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<dicom::Dicomweb> pacs, client::OpenDicomweb(server));
  ordered_json stored = ordered_json::array();
  for (const std::string& file : flags.files) {
    HILUM_ASSIGN_OR_RETURN(const Bytes bytes, ReadFile(file, dicom::Dicomweb::kStoreBytes));
    HILUM_RETURN_IF_ERROR(pacs->Store(bytes));
    stored.push_back(file);
    if (!flags.json) Print(absl::StrCat(Printable(file), " is stored\n"));
  }
  if (flags.json) PrintJson({{"stored", stored}});
  return absl::OkStatus();
}

}  // namespace hilum::cli

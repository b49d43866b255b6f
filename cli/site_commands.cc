#include "cli/site_commands.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "base/child_process.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "base/version.h"
#include "cli/address.h"
#include "cli/output.h"
#include "cli/site_config.h"
#include "cli/site_open.h"
#include "cli/site_output.h"
#include "client/agent.h"
#include "client/doctor.h"
#include "client/jobs.h"
#include "client/join.h"
#include "client/overview.h"
#include "client/policy.h"
#include "client/review.h"
#include "client/state.h"

namespace hilum::cli {
namespace {

absl::Status Answer(const SiteFlags& flags, bool approve) {
  HILUM_ASSIGN_OR_RETURN(const OpenSite site, OpenJoinedSite(flags.dir));
  const client::OperatorAnswer answer_given{flags.job, approve, flags.reason};
  absl::Status answered = client::AnswerJob(*site.state, site.options, answer_given);
  // A job that was launched this moment may not have reached the agent yet.
  for (int wait = 0; wait < 30 && absl::IsNotFound(answered); ++wait) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    answered = client::AnswerJob(*site.state, site.options, answer_given);
  }
  HILUM_RETURN_IF_ERROR(answered);
  const std::string answer = approve ? "approved" : "denied";
  if (flags.json) {
    PrintJson({{"job", flags.job}, {"answer", answer}});
  } else {
    Print(absl::StrCat("job ", flags.job, " is ", answer, "; the agent tells the server.\n"));
  }
  return absl::OkStatus();
}

// The file may hold more than the token, which is its first line.
absl::StatusOr<std::string> TokenOf(const SiteFlags& flags) {
  absl::string_view file = flags.token;
  if (!absl::ConsumePrefix(&file, "@")) return flags.token;
  HILUM_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(std::string(file), 64 << 10));
  const absl::string_view token = absl::StripLeadingAsciiWhitespace(text);
  return std::string(absl::StripAsciiWhitespace(token.substr(0, token.find('\n'))));
}

}  // namespace

absl::Status RunJoin(const SiteFlags& flags) {
  HILUM_RETURN_IF_ERROR(CheckAddress("--server", flags.server, 1));
  HILUM_ASSIGN_OR_RETURN(const std::string token, TokenOf(flags));
  HILUM_ASSIGN_OR_RETURN(
      const client::JoinReport report,
      client::Join({flags.dir}, {token, flags.server, SystemClock().NowSeconds()}));
  if (flags.json) {
    PrintJson({{"site", report.site},
               {"federation", report.federation},
               {"origin", report.origin},
               {"log_vkey", report.log_vkey},
               {"ca_fingerprint", ToHex(report.ca_fingerprint)},
               {"join_index", report.join_index},
               {"dir", flags.dir}});
    return absl::OkStatus();
  }
  Print(absl::StrCat("joined ", report.federation, " as ", report.site, " (ledger entry ",
                     report.join_index, ")\npinned ledger ", report.log_vkey, "\nCA fingerprint ",
                     ToHex(report.ca_fingerprint),
                     "\nCompare both with the operator before you import films. Next: hilum site "
                     "import --dir ",
                     flags.dir, " FOLDER\n"));
  return absl::OkStatus();
}

absl::Status RunAgent(const SiteFlags& flags) {
  const client::SiteFolder folder{flags.dir};
  HILUM_ASSIGN_OR_RETURN(client::SiteOptions options, ReadSiteConfig(folder));
  if (flags.print_config) {
    if (flags.json) {
      PrintJson(SiteConfigJson(options));
    } else {
      Print(PrintSiteConfig(options));
    }
    return absl::OkStatus();
  }
  HILUM_ASSIGN_OR_RETURN(options.witness_program, SiblingProgram("hilum-ledger"));
  const std::atomic<bool>& stop = StopOnSignals();
  HILUM_RETURN_IF_ERROR(MakeFolder(folder.logs()));
  HILUM_RETURN_IF_ERROR(
      OpenLog({.program = "hilum-site", .file = (folder.logs() / "site.log").string()}));
  const bool json = flags.json;
  HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<client::Agent> agent,
                         client::Agent::Open(folder, options, [json](const client::AgentEvent& e) {
                           if (json) {
                             PrintJsonLine(EventJson(e));
                           } else {
                             Print(EventText(e));
                           }
                         }));
  HILUM_RETURN_IF_ERROR(agent->Run(stop));
  if (!json) {
    Print(
        absl::StrCat("Stopped. Nothing that was acknowledged is lost; go on with `hilum site run ",
                     "--dir ", flags.dir, "`.\n"));
  }
  return absl::OkStatus();
}

absl::Status RunPolicy(const SiteFlags& flags) {
  const client::SiteFolder folder{flags.dir};
  HILUM_ASSIGN_OR_RETURN(const client::SiteOptions options, ReadSiteConfig(folder));
  const fs::path file = flags.source.empty() ? folder.ledger() / "policy" : fs::path(flags.source);
  HILUM_ASSIGN_OR_RETURN(const std::string text, ReadTextFile(file, client::kPolicyFileLimitBytes));
  HILUM_ASSIGN_OR_RETURN(
      const client::PolicyReport report,
      flags.source.empty() ? client::DescribePolicy(text)
                           : client::PinPolicy(folder, options, text, SystemClock().NowSeconds()));
  if (flags.json) {
    PrintJson(PolicyJson(report));
  } else {
    Print(PolicyText(report));
  }
  return absl::OkStatus();
}

absl::Status RunStatus(const SiteFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const OpenSite site, OpenJoinedSite(flags.dir));
  HILUM_ASSIGN_OR_RETURN(
      const client::Overview overview,
      client::MakeOverview(site.folder, site.options, *site.state, SystemClock().NowSeconds()));
  if (flags.json) {
    PrintJson(OverviewJson(overview));
  } else {
    Print(OverviewText(overview));
  }
  return absl::OkStatus();
}

absl::Status RunApprove(const SiteFlags& flags) { return Answer(flags, true); }

absl::Status RunDeny(const SiteFlags& flags) { return Answer(flags, false); }

absl::Status RunStudies(const SiteFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const OpenSite site, OpenJoinedSite(flags.dir));
  HILUM_ASSIGN_OR_RETURN(std::vector<client::FilmRecord> films, site.state->Films());
  if (!flags.all) {
    std::erase_if(films, [](const client::FilmRecord& film) { return film.code.empty(); });
  }
  if (flags.json) {
    PrintJson(StudiesJson(films));
  } else {
    Print(StudiesText(films));
  }
  return absl::OkStatus();
}

absl::Status RunRelease(const SiteFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const OpenSite site, OpenJoinedSite(flags.dir));
  HILUM_RETURN_IF_ERROR(client::ReleaseFilm(
      *site.state, {.file = flags.source, .by = flags.by, .now_s = SystemClock().NowSeconds()}));
  if (flags.json) {
    PrintJson({{"file", flags.source}, {"released_by", flags.by}});
  } else {
    Print(absl::StrCat(Printable(flags.source), " is released by ", Printable(flags.by),
                       "; import its folder again.\n"));
  }
  return absl::OkStatus();
}

absl::Status RunDoctor(const SiteFlags& flags) {
  const client::SiteFolder folder{flags.dir};
  HILUM_ASSIGN_OR_RETURN(const client::SiteOptions options, ReadSiteConfig(folder));
  const std::vector<client::ProbeResult> findings =
      client::Diagnose(folder, options, SystemClock().NowSeconds());
  if (flags.json) {
    PrintJson(FindingsJson(findings));
  } else {
    Print(FindingsText(findings));
  }
  for (const client::ProbeResult& finding : findings) HILUM_RETURN_IF_ERROR(finding.status);
  return absl::OkStatus();
}

}  // namespace hilum::cli

#include "cli/server_commands.h"

#include <iostream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "aggregator/collect.h"
#include "aggregator/federation.h"
#include "aggregator/membership.h"
#include "base/clock.h"
#include "base/status_macros.h"
#include "cli/output.h"

namespace hilum::cli {
namespace {

using Json = nlohmann::ordered_json;

// "72h", "30m", "90s", or "7d", which absl does not know.
absl::StatusOr<absl::Duration> ParseTime(absl::string_view flag, const std::string& text) {
  absl::Duration duration;
  int64_t days = 0;
  if (absl::EndsWith(text, "d") && absl::SimpleAtoi(text.substr(0, text.size() - 1), &days)) {
    return absl::Hours(24) * days;
  }
  if (absl::ParseDuration(text, &duration)) return duration;
  return absl::InvalidArgumentError(absl::StrCat(
      flag, " is \"", text, "\", but a number with a unit is needed, like 72h, 30m or 7d"));
}

absl::StatusOr<int64_t> ParseTtl(const std::string& text) {
  HILUM_ASSIGN_OR_RETURN(const absl::Duration duration, ParseTime("--ttl", text));
  if (duration < absl::Seconds(aggregator::kMinInvitationS) ||
      duration > absl::Seconds(aggregator::kMaxInvitationS)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--ttl is \"", text, "\", but an invitation is valid from ",
                     aggregator::kMinInvitationS, " seconds to ",
                     aggregator::kMaxInvitationS / 86'400, " days; write it like 72h, 30m or 7d"));
  }
  return absl::ToInt64Seconds(duration);
}

absl::StatusOr<std::unique_ptr<aggregator::State>> OpenState(
    const aggregator::FederationIdentity& identity) {
  return aggregator::State::Open(identity.folder / "state.sqlite");
}

}  // namespace

absl::Status InitServer(const ServerFlags& flags) {
  const ServerConfig config;
  const absl::Status made = aggregator::InitFederation({.folder = flags.dir,
                                                        .federation = flags.federation,
                                                        .hosts = flags.hosts,
                                                        .server_toml = FormatServerConfig(config),
                                                        .address = config.grpc,
                                                        .now_s = SystemClock().NowSeconds()});
  if (absl::IsAlreadyExists(made)) {  // --dir is a wrong one, as for `hilum site join`
    return absl::InvalidArgumentError(absl::StrCat("--dir ", made.message()));
  }
  HILUM_RETURN_IF_ERROR(made);
  HILUM_ASSIGN_OR_RETURN(const aggregator::FederationIdentity identity,
                         aggregator::ReadIdentity(flags.dir));
  if (flags.json) {
    PrintJson(Json{{"federation", identity.name},
                   {"dir", flags.dir},
                   {"origin", identity.origin},
                   {"log_vkey", identity.log_vkey},
                   {"genesis_leaf", ToHex(identity.genesis_leaf)}});
    return absl::OkStatus();
  }
  Print(absl::StrCat("Federation ", identity.name, " is in ", flags.dir, ".\nLedger key: ",
                     identity.log_vkey, "\nCredentials of the ML lead: ", flags.dir,
                     "/operator (hand them over, then keep them out of backups of others).\n",
                     "Next: hilum server run --dir ", flags.dir, ", and for each hospital hilum ",
                     "server invite --dir ", flags.dir, " --site NAME\n"));
  return absl::OkStatus();
}

absl::Status InviteSite(const ServerFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const int64_t ttl_s, ParseTtl(flags.ttl));
  HILUM_ASSIGN_OR_RETURN(const aggregator::FederationIdentity identity,
                         aggregator::ReadIdentity(flags.dir));
  HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<aggregator::State> state, OpenState(identity));
  HILUM_ASSIGN_OR_RETURN(
      const aggregator::Invitation invitation,
      aggregator::Invite(identity, *state, {flags.site}, SystemClock().NowSeconds(), ttl_s));
  if (flags.json) {
    PrintJson(Json{{"site", flags.site},
                   {"token", invitation.token},
                   {"ca_fingerprint", ToHex(invitation.ca_fingerprint)},
                   {"expires", FormatUtc(invitation.expires_s)}});
    return absl::OkStatus();
  }
  // The token alone on standard output, for a file; what its reader needs beside it is for people.
  Print(absl::StrCat(invitation.token, "\n"));
  std::cerr << "The token is for " << flags.site << ", works once and expires at "
            << FormatUtc(invitation.expires_s)
            << ".\nSHA-256 of the federation's CA, to compare by phone:\n"
            << ToHex(invitation.ca_fingerprint) << std::endl;
  return absl::OkStatus();
}

absl::Status ListMembers(const ServerFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const aggregator::FederationIdentity identity,
                         aggregator::ReadIdentity(flags.dir));
  HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<aggregator::State> state, OpenState(identity));
  HILUM_ASSIGN_OR_RETURN(const std::vector<aggregator::MemberRow> members, state->Members());
  Json list = Json::array();
  Table table({"member", "role", "joined", "certificate", "state"});
  for (const aggregator::MemberRow& member : members) {
    const std::string state_text = member.removed ? "removed" : "active";
    list.push_back(Json{{"member", member.name},
                        {"role", member.role},
                        {"joined", FormatUtc(member.joined_s)},
                        {"certificate", ToHex(member.fingerprint)},
                        {"state", state_text}});
    table.AddRow({member.name, member.role, FormatUtc(member.joined_s),
                  ToHex(member.fingerprint).substr(0, 16), state_text});
  }
  if (flags.json) {
    PrintJson(Json{{"federation", identity.name}, {"members", list}});
  } else {
    Print(table.ToString());
  }
  return absl::OkStatus();
}

absl::Status MakeServerPolicy(const ServerFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const aggregator::FederationIdentity identity,
                         aggregator::ReadIdentity(flags.dir));
  HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<aggregator::State> state, OpenState(identity));
  HILUM_ASSIGN_OR_RETURN(const aggregator::WitnessPolicy policy,
                         aggregator::MakeWitnessPolicy(identity, *state, flags.faults));
  if (flags.install) HILUM_RETURN_IF_ERROR(aggregator::InstallPolicy(identity, policy.text));
  if (flags.json) {
    PrintJson(Json{{"policy", policy.text},
                   {"witnesses", policy.n_witnesses},
                   {"quorum", policy.quorum},
                   {"faults", policy.faults},
                   {"may_be_away", policy.n_witnesses - policy.quorum},
                   {"installed", flags.install}});
  } else {
    Print(policy.text);
  }
  return absl::OkStatus();
}

absl::Status RemoveSite(const ServerFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const aggregator::FederationIdentity identity,
                         aggregator::ReadIdentity(flags.dir));
  bool logged = false;
  {
    HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<aggregator::State> state, OpenState(identity));
    HILUM_ASSIGN_OR_RETURN(const aggregator::MemberRow member, state->FindMember(flags.site));
    if (member.role != "site" || member.removed) {
      return absl::InvalidArgumentError(
          absl::StrCat(flags.site, " is ", member.removed ? "removed already" : "not a site"));
    }
    HILUM_RETURN_IF_ERROR(state->RequestRemoval({flags.site}));
  }
  // A running server holds the log and does it within a second; otherwise it is done here.
  absl::StatusOr<std::unique_ptr<aggregator::Federation>> federation =
      aggregator::OpenFederation(flags.dir);
  if (federation.ok()) {
    HILUM_RETURN_IF_ERROR(
        aggregator::FinishRemovals(**federation, SystemClock().NowSeconds()).status());
    logged = true;
  } else if (!absl::IsFailedPrecondition(federation.status())) {
    return federation.status();
  }
  if (flags.json) {
    PrintJson(Json{{"site", flags.site}, {"logged", logged}});
  } else {
    Print(absl::StrCat(flags.site, logged ? " has left the federation.\n"
                                          : " will be removed by the running server.\n"));
  }
  return absl::OkStatus();
}

absl::Status CollectGarbage(const ServerFlags& flags) {
  HILUM_ASSIGN_OR_RETURN(const absl::Duration grace, ParseTime("--grace", flags.grace));
  HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<aggregator::Federation> federation,
                         aggregator::OpenFederation(flags.dir));
  HILUM_ASSIGN_OR_RETURN(
      const aggregator::CollectReport report,
      aggregator::CollectObjects(*federation, {.now_s = SystemClock().NowSeconds(),
                                               .grace_s = absl::ToInt64Seconds(grace),
                                               .expired_updates = flags.expired,
                                               .dry_run = flags.dry_run}));
  if (flags.json) {
    PrintJson(Json{{"objects", report.n_objects},
                   {"unnamed", report.n_unnamed},
                   {"expired", report.n_expired},
                   {"young", report.n_young},
                   {"bytes", report.deleted_bytes},
                   {"deleted", !flags.dry_run}});
    return absl::OkStatus();
  }
  Print(absl::StrCat(report.n_objects, " objects; ",
                     flags.dry_run ? "would be deleted: " : "deleted: ", report.n_unnamed,
                     " that nothing names, ", report.n_expired, " updates past their retention (",
                     FormatBytes(static_cast<double>(report.deleted_bytes)), "); ", report.n_young,
                     " that nothing names are younger than ", flags.grace, "\n"));
  return absl::OkStatus();
}

}  // namespace hilum::cli

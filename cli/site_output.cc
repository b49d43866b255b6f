#include "cli/site_output.h"

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/clock.h"
#include "base/count.h"
#include "base/version.h"
#include "cli/output.h"

namespace hilum::cli {
namespace {

using nlohmann::ordered_json;

// Rows of a table that a person reads; more stand in the JSON.
constexpr size_t kRowLimit = 40;

std::string FormatLoss(double loss) {
  char text[32];
  std::snprintf(text, sizeof text, "%.4f", loss);
  return text;
}

ordered_json JobJson(const client::JobOverview& job) {
  ordered_json json = {{"job", job.record.job},
                       {"answer", std::string(client::ToString(job.record.answer))},
                       {"answered_by", job.record.answered_by},
                       {"reason", job.record.reason},
                       {"state", job.record.server_state},
                       {"round", job.record.round}};
  if (!job.halted.empty()) json["halted"] = job.halted;
  if (!job.plan_is_readable) return json;
  json["rounds"] = job.rounds;
  json["architecture"] = job.architecture;
  json["classes"] = job.classes;
  json["profile"] = job.profile;
  json["min_age_years"] = job.min_age_years;
  json["minimum_sites"] = job.minimum;
  json["training_a_round"] = job.training;
  json["keeps_layers"] = job.keeps_layers;
  json["mode"] = job.mode;
  json["differential_privacy"] = job.privacy;
  json["max_norm_l2"] = job.max_norm_l2;
  json["bytes_a_round"] = job.bytes_a_round;
  json["films"] = job.films;
  json["policy"] = job.policy.empty() ? "allowed" : job.policy;
  return json;
}

ordered_json RoundJson(const client::RoundRecord& round) {
  return {{"job", round.job},
          {"round", round.round},
          {"attempt", round.attempt},
          {"phase", round.phase},
          {"reason", round.reason},
          {"films", round.n_films},
          {"patients", round.n_patients},
          {"patients_left_out", round.n_left_out},
          {"loss", round.loss},
          {"update_norm_l2", round.update_norm},
          {"bytes_sent", round.sent_at_s != 0 ? round.n_bytes : 0},
          {"sha256", round.n_bytes != 0 ? ToHex(round.sha256) : ""},
          {"root", round.n_bytes != 0 ? ToHex(round.root) : ""},
          {"masking", round.masking},
          {"base_model", ToHex(round.base_model)},
          {"manifest_root", ToHex(round.manifest_root)},
          {"started_at", FormatUtc(round.started_at_s)},
          {"sent_at", round.sent_at_s != 0 ? FormatUtc(round.sent_at_s) : ""}};
}

ordered_json CheckJson(const client::CheckRecord& check) {
  return {{"job", check.job},
          {"round", check.round},
          {"status", check.status},
          {"standing", check.standing},
          {"verified", check.verified},
          {"reason", check.reason},
          {"model", ToHex(check.model)},
          {"receipt", !check.receipt.empty()},
          {"checked_at", FormatUtc(check.checked_at_s)}};
}

// Empty when no round is over.
std::string ChecksText(const client::Overview& overview) {
  if (overview.checks.empty()) return "";
  Table table({"job", "round", "closed", "this site", "verified", "receipt", "when"});
  std::string notes;
  for (const client::CheckRecord& check : overview.checks) {
    table.AddRow({check.job, absl::StrCat(check.round), check.status, check.standing,
                  check.verified, check.receipt.empty() ? "-" : "stored",
                  FormatUtc(check.checked_at_s)});
    if (!check.reason.empty()) absl::StrAppend(&notes, "ALARM: ", Printable(check.reason), "\n");
  }
  return absl::StrCat("\nRounds that are over: hilum site round-receipt ROUND --study JOB\n",
                      table.ToString(), notes);
}

std::string JobsText(const client::Overview& overview) {
  if (overview.jobs.empty()) return "no job was offered yet\n";
  Table table({"job", "answer", "by", "state", "round", "mode", "leaves a round", "films here"});
  std::string notes;
  for (const client::JobOverview& job : overview.jobs) {
    const std::string& state = job.record.server_state;
    const bool over = state == "done" || state == "failed" || state == "cancelled";
    table.AddRow({job.record.job, std::string(client::ToString(job.record.answer)),
                  job.record.answered_by, job.record.server_state,
                  absl::StrCat(job.record.round, " of ", job.rounds), job.mode,
                  FormatBytes(static_cast<double>(job.bytes_a_round)), absl::StrCat(job.films)});
    if (!job.halted.empty()) {
      absl::StrAppend(&notes, "HALTED: ", Printable(job.halted), "\n");
    }
    if (over) continue;  // nobody waits for an answer, and no policy matters any more
    if (job.record.answer == client::Answer::kPending) {
      const std::string name = Printable(job.record.job);
      absl::StrAppend(&notes, "job ", name, " waits for you: hilum site approve ", name,
                      ", or deny\n");
      if (!job.record.reason.empty()) {
        absl::StrAppend(&notes, "job ", name, ": ", Printable(job.record.reason), "\n");
      }
    }
    if (!job.policy.empty()) {
      absl::StrAppend(&notes, "job ", job.record.job, ", policy: ", job.policy, "\n");
    }
  }
  return table.ToString() + notes;
}

ordered_json SpendingJson(const client::Overview& overview) {
  ordered_json units = ordered_json::object();
  for (const client::UnitSpending& unit : overview.spending) {
    units[std::string(UnitName(unit))] = {
        {"releases", unit.n_releases}, {"epsilon", unit.epsilon}, {"left", unit.left}};
  }
  return {{"max_epsilon", overview.max_epsilon},
          {"delta", overview.budget_delta},
          {"accountant", "rdp"},
          {"units", units}};
}

std::string SpendingText(const client::Overview& overview) {
  std::string text;
  for (const client::UnitSpending& unit : overview.spending) {
    if (unit.n_releases == 0 && overview.max_epsilon == 0) continue;
    absl::StrAppendFormat(&text, "unit %s: epsilon %.4g at delta %g in %d releases", UnitName(unit),
                          unit.epsilon, overview.budget_delta, unit.n_releases);
    if (overview.max_epsilon > 0) {
      absl::StrAppendFormat(&text, "; %.4g of %g is left", unit.left, overview.max_epsilon);
    }
    absl::StrAppend(&text, "\n");
  }
  return text.empty() ? "no round with differential privacy, and no budget is set\n" : text;
}

std::string RoundsText(const client::Overview& overview) {
  if (overview.rounds.empty()) return "this site has taken part in no round yet\n";
  Table table({"job", "round", "phase", "films", "left out", "loss", "bytes sent", "update",
               "masking", "when"});
  std::string notes;
  for (const client::RoundRecord& round : overview.rounds) {
    const bool sent = round.sent_at_s != 0;
    table.AddRow({round.job, absl::StrCat(round.round), round.phase, absl::StrCat(round.n_films),
                  absl::StrCat(round.n_left_out), FormatLoss(round.loss),
                  absl::StrCat(sent ? round.n_bytes : 0), sent ? ShortRoot(ToHex(round.root)) : "-",
                  sent ? round.masking : "-",
                  sent ? FormatUtc(round.sent_at_s) : FormatUtc(round.started_at_s)});
    if (!round.reason.empty()) {
      absl::StrAppend(&notes, "job ", round.job, ", round ", round.round, ": ",
                      Printable(round.reason), "\n");
    }
  }
  return table.ToString() + notes;
}

}  // namespace

ordered_json ImportJson(const client::ImportReport& report) {
  ordered_json studies = ordered_json::array();
  for (const client::ImportRow& row : report.rows) {
    studies.push_back({{"file", row.path},
                       {"status", row.status},
                       {"code", row.code},
                       {"reason", row.reason},
                       {"label", row.label}});
  }
  ordered_json others = ordered_json::array();
  for (const client::OtherSource& other : report.others) {
    others.push_back(
        {{"source", other.path}, {"films", other.films}, {"consent_files", other.consent_files}});
  }
  return {{"accepted", report.accepted},
          {"rejected", report.rejected},
          {"unchanged", report.unchanged},
          {"removed", report.removed},
          {"consent",
           {{"files", report.consent_files},
            {"granted", report.patients_granted},
            {"denied", report.patients_denied},
            {"revoked", report.patients_revoked}}},
          {"other_sources", others},
          {"dry_run", report.dry_run},
          {"studies", studies}};
}

std::string ImportText(const client::ImportReport& report) {
  Table table({"file", "status", "code", "reason"});
  size_t shown = 0, more = 0;
  for (const client::ImportRow& row : report.rows) {
    if (row.status == "accepted" || row.status == "unchanged") continue;
    if (++shown > kRowLimit) {
      ++more;
      continue;
    }
    table.AddRow({row.path, row.status, row.code, row.reason});
  }
  std::string text = shown > 0 ? table.ToString() : "";
  if (more > 0) absl::StrAppend(&text, "... and ", more, " more; --json lists all\n");
  absl::StrAppend(&text, report.dry_run ? "dry run, nothing was changed: " : "",
                  Count(report.accepted, "film"), " accepted (", report.unchanged,
                  " known before), ", report.rejected, " rejected, ", report.removed,
                  " removed\nconsent: ", Count(report.patients_granted, "patient"),
                  " with a Consent that permits training, ", report.patients_denied, " without (",
                  report.patients_revoked, " of them revoked)\n");
  for (const client::OtherSource& other : report.others) {
    absl::StrAppend(&text, "in use as well: ", Count(other.films, "film"), " and ",
                    Count(other.consent_files, "Consent file"), " of ", Printable(other.path),
                    "\n");
  }
  if (!report.others.empty()) {
    text +=
        "what is missing in one source withdraws nothing in another; hilum site import SOURCE "
        "--forget drops one\n";
  }
  return text;
}

std::string ShortRoot(absl::string_view root_hex) { return std::string(root_hex.substr(0, 16)); }

ordered_json EventJson(const client::AgentEvent& event) {
  ordered_json json = {{"event", event.event}};
  for (const auto& [key, value] : event.fields) json[key] = value;
  return json;
}

std::string EventText(const client::AgentEvent& event) {
  std::string text = absl::StrCat(FormatUtc(SystemClock().NowSeconds()), " ", event.event);
  for (const auto& [key, value] : event.fields) {
    if (!value.empty()) absl::StrAppend(&text, " ", key, "=", Printable(value));
  }
  return text + "\n";
}

ordered_json OverviewJson(const client::Overview& overview) {
  ordered_json jobs = ordered_json::array(), rounds = ordered_json::array();
  ordered_json checks = ordered_json::array();
  for (const client::CheckRecord& check : overview.checks) checks.push_back(CheckJson(check));
  for (const client::JobOverview& job : overview.jobs) jobs.push_back(JobJson(job));
  for (const client::RoundRecord& round : overview.rounds) rounds.push_back(RoundJson(round));
  return {{"site", overview.site},
          {"server", overview.server},
          {"ledger", {{"origin", overview.ledger_origin}, {"size", overview.ledger_size}}},
          {"jobs", jobs},
          {"rounds", rounds},
          {"checks", checks},
          {"privacy_budget", SpendingJson(overview)},
          {"consent",
           {{"granted", overview.patients_granted},
            {"denied", overview.patients_denied},
            {"revoked", overview.patients_revoked}}},
          {"films", {{"usable", overview.films}, {"rejected", overview.films_rejected}}},
          {"next_round",
           {{"films", overview.films},
            {"patients", overview.patients},
            {"patients_left_out", overview.patients_left_out}}},
          {"research_use_only", true}};
}

std::string OverviewText(const client::Overview& overview) {
  return absl::StrCat(
      "site ", overview.site, ", server ", overview.server, "\nledger ", overview.ledger_origin,
      ", accepted up to size ", overview.ledger_size, "\n\nJobs\n", JobsText(overview),
      "\nRounds: what has left this site\n", RoundsText(overview), ChecksText(overview),
      "\nPrivacy budget\n", SpendingText(overview), "\nConsent\n",
      Count(overview.patients_granted, "patient"), " with a Consent that permits training, ",
      overview.patients_denied, " without (", overview.patients_revoked,
      " of them revoked)\nthe next round can use ", Count(overview.films, "film"), " of ",
      Count(overview.patients, "patient"), ", and leaves out ",
      Count(overview.patients_left_out, "patient"), " whose consent is absent or revoked\n");
}

ordered_json PolicyJson(const client::PolicyReport& report) {
  ordered_json witnesses = ordered_json::array();
  for (const client::PolicyWitness& witness : report.witnesses) {
    ordered_json one = {{"name", witness.name}};
    if (!witness.member.empty()) {
      one["member"] = witness.member;
      one["join_index"] = witness.join_index;
    }
    witnesses.push_back(std::move(one));
  }
  return {{"quorum", report.quorum},
          {"witnesses", std::move(witnesses)},
          {"faults", report.faults},
          {"may_be_away", report.may_be_away}};
}

std::string PolicyText(const client::PolicyReport& report) {
  if (report.quorum == 0) return "quorum none: no witness vouches for the ledger\n";
  Table table({"witness", "member", "ledger entry"});
  for (const client::PolicyWitness& witness : report.witnesses) {
    const bool ours = !witness.member.empty();
    table.AddRow({witness.name, ours ? witness.member : "of no member: you vouch for it",
                  witness.join_index > 0 ? absl::StrCat(witness.join_index) : "-"});
  }
  return absl::StrCat(table.ToString(), report.quorum, " must cosign; ", report.faults,
                      " may be dishonest, ", report.may_be_away, " may be away\n");
}

ordered_json StudiesJson(const std::vector<client::FilmRecord>& films) {
  ordered_json json = ordered_json::array();
  for (const client::FilmRecord& film : films) {
    json.push_back({{"source", film.file.source},
                    {"file", film.file.path},
                    {"status", film.code.empty() ? "accepted" : "rejected"},
                    {"code", film.code},
                    {"reason", film.reason},
                    {"label", film.label},
                    {"pseudonym", film.pid}});
  }
  return json;
}

std::string StudiesText(const std::vector<client::FilmRecord>& films) {
  if (films.empty()) return "no film was rejected\n";
  Table table({"file", "status", "label", "code", "reason"});
  for (const client::FilmRecord& film : films) {
    table.AddRow({film.file.path, film.code.empty() ? "accepted" : "rejected", film.label,
                  film.code, film.reason});
  }
  return table.ToString();
}

ordered_json FindingsJson(const std::vector<client::ProbeResult>& findings) {
  ordered_json json = ordered_json::array();
  for (const client::ProbeResult& finding : findings) {
    json.push_back(
        {{"probe", finding.probe},
         {"ok", finding.status.ok()},
         {"detail", finding.status.ok() ? finding.detail : std::string(finding.status.message())}});
  }
  return {{"probes", json}};
}

std::string FindingsText(const std::vector<client::ProbeResult>& findings) {
  Table table({"probe", "", "detail"});
  for (const client::ProbeResult& finding : findings) {
    table.AddRow({finding.probe, finding.status.ok() ? "ok" : "FAULT",
                  finding.status.ok() ? finding.detail : std::string(finding.status.message())});
  }
  return table.ToString();
}

}  // namespace hilum::cli

#include "cli/job_view.h"

#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "base/bytes.h"
#include "base/count.h"

namespace hilum::cli {
namespace {

using nlohmann::ordered_json;

constexpr size_t kReasonCharacters = 48;   // of a sentence in a wide table
constexpr size_t kMessageCharacters = 64;  // in a narrow one
constexpr size_t kPageColumns = 100;

std::string Loss(double loss) { return absl::StrFormat("%.4f", loss); }

std::string Hex(const std::string& digest) { return ToHex(AsBytes(digest)); }

std::string Names(const google::protobuf::RepeatedPtrField<std::string>& names) {
  return names.empty() ? "-" : absl::StrJoin(names, ", ");
}

// "training 40 %".
std::string Phase(const v1::SiteStatus& site) {
  if (site.phase() != "training" && site.phase() != "sending") return site.phase();
  return absl::StrCat(site.phase(), " ", site.percent(), " %");
}

ordered_json SiteToJson(const v1::SiteStatus& site) {
  ordered_json json = {{"site", site.site()},       {"connected", site.connected()},
                       {"answer", site.answer()},   {"phase", site.phase()},
                       {"percent", site.percent()}, {"reason", site.reason()},
                       {"films", nullptr},          {"loss", nullptr}};
  if (site.has_statistics()) {
    json["films"] = site.weight();
    json["loss"] = site.loss();
  }
  return json;
}

ordered_json RoundToJson(const v1::RoundSummary& round) {
  return {{"round", round.round()},
          {"status", round.status()},
          {"cohort", std::vector<std::string>(round.cohort().begin(), round.cohort().end())},
          {"dropped", std::vector<std::string>(round.dropped().begin(), round.dropped().end())},
          {"total_weight", round.total_weight()},
          {"mean_loss", round.mean_loss()},
          {"model_sha256", Hex(round.model_sha256())},
          {"seconds", round.seconds()},
          {"received_bytes", round.received_bytes()},
          {"reason", round.reason()}};
}

std::string RoundLine(const v1::RoundSummary& round) {
  std::string line = absl::StrCat("round ", round.round(), " ", round.status());
  if (round.status() == "ok") {
    absl::StrAppend(&line, ": ", Count(round.cohort_size(), "site"), ", ",
                    Count(round.total_weight(), "film"), ", mean loss ", Loss(round.mean_loss()),
                    ", ", FormatSeconds(round.seconds()));
  }
  if (round.dropped_size() > 0) {
    // An aborted round counts nobody, also those whose update was accepted.
    absl::StrAppend(&line, round.status() == "aborted" ? ", not counted " : ", dropped ",
                    Names(round.dropped()));
  }
  if (!round.reason().empty()) absl::StrAppend(&line, ": ", round.reason());
  return line;
}

// What is new of one site; empty when nothing is.
std::string SiteChange(const v1::SiteStatus* before, const v1::SiteStatus& now) {
  std::vector<std::string> parts;
  if (before == nullptr || before->connected() != now.connected()) {
    parts.push_back(now.connected() ? "connected" : "away");
  }
  if (before == nullptr || before->answer() != now.answer()) parts.push_back(now.answer());
  if (before == nullptr || before->phase() != now.phase()) {
    parts.push_back(now.reason().empty() ? now.phase()
                                         : absl::StrCat(now.phase(), " (", now.reason(), ")"));
  }
  return parts.empty() ? "" : absl::StrCat(now.site(), ": ", absl::StrJoin(parts, ", "));
}

// A table whose last column is a sentence: a long one is cut, and stands whole below the table.
class SentenceTable {
 public:
  SentenceTable(std::vector<std::string> header, size_t limit)
      : table_(std::move(header)), limit_(limit) {}

  // `about` begins the sentence's line below the table.
  void AddRow(std::vector<std::string> cells, absl::string_view about,
              const std::string& sentence) {
    const std::string shown = Shortened(Printable(sentence), limit_);
    if (shown != Printable(sentence)) {
      absl::StrAppend(&below_, Wrapped(absl::StrCat(about, ": ", sentence), kPageColumns));
    }
    cells.push_back(shown);
    table_.AddRow(std::move(cells));
  }
  std::string ToString() const {
    return absl::StrCat(table_.ToString(), below_.empty() ? "" : "\n", below_);
  }

 private:
  Table table_;
  size_t limit_;
  std::string below_;
};

}  // namespace

bool IsSettled(const v1::JobStatus& status) {
  return status.state() != "recruiting" && status.state() != "running";
}

std::string SiteTable(const v1::JobStatus& status) {
  SentenceTable table({"site", "connected", "answer", "phase", "films", "loss", "reason"},
                      kReasonCharacters);
  for (const v1::SiteStatus& site : status.sites()) {
    const bool known = site.has_statistics();
    table.AddRow({site.site(), site.connected() ? "yes" : "no", site.answer(), Phase(site),
                  known ? absl::StrCat(site.weight()) : "-", known ? Loss(site.loss()) : "-"},
                 site.site(), site.reason());
  }
  return table.ToString();
}

std::string RoundTable(const v1::JobStatus& status) {
  SentenceTable table({"round", "status", "sites", "films", "mean loss", "time", "received",
                       "not counted", "reason"},
                      kReasonCharacters);
  for (const v1::RoundSummary& round : status.history()) {
    const bool ok = round.status() == "ok";
    table.AddRow({absl::StrCat(round.round()), round.status(), absl::StrCat(round.cohort_size()),
                  ok ? absl::StrCat(round.total_weight()) : "-", ok ? Loss(round.mean_loss()) : "-",
                  FormatSeconds(round.seconds()),
                  FormatBytes(static_cast<double>(round.received_bytes())), Names(round.dropped())},
                 absl::StrCat("round ", round.round()), round.reason());
  }
  return table.ToString();
}

std::string StatusPage(const v1::JobStatus& status) {
  std::string page = absl::StrCat("job ", Printable(status.job()), ": ", Printable(status.state()),
                                  ", ", status.history_size(), " of ", status.rounds(),
                                  " rounds begun, ledger size ", status.ledger_size(), "\n");
  if (!status.message().empty()) absl::StrAppend(&page, Wrapped(status.message(), kPageColumns));
  absl::StrAppend(&page, "\n", SiteTable(status));
  if (status.history_size() > 0) absl::StrAppend(&page, "\n", RoundTable(status));
  return page;
}

std::string JobTable(const v1::JobList& jobs) {
  SentenceTable table({"job", "state", "rounds", "sites", "message"}, kMessageCharacters);
  for (const v1::JobStatus& job : jobs.jobs()) {
    // A list comes without the rounds' history: only how many are planned is known.
    table.AddRow(
        {job.job(), job.state(), absl::StrCat(job.rounds()), absl::StrCat(job.sites_size())},
        job.job(), job.message());
  }
  return table.ToString();
}

std::vector<std::string> Changes(const v1::JobStatus& before, const v1::JobStatus& now) {
  std::vector<std::string> lines;
  std::string state;
  if (before.state() != now.state() || before.message() != now.message()) {
    state = absl::StrCat("job ", now.job(), " is ", now.state(), now.message().empty() ? "" : ": ",
                         now.message());
  }
  if (!state.empty() && !IsSettled(now)) lines.push_back(state);
  std::map<std::string, const v1::SiteStatus*> sites;
  for (const v1::SiteStatus& site : before.sites()) sites[site.site()] = &site;
  for (const v1::SiteStatus& site : now.sites()) {
    const auto known = sites.find(site.site());
    const std::string line = SiteChange(known == sites.end() ? nullptr : known->second, site);
    if (!line.empty()) lines.push_back(line);
  }
  for (int i = 0; i < now.history_size(); ++i) {
    const bool known =
        i < before.history_size() && before.history(i).status() == now.history(i).status();
    if (!known) lines.push_back(RoundLine(now.history(i)));
  }
  // How it ended stands last.
  if (!state.empty() && IsSettled(now)) lines.push_back(state);
  for (std::string& line : lines) line = Printable(line);
  return lines;
}

ordered_json StatusToJson(const v1::JobStatus& status) {
  ordered_json json = {{"job", status.job()},
                       {"state", status.state()},
                       {"message", status.message()},
                       {"rounds", status.rounds()},
                       {"ledger_size", status.ledger_size()},
                       {"sites", ordered_json::array()},
                       {"history", ordered_json::array()}};
  for (const v1::SiteStatus& site : status.sites()) json["sites"].push_back(SiteToJson(site));
  for (const v1::RoundSummary& round : status.history()) {
    json["history"].push_back(RoundToJson(round));
  }
  return json;
}

}  // namespace hilum::cli

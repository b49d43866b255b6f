// What sites and lead see.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "aggregator/advance.h"
#include "aggregator/server_core.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace hilum::aggregator {
namespace {

constexpr size_t kFinishedOffers = 8;  // how many jobs that are over a site still hears of

std::vector<std::string> NamesOf(const std::vector<RosterSite>& roster) {
  std::vector<std::string> names;
  for (const RosterSite& member : roster) names.push_back(member.site.name);
  return names;
}

RoundView ClosedView(const RoundRow& row) {
  const std::vector<std::string>& dropped = row.dropped;
  RoundView view{.round = row.round.number,
                 .status = row.status,
                 .cohort = {},
                 .dropped = dropped,
                 .total_weight = row.total_weight,
                 .mean_loss = row.mean_loss,
                 .model = row.model,
                 .seconds = static_cast<double>(row.closed_s - row.opened_s),
                 .received_bytes = row.received_bytes,
                 .reason = row.reason};
  for (const std::string& name : NamesOf(row.roster)) {
    if (std::find(dropped.begin(), dropped.end(), name) == dropped.end()) {
      view.cohort.push_back(name);
    }
  }
  return view;
}

RoundView OpenView(const ActiveRound& active, int64_t now_s) {
  RoundView view{.round = active.row.round.number,
                 .status = "open",
                 .cohort = NamesOf(active.row.roster),
                 .dropped = {},
                 .model = active.row.base_model,
                 .seconds = static_cast<double>(now_s - active.row.opened_s),
                 .received_bytes = active.row.received_bytes};
  for (const auto& [index, reason] : DroppedOf(active.round)) {
    view.dropped.push_back(view.cohort[index]);
  }
  return view;
}

// Where a site stands in the open round, when that says more than its own report.
struct Standing {
  bool in_roster = false;
  uint16_t site_index = 0;
  bool accepted = false;
  std::string dropped;  // the reason
};

Standing StandingOf(const LiveJob& job, const SiteId& site) {
  Standing standing;
  if (!job.active.has_value()) return standing;
  const std::vector<RosterSite>& roster = job.active->row.roster;
  for (size_t index = 0; index < roster.size(); ++index) {
    if (roster[index].site != site) continue;
    standing.in_roster = true;
    const auto site_index = static_cast<uint16_t>(index);
    standing.site_index = site_index;
    const auto& dropped = DroppedOf(job.active->round);
    if (const auto gone = dropped.find(site_index); gone != dropped.end()) {
      standing.dropped = gone->second;
    }
    if (const auto* collecting = std::get_if<Collecting>(&job.active->round)) {
      standing.accepted = collecting->accepted.contains(site_index);
    } else {
      standing.accepted = standing.dropped.empty();
    }
  }
  return standing;
}

}  // namespace

namespace {

void FillFlight(const ActiveRound& active, uint16_t site_index, NoticeView& notice) {
  if (active.masked == nullptr) return;
  const FlightView& view = active.flight;
  notice.flight = NumberOf(view.flight);
  notice.flight_answered = view.answered.contains(site_index);
  if (const Bytes* message = view.down->For(site_index)) {
    notice.flight_digest = view.down->DigestFor(site_index);
    notice.flight_bytes = message->size();
  }
}

}  // namespace

absl::StatusOr<NoticeView> ServerCore::NoticeOf(const LiveJob& job, const SiteId& site) {
  const RoundRow& row = job.active->row;
  const Standing standing = StandingOf(job, site);
  if (!standing.in_roster || !standing.dropped.empty()) return absl::NotFoundError("not for it");
  NoticeView notice{.job = job.row.job.name,
                    .round = row.round.number,
                    .attempt = row.attempt,
                    .config = row.config,
                    .plan = job.row.plan,
                    .open_proof = "",
                    .close_proof = "",
                    .update_accepted = standing.accepted};
  FillFlight(*job.active, standing.site_index, notice);
  if (witnesses != nullptr && !witnesses->IsFresh()) {
    return absl::UnavailableError("the cosignatures are stale");
  }
  // In the order in which the site checks them: the published checkpoint may grow in between.
  if (!job.history.empty()) {
    HILUM_ASSIGN_OR_RETURN(notice.close_proof,
                           federation->log->Prove(job.history.back().close_index.value_or(0)));
  }
  HILUM_ASSIGN_OR_RETURN(notice.open_proof, federation->log->Prove(row.open_index.value_or(0)));
  return notice;
}

bool ServerCore::WaitsForWitnesses(const LiveJob& job) const {
  return job.active.has_value() && std::holds_alternative<Collecting>(job.active->round) &&
         (job.active->row.open_index.value_or(0) >= federation->log->Published().size ||
          (witnesses != nullptr && !witnesses->IsFresh()));
}

SiteView ServerCore::ViewFor(const SiteId& site) {
  SiteView view;
  std::vector<const LiveJob*> finished;
  for (const auto& [id, job] : jobs) {
    const auto answer = job.answers.find(site);
    const bool answered = answer != job.answers.end();
    OfferView offer{.job = id.name,
                    .plan = "",
                    .approved = answered && answer->second.approved,
                    .denied = answered && !answer->second.approved,
                    .state = job.row.state,
                    .closed_round = job.row.closed_round};
    if (!IsActive(job.row.state)) {
      finished.push_back(&job);
      if (finished.size() > kFinishedOffers) continue;
    } else {
      offer.plan = job.row.plan;
    }
    view.jobs.push_back(std::move(offer));
    const bool open = job.active.has_value() && IsOpenForSites(job.active->round);
    if (!open || job.row.state != JobState::kRunning) continue;
    if (absl::StatusOr<NoticeView> notice = NoticeOf(job, site); notice.ok()) {
      view.rounds.push_back(*std::move(notice));
    } else if (!absl::IsNotFound(notice.status()) && !absl::IsUnavailable(notice.status())) {
      Log(LogLevel::kError, "no proof for a notice", {{"reason", notice.status()}});
    }
  }
  return view;
}

SiteStatusView ServerCore::StatusOf(const LiveJob& job, const SiteId& site) {
  SiteStatusView view{.site = site.name, .connected = PresenceOf(site).n_streams > 0};
  const auto answer = job.answers.find(site);
  view.answer = answer == job.answers.end() ? "pending"
                : answer->second.approved   ? "approved"
                                            : "denied";
  if (view.answer == "denied") view.reason = answer->second.reason;
  const auto statistics = job.statistics.find(site);
  if (statistics != job.statistics.end()) view.statistics = statistics->second;
  view.phase = view.connected ? "waiting" : "absent";
  const Standing standing = StandingOf(job, site);
  const auto progress = job.progress.find(site);
  if (standing.accepted) {
    view.phase = "accepted";
    view.percent = 100;
  } else if (progress != job.progress.end() && progress->second.phase == "refused") {
    view.phase = "refused";
    view.reason = progress->second.reason;
  } else if (!standing.dropped.empty()) {
    view.phase = "dropped";
    view.reason = standing.dropped;
  } else if (view.connected && job.active.has_value() && progress != job.progress.end()) {
    view.phase = progress->second.phase;
    view.percent = progress->second.percent;
  }
  return view;
}

JobView ServerCore::ViewOf(const LiveJob& job, bool with_history) {
  JobView view{.job = job.row.job.name,
               .state = job.row.state,
               .rounds = job.plan.rounds,
               .sites = {},
               .history = {},
               .message = job.row.message,
               .plan = job.row.plan,
               .ledger_size = federation->log->size()};
  for (const MemberRow& member : members) {
    if (member.role == "site" && !member.removed) {
      view.sites.push_back(StatusOf(job, {member.name}));
    }
  }
  if (view.message.empty() && job.active.has_value() &&
      std::holds_alternative<Recruiting>(job.active->round)) {
    const auto& waiting = std::get<Recruiting>(job.active->round);
    view.message = absl::StrCat(
        "round ", waiting.facts.round.number, " waits for its sites: ", waiting.connected.size(),
        " of ", waiting.approved.size(), " are connected, the minimum is ", waiting.facts.minimum);
  }
  if (view.message.empty() && WaitsForWitnesses(job)) {
    view.message = absl::StrCat("round ", job.active->row.round.number,
                                " waits until a quorum of witnesses has cosigned its opening");
  }
  if (!with_history) return view;
  for (const RoundRow& row : job.history) view.history.push_back(ClosedView(row));
  const bool logged = job.active.has_value() && job.active->row.open_index.has_value();
  if (logged) view.history.push_back(OpenView(*job.active, NowS()));
  return view;
}

FederationView Server::Status() {
  ServerCore& core = *core_;
  const absl::MutexLock lock(&core.mutex);
  const FederationIdentity& identity = core.federation->identity;
  FederationView view{.federation = identity.name,
                      .origin = identity.origin,
                      .log_vkey = identity.log_vkey,
                      .members = {},
                      .ledger_size = core.federation->log->size()};
  for (const MemberRow& member : core.members) {
    if (member.removed) continue;
    const bool connected = member.role == "site" && core.PresenceOf({member.name}).n_streams > 0;
    view.members.push_back({.name = member.name,
                            .role = member.role,
                            .connected = connected,
                            .joined_s = member.joined_s});
  }
  return view;
}

CounterView Server::Counters() {
  ServerCore& core = *core_;
  const absl::MutexLock lock(&core.mutex);
  CounterView view = core.counters;
  view.sites_connected = static_cast<uint64_t>(
      std::count_if(core.presence.begin(), core.presence.end(),
                    [](const auto& one) { return one.second.n_streams > 0; }));
  for (const auto& [site, presence] : core.presence) {
    view.uploads += static_cast<uint64_t>(presence.n_uploads);
  }
  view.ledger_size = core.federation->log->size();
  view.published_size = core.federation->log->Published().size;
  if (core.anchors != nullptr) {
    const AnchorView anchors = core.anchors->View();
    view.anchor_receipts = anchors.receipts;
    view.anchor_failures = anchors.failures;
    view.anchored_size = anchors.size;
    view.anchored_time_s = anchors.time_s;
  }
  if (core.witnesses == nullptr) return view;
  view.each_witness = core.witnesses->View();
  view.witnesses = view.each_witness.size();
  for (const WitnessView& witness : view.each_witness) {
    view.witnesses_connected += witness.connected ? 1 : 0;
  }
  return view;
}

}  // namespace hilum::aggregator

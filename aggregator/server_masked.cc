// Masked rounds: what the conductor does with their flights, and what sites send in them.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "aggregator/advance.h"
#include "aggregator/masked_tags.h"
#include "aggregator/server_core.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "privacy/sum_object.h"
#include "privacy/unmask.h"

namespace hilum::aggregator {

namespace secagg = privacy::secagg;

namespace {

uint8_t NumberByte(Flight flight) { return static_cast<uint8_t>(flight); }

int64_t LimitMs(const privacy::RoundConfig& config, Flight flight) {
  const privacy::Deadlines& limits = config.deadlines;
  const uint32_t all[] = {limits.r0_1_ms, limits.r0_2_ms, limits.r1_1_ms, limits.r1_2_ms,
                          limits.r2_ms,   limits.r3_ms,   limits.r4_ms};
  return all[NumberByte(flight) - 1];
}

absl::Status NoSuchFlight(const FlightClaim& claim) {
  return absl::FailedPreconditionError(absl::StrCat("flight ", claim.flight, " of attempt ",
                                                    claim.attempt, " at round ", claim.round.number,
                                                    " of job ", claim.job.name, " is not on"));
}

// Those who are awaited and have neither answered nor dropped out.
bool AllHere(const FlightView& view, const std::map<uint16_t, std::string>& dropped) {
  return std::all_of(view.members.begin(), view.members.end(), [&](uint16_t member) {
    return view.answered.contains(member) || dropped.contains(member);
  });
}

}  // namespace

const std::map<uint16_t, std::string>& DroppedOf(const Round& round) {
  static const auto* const none = new std::map<uint16_t, std::string>();
  return std::visit(
      [](const auto& state) -> const std::map<uint16_t, std::string>& {
        if constexpr (requires { state.dropped; }) {
          return state.dropped;
        } else {
          return *none;
        }
      },
      round);
}

bool IsOpenForSites(const Round& round) {
  return std::holds_alternative<Collecting>(round) || std::holds_alternative<Confirming>(round) ||
         std::holds_alternative<Unmasking>(round);
}

absl::Status MaskedRun::Save(State& state, const RoundRow& row, uint16_t member, ByteView message) {
  unsaved[member] = Bytes(message.begin(), message.end());
  return SaveAll(state, row);
}

absl::Status MaskedRun::SaveAll(State& state, const RoundRow& row) {
  while (!unsaved.empty()) {
    const auto& [member, message] = *unsaved.begin();
    HILUM_RETURN_IF_ERROR(state.PutFlight(row.job, row.round,
                                          {.attempt = attempt->attempt(),
                                           .flight = NumberByte(attempt->flight()),
                                           .sender = member,
                                           .message = message}));
    unsaved.erase(unsaved.begin());
  }
  return absl::OkStatus();
}

// The end of the flight is durable before what follows from it is made: a restart makes the same.
absl::Status MaskedRun::SaveEnd(State& state, const RoundRow& row, ByteView sum_object) {
  HILUM_RETURN_IF_ERROR(SaveAll(state, row));
  return state.PutFlight(row.job, row.round,
                         {.attempt = attempt->attempt(),
                          .flight = NumberByte(attempt->flight()),
                          .sender = FlightRow::kEnd,
                          .message = Bytes(sum_object.begin(), sum_object.end())});
}

// Feeds the stored messages to a new attempt.
absl::Status ServerCore::Replay(const std::vector<FlightRow>& rows,
                                const std::vector<CountedUpdate>& updates,
                                const privacy::RoundConfig& config, MaskedRun& run) const {
  MaskedAttempt& attempt = *run.attempt;
  const auto take_vectors = [&]() -> absl::Status {
    for (const CountedUpdate& update : updates) {
      HILUM_RETURN_IF_ERROR(attempt.TakeVector(update).status());
    }
    return absl::OkStatus();
  };
  run.confirmed = std::any_of(rows.begin(), rows.end(), [](const FlightRow& row) {
    return row.sender == FlightRow::kEnd && row.flight == NumberByte(Flight::kVote);
  });
  for (const FlightRow& row : rows) {
    const auto flight = static_cast<Flight>(row.flight);
    if (row.sender != FlightRow::kEnd) {
      HILUM_RETURN_IF_ERROR(attempt.Take(row.sender, flight, row.message).status());
    } else if (flight != Flight::kVector) {
      const absl::Status closed = attempt.Close();
      // Without a quorum nothing was shown.
      if (flight == Flight::kVote && absl::IsUnavailable(closed)) run.confirmed = false;
      HILUM_RETURN_IF_ERROR(closed);
    } else {
      HILUM_RETURN_IF_ERROR(take_vectors());
      std::copy_n(row.message.begin(), std::min(row.message.size(), run.sum_object.size()),
                  run.sum_object.begin());
      HILUM_ASSIGN_OR_RETURN(
          const Bytes object,
          federation->store.Get(run.sum_object, privacy::SumObjectBytes(config)));
      HILUM_ASSIGN_OR_RETURN(std::vector<uint64_t> sums, privacy::UnpackSum(object, config));
      HILUM_RETURN_IF_ERROR(attempt.CloseVectors(std::move(sums)));
    }
  }
  return attempt.flight() == Flight::kVector ? take_vectors() : absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<MaskedRun>> ServerCore::RestoreAttempt(
    const RoundRow& row, const privacy::RoundConfig& config,
    const std::vector<CountedUpdate>& updates) const {
  auto run = std::make_shared<MaskedRun>();
  HILUM_ASSIGN_OR_RETURN(run->attempt,
                         MaskedAttempt::Create(config, row.attempt, federation->entry_key));
  HILUM_ASSIGN_OR_RETURN(const std::vector<FlightRow> rows,
                         federation->state->Flights(row.job, row.round, row.attempt));
  run->restored = Replay(rows, updates, config, *run);
  return run;
}

FlightView MaskedRun::Look() const {
  FlightView view{.flight = attempt->flight(),
                  .down = attempt->down(),
                  .members = attempt->members(),
                  .answered = {},
                  .u2_hash = {},
                  .deadline_ms = 0,
                  .over = attempt->over().ok() ? restored : attempt->over()};
  for (const uint16_t member : view.members) {
    if (attempt->HasAnswered(member)) view.answered.insert(member);
  }
  if (view.flight == Flight::kVector) view.u2_hash = attempt->u2_hash();
  return view;
}

void ServerCore::ShowFlight(ActiveRound& active, FlightView view) {
  // R2 ends with the round's own deadline, which covers the training.
  view.deadline_ms = view.flight == Flight::kVector ? active.deadline_ms
                                                    : NowMs() + LimitMs(active.config, view.flight);
  active.flight = std::move(view);
  TouchAll();
}

absl::Status ServerCore::BeginAttempt(LiveJob& job) {
  ActiveRound& active = *job.active;
  if (active.config.mode == privacy::RoundMode::kOpen) return absl::OkStatus();
  HILUM_ASSIGN_OR_RETURN(active.masked, RestoreAttempt(active.row, active.config, {}));
  active.opened = nullptr;
  active.deadline_ms = NowMs() + int64_t{job.plan.cohort.deadline_s} * 1000;
  ShowFlight(active, active.masked->Look());
  return absl::OkStatus();
}

absl::Status ServerCore::ResumeMasked(ActiveRound& active) {
  if (active.config.mode == privacy::RoundMode::kOpen) return absl::OkStatus();
  if (!active.row.close_entry.empty()) {  // only to be logged
    active.to_restore.clear();
    for (const Event& event : {Event(TranscriptConfirmed{}), Event(SumOpened{})}) {
      HILUM_ASSIGN_OR_RETURN(active.round, Advance(active.round, event));
    }
    return absl::OkStatus();
  }
  HILUM_ASSIGN_OR_RETURN(active.masked,
                         RestoreAttempt(active.row, active.config, active.to_restore));
  ShowFlight(active, active.masked->Look());
  if (NumberOf(active.flight.flight) > NumberOf(Flight::kVector)) active.to_restore.clear();
  if (!active.masked->confirmed) return absl::OkStatus();
  if (!std::holds_alternative<Confirming>(active.round)) {
    return absl::InvalidArgumentError(absl::StrCat("round ", active.row.round.number,
                                                   ": its votes were shown, and updates of it are ",
                                                   "missing"));
  }
  HILUM_ASSIGN_OR_RETURN(active.round, Advance(active.round, TranscriptConfirmed{}));
  return absl::OkStatus();
}

// Sites that the flight does not await any more are out of the attempt.
absl::Status ServerCore::DropSilent(LiveJob& job) {
  const auto* collecting = std::get_if<Collecting>(&job.active->round);
  if (collecting == nullptr || job.active->flight.flight == Flight::kAdvertise) {
    return absl::OkStatus();
  }
  const std::vector<RosterSite> roster = collecting->roster;
  for (size_t index = 0; index < roster.size(); ++index) {
    const auto site_index = static_cast<uint16_t>(index);
    if (secagg::Holds(job.active->flight.members, site_index)) continue;
    HILUM_RETURN_IF_ERROR(
        Drop(job, roster[index].site, "it did not answer a flight of the masked round in time"));
  }
  return absl::OkStatus();
}

absl::Status ServerCore::StepMasked(LiveJob& job) {
  ActiveRound& active = *job.active;
  if (active.masked == nullptr || !IsOpenForSites(active.round)) return absl::OkStatus();
  FlightView& view = active.flight;
  if (!view.over.ok()) return FailAttempt(job, view.over, {});
  if (WaitsForWitnesses(job)) {  // nobody has been told yet
    view.deadline_ms = NowMs() + LimitMs(active.config, view.flight);
    return absl::OkStatus();
  }
  HILUM_RETURN_IF_ERROR(DropSilent(job));
  const bool done = AllHere(view, DroppedOf(active.round)) || NowMs() >= view.deadline_ms;
  if (std::holds_alternative<Unmasking>(active.round)) {
    return done ? OpenSum(job) : absl::OkStatus();
  }
  if (view.flight != Flight::kVector) return done ? EndFlight(job) : absl::OkStatus();
  if (std::holds_alternative<Confirming>(active.round)) return EndVectors(job);
  const Collecting& collecting = std::get<Collecting>(active.round);
  if (collecting.accepted.size() + collecting.dropped.size() < collecting.roster.size()) {
    return absl::OkStatus();
  }
  return FailAttempt(job,
                     absl::UnavailableError(
                         absl::StrCat(collecting.accepted.size(), " of ", collecting.roster.size(),
                                      " sites sent a masked vector, the round needs ",
                                      std::max(active.config.quorum, active.config.u_min))),
                     {});
}

absl::Status ServerCore::EndFlight(LiveJob& job) {
  ActiveRound& active = *job.active;
  const std::shared_ptr<MaskedRun> run = active.masked;
  const RoundRow row = active.row;
  const Flight flight = active.flight.flight;
  Indices missing;
  absl::Status saved;
  FlightView view;
  mutex.Unlock();
  {
    const absl::MutexLock lock(&run->mutex);
    saved = run->SaveEnd(*federation->state, row, {});
    missing = run->attempt->Missing();
    // A failure is in over(), which the next step sees.
    if (saved.ok()) run->attempt->Close().IgnoreError();
    view = run->Look();
  }
  mutex.Lock();
  HILUM_RETURN_IF_ERROR(saved);
  ShowFlight(active, std::move(view));
  if (!active.flight.over.ok()) {
    // Who has seen the others' reveals may not have another graph drawn by keeping its own back.
    const bool withheld = flight == Flight::kReveal && absl::IsAborted(active.flight.over);
    return FailAttempt(job, active.flight.over, withheld ? missing : Indices{});
  }
  Log(LogLevel::kInfo, "flight over",
      {{"job", row.job.name},
       {"round", row.round.number},
       {"attempt", int{row.attempt}},
       {"flight", NameOf(flight)},
       {"silent", missing.size()}});
  if (flight == Flight::kVote) return Apply(job, TranscriptConfirmed{});
  return absl::OkStatus();
}

absl::Status ServerCore::EndVectors(LiveJob& job) {
  ActiveRound& active = *job.active;
  const std::shared_ptr<MaskedRun> run = active.masked;
  const RoundRow row = active.row;
  const privacy::RoundConfig config = active.config;
  const std::shared_ptr<Accumulator> sum = active.sum;
  const std::vector<CountedUpdate> counted = std::get<Confirming>(active.round).counted;
  FlightView view;
  mutex.Unlock();
  const auto end = [&]() -> absl::Status {
    sum->Close();  // uploads in flight end now
    HILUM_ASSIGN_OR_RETURN(privacy::MaskedTotal total, TotalOf(config, counted, *sum));
    HILUM_ASSIGN_OR_RETURN(const Digest object,
                           federation->store.Put(privacy::PackSum(total.sums(), config)));
    const absl::MutexLock lock(&run->mutex);
    HILUM_RETURN_IF_ERROR(run->SaveEnd(*federation->state, row, object));
    run->sum_object = object;
    run->attempt->CloseVectors(std::move(total).Release()).IgnoreError();  // in over()
    view = run->Look();
    return absl::OkStatus();
  };
  const absl::Status status = end();
  mutex.Lock();
  HILUM_RETURN_IF_ERROR(status);
  ShowFlight(active, std::move(view));
  return active.flight.over.ok() ? absl::OkStatus() : FailAttempt(job, active.flight.over, {});
}

absl::StatusOr<secagg::OpenedRound> ServerCore::OpenAttempt(
    MaskedAttempt& attempt, const std::vector<CountedUpdate>& counted) const {
  HILUM_ASSIGN_OR_RETURN(secagg::OpenedRound opened, attempt.Open(kernels::Device::kCpu));
  // A member whose weight or loss cannot be ends the round here, where it may fail: at its close
  // the job would stop for ever.
  HILUM_RETURN_IF_ERROR(privacy::CheckExtras(opened.total, attempt.context().config()));
  HILUM_ASSIGN_OR_RETURN(const Indices wrong, SettleTags(federation->store, counted, opened));
  for (const uint16_t member : wrong) {
    Log(LogLevel::kError, "a member signed a tag that is not of its vector", {{"member", member}});
  }
  return opened;
}

absl::Status ServerCore::OpenSum(LiveJob& job) {
  ActiveRound& active = *job.active;
  const std::vector<CountedUpdate> counted = std::get<Unmasking>(active.round).counted;
  const std::shared_ptr<MaskedRun> run = active.masked;
  const RoundRow row = active.row;
  absl::Status saved;
  absl::StatusOr<secagg::OpenedRound> opened = absl::InternalError("");
  mutex.Unlock();
  {
    const absl::MutexLock lock(&run->mutex);
    saved = run->SaveAll(*federation->state, row);
    if (saved.ok()) opened = OpenAttempt(*run->attempt, counted);
  }
  mutex.Lock();
  HILUM_RETURN_IF_ERROR(saved);
  if (!opened.ok()) return FailAttempt(job, opened.status(), {});
  active.opened = std::make_shared<secagg::OpenedRound>(*std::move(opened));
  return Apply(job, SumOpened{});
}

absl::Status ServerCore::FailAttempt(LiveJob& job, const absl::Status& why,
                                     const Indices& withheld) {
  ActiveRound& active = *job.active;
  AttemptFailed event{
      .reason = absl::StrCat("attempt ", int{active.row.attempt} + 1, ": ", why.message()),
      .barred = active.barred};
  const std::set<SiteId> approved = Approved(job);
  for (size_t index = 0; index < active.row.roster.size(); ++index) {
    if (approved.contains(active.row.roster[index].site)) continue;
    event.barred.emplace(static_cast<uint16_t>(index), "it left the job");
  }
  for (const uint16_t member : withheld) {
    event.barred.emplace(member, "it kept its part of the graph's seed back");
  }
  Log(LogLevel::kWarning, "attempt failed",
      {{"job", job.row.job.name}, {"round", active.row.round.number}, {"reason", event.reason}});
  HILUM_ASSIGN_OR_RETURN(Round next, Advance(active.round, event));
  const auto* again = std::get_if<Collecting>(&next);
  if (again == nullptr) {
    active.round = std::move(next);
    TouchAll();
    return absl::OkStatus();
  }
  RoundRow row = active.row;
  row.attempt = again->attempt;
  std::vector<DropRow> drops;
  for (const auto& [index, reason] : again->dropped) drops.push_back({index, reason});
  HILUM_RETURN_IF_ERROR(federation->state->BeginAttempt(row, drops));
  active.row = std::move(row);
  active.round = std::move(next);
  active.barred = event.barred;
  active.to_restore.clear();
  active.sum =
      std::make_shared<Accumulator>(&federation->store, ShapeOf(active.config), options.compute);
  return BeginAttempt(job);
}

absl::StatusOr<RoundRow> ServerCore::MakeMaskedClose(const Publisher& publisher,
                                                     const RoundRow& row, const Closing& closing,
                                                     const CloseWork& work) {
  std::shared_ptr<MaskedRun> run = work.masked;
  std::shared_ptr<secagg::OpenedRound> opened = work.opened;
  if (opened == nullptr || opened->total.words().empty()) {
    // An earlier attempt at the close used it up: the stored messages give it again.
    HILUM_ASSIGN_OR_RETURN(const privacy::RoundConfig config,
                           privacy::DecodeRoundConfig(row.config));
    HILUM_ASSIGN_OR_RETURN(run, RestoreAttempt(row, config, closing.counted));
    HILUM_RETURN_IF_ERROR(run->restored);
    HILUM_ASSIGN_OR_RETURN(secagg::OpenedRound again, OpenAttempt(*run->attempt, closing.counted));
    opened = std::make_shared<secagg::OpenedRound>(std::move(again));
  }
  const absl::MutexLock lock(&run->mutex);
  return PrepareMaskedClose(publisher, row, closing, run->attempt->evidence(), std::move(*opened),
                            run->sum_object, NowS());
}

// ---- Sites

absl::StatusOr<ServerCore::FlightPlace> ServerCore::FindFlight(const SiteId& site,
                                                               const FlightClaim& claim) {
  LiveJob* job = FindJob(claim.job);
  if (job == nullptr || !job->active.has_value()) return NoSuchFlight(claim);
  ActiveRound& active = *job->active;
  if (active.masked == nullptr || !IsOpenForSites(active.round) ||
      active.row.round != claim.round || active.row.attempt != claim.attempt ||
      NumberOf(active.flight.flight) != claim.flight || WaitsForWitnesses(*job)) {
    return NoSuchFlight(claim);
  }
  const std::vector<RosterSite>& roster = active.row.roster;
  for (size_t index = 0; index < roster.size(); ++index) {
    if (roster[index].site != site) continue;
    const auto site_index = static_cast<uint16_t>(index);
    const auto& dropped = DroppedOf(active.round);
    if (const auto gone = dropped.find(site_index); gone != dropped.end()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "site ", site.name, " was dropped from round ", claim.round.number, ": ", gone->second));
    }
    return FlightPlace{.active = &active, .run = active.masked, .site_index = site_index};
  }
  return absl::PermissionDeniedError(
      absl::StrCat("site ", site.name, " is not in the roster of ", "round ", claim.round.number));
}

absl::StatusOr<bool> Server::TakeFlight(const SiteId& site, const FlightClaim& claim,
                                        ByteView message) {
  ServerCore& core = *core_;
  ServerCore::FlightPlace place;
  RoundRow row;
  {
    const absl::MutexLock lock(&core.mutex);
    HILUM_ASSIGN_OR_RETURN(place, core.FindFlight(site, claim));
    row.job = claim.job;
    row.round = claim.round;
  }
  bool is_new = false;
  {
    // Never the other way round: the core's lock is taken inside this one, or not at all.
    const absl::MutexLock lock(&place.run->mutex);
    HILUM_ASSIGN_OR_RETURN(
        is_new,
        place.run->attempt->Take(place.site_index, static_cast<Flight>(claim.flight), message));
    if (is_new || place.run->unsaved.contains(place.site_index)) {
      HILUM_RETURN_IF_ERROR(
          place.run->Save(*core.federation->state, row, place.site_index, message));
    }
  }
  const absl::MutexLock lock(&core.mutex);
  if (absl::StatusOr<ServerCore::FlightPlace> now = core.FindFlight(site, claim); now.ok()) {
    now->active->flight.answered.insert(place.site_index);
    core.TouchSite(site);
    core.TouchLead();
  }
  return is_new;
}

absl::StatusOr<FlightDown> Server::FlightFor(const SiteId& site, const FlightClaim& claim) {
  const absl::MutexLock lock(&core_->mutex);
  HILUM_ASSIGN_OR_RETURN(const ServerCore::FlightPlace place, core_->FindFlight(site, claim));
  FlightDown down{.owner = place.active->flight.down, .message = {}};
  const Bytes* message = down.owner->For(place.site_index);
  if (message == nullptr) {
    return absl::NotFoundError(
        absl::StrCat("flight ", claim.flight, " begins with no message for ", "site ", site.name));
  }
  down.message = *message;
  return down;
}

}  // namespace hilum::aggregator

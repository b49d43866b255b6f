// Events of sites: durable first, then in the round.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "aggregator/advance.h"
#include "aggregator/server_core.h"
#include "base/log.h"
#include "base/status_macros.h"

namespace hilum::aggregator {
namespace {

constexpr size_t kReasonLimitBytes = 200;

// The start of a site's sentence. Never half a character: gRPC could not send that to the lead.
std::string CutReason(absl::string_view text) {
  size_t size = std::min(text.size(), kReasonLimitBytes);
  while (size > 0 && size < text.size() && (text[size] & 0xC0) == 0x80) --size;
  return std::string(text.substr(0, size));
}

absl::Status NoOpenRound(const JobId& job, RoundId round) {
  return absl::FailedPreconditionError(
      absl::StrCat("round ", round.number, " of job ", job.name, " is not open"));
}

}  // namespace

absl::Status ServerCore::Apply(LiveJob& job, const Event& event) {
  HILUM_ASSIGN_OR_RETURN(job.active->round, Advance(job.active->round, event));
  TouchLead();
  return absl::OkStatus();
}

std::set<SiteId> ServerCore::Approved(const LiveJob& job) const {
  std::set<SiteId> approved;
  for (const auto& [site, answer] : job.answers) {
    if (answer.approved && IsMember(site)) approved.insert(site);
  }
  return approved;
}

absl::Status ServerCore::Drop(LiveJob& job, const SiteId& site, const std::string& reason) {
  const auto* collecting = std::get_if<Collecting>(&job.active->round);
  if (collecting == nullptr) return absl::OkStatus();
  for (size_t index = 0; index < collecting->roster.size(); ++index) {
    const auto site_index = static_cast<uint16_t>(index);
    if (collecting->roster[index].site != site) continue;
    if (collecting->accepted.contains(site_index) || collecting->dropped.contains(site_index)) {
      return absl::OkStatus();
    }
    HILUM_RETURN_IF_ERROR(federation->state->PutDrop(job.row.job, collecting->facts.round,
                                                     {.site_index = site_index, .reason = reason}));
    Log(LogLevel::kWarning, "site dropped",
        {{"job", job.row.job.name},
         {"round", collecting->facts.round.number},
         {"site", site.name},
         {"reason", reason}});
    TouchSite(site);
    return Apply(job, SiteDropped{.site = site, .reason = reason});
  }
  return absl::OkStatus();
}

std::shared_ptr<MaskedRun> ServerCore::FindRun(const UpdateTicket& ticket) {
  const absl::MutexLock lock(&mutex);
  LiveJob* job = FindJob(ticket.round().job);
  if (job == nullptr || !job->active.has_value()) return nullptr;
  const RoundRow& row = job->active->row;
  const bool same = row.round == ticket.round().round && row.attempt == ticket.attempt();
  return same ? job->active->masked : nullptr;
}

absl::Status ServerCore::Admit(const UpdateTicket& ticket, const StoredUpdate& stored) {
  const JobId& id = ticket.round().job;
  const RoundId round = ticket.round().round;
  const std::shared_ptr<MaskedRun> run = ticket.masked() ? FindRun(ticket) : nullptr;
  if (ticket.masked() && run == nullptr) return NoOpenRound(id, round);
  const absl::MutexLockMaybe attempt_lock(run == nullptr ? nullptr : &run->mutex);
  const absl::MutexLock lock(&mutex);
  LiveJob* job = FindJob(id);
  if (job == nullptr || !job->active.has_value()) return NoOpenRound(id, round);
  const auto* collecting = std::get_if<Collecting>(&job->active->round);
  if (collecting == nullptr || collecting->facts.round != round ||
      collecting->attempt != ticket.attempt()) {
    return NoOpenRound(id, round);
  }
  const SiteId site = collecting->roster[stored.update.site_index].site;
  if (collecting->accepted.contains(stored.update.site_index)) {
    return absl::AlreadyExistsError(absl::StrCat("the update of site ", site.name, " for round ",
                                                 round.number, " was accepted before"));
  }
  if (run != nullptr &&
      !privacy::secagg::Holds(job->active->flight.members, stored.update.site_index)) {
    return absl::FailedPreconditionError(
        absl::StrCat("site ", site.name, " is not of U2 of round ", round.number));
  }
  // The pure step first, on a copy: what the round refuses is never stored.
  HILUM_ASSIGN_OR_RETURN(Round next,
                         Advance(job->active->round, UpdateAccepted{.update = stored.update}));
  HILUM_RETURN_IF_ERROR(federation->state->PutUpdate(id, round, stored));
  if (run != nullptr) {
    // Signature, root and U2 were checked before: a refusal here means that the attempt is broken.
    const absl::StatusOr<bool> taken = run->attempt->TakeVector(stored.update);
    if (!taken.ok()) return job->active->flight.over = taken.status();
    job->active->flight.answered.insert(stored.update.site_index);
  } else {
    job->statistics[site] = stored.statistics;
  }
  job->active->round = std::move(next);
  job->active->row.received_bytes += stored.size_bytes;
  ++counters.updates_accepted;
  TouchSite(site);
  TouchLead();
  Log(LogLevel::kInfo, "update accepted",
      {{"job", id.name},
       {"round", round.number},
       {"site", site.name},
       {"bytes", stored.size_bytes}});
  return absl::OkStatus();
}

absl::Status Server::Answer(const SiteId& site, const JobId& id, const AnswerRow& answer) {
  ServerCore& core = *core_;
  const absl::MutexLock lock(&core.mutex);
  LiveJob* job = core.FindJob(id);
  if (job == nullptr) return absl::NotFoundError(absl::StrCat("there is no job ", id.name));
  if (!IsActive(job->row.state)) {
    return absl::FailedPreconditionError(absl::StrCat(
        "job ", id.name, " is ", std::string(ToText(job->row.state)), " and takes no answer"));
  }
  AnswerRow row = answer;
  row.site = site;
  row.reason = CutReason(row.reason);
  const auto known = job->answers.find(site);
  if (known != job->answers.end() && known->second.approved == row.approved &&
      known->second.reason == row.reason) {
    return absl::OkStatus();  // said again
  }
  HILUM_RETURN_IF_ERROR(core.federation->state->PutAnswer(id, row));
  job->answers[site] = row;
  Log(LogLevel::kInfo, row.approved ? "job approved" : "job denied",
      {{"job", id.name}, {"site", site.name}});
  if (job->active.has_value()) {
    if (!row.approved) {
      HILUM_RETURN_IF_ERROR(core.Drop(*job, site, "the site withdrew its approval"));
    }
    // A round that still waits for its sites counts this one anew.
    if (std::holds_alternative<Recruiting>(job->active->round)) {
      HILUM_RETURN_IF_ERROR(core.BeginRound(*job));
    }
  }
  core.TouchSite(site);
  core.TouchLead();
  return absl::OkStatus();
}

absl::Status Server::Report(const SiteId& site, const Progress& progress) {
  static constexpr absl::string_view kPhases[] = {"waiting", "training", "sending", "refused"};
  if (std::find(std::begin(kPhases), std::end(kPhases), progress.phase) == std::end(kPhases)) {
    return absl::InvalidArgumentError(absl::StrCat("site ", site.name, " reports the phase \"",
                                                   progress.phase.substr(0, 32),
                                                   "\", which is none of waiting, training, "
                                                   "sending and refused"));
  }
  ServerCore& core = *core_;
  const absl::MutexLock lock(&core.mutex);
  LiveJob* job = core.FindJob(progress.job);
  if (job == nullptr || !job->active.has_value()) return absl::OkStatus();
  if (Facts(job->active->round).round != progress.round) return absl::OkStatus();
  const std::string reason = CutReason(progress.reason);
  job->progress[site] = {.round = progress.round.number,
                         .phase = progress.phase,
                         .percent = std::min(progress.percent, 100U),
                         .reason = reason};
  core.TouchLead();
  if (progress.phase != "refused" || job->active->row.attempt != progress.attempt) {
    return absl::OkStatus();
  }
  return core.Drop(*job, site, absl::StrCat("the site refused: ", reason));
}

struct UpdateSession::Impl {
  Impl(std::shared_ptr<ServerCore> c, UpdateTicket t, std::shared_ptr<Accumulator> s,
       std::unique_ptr<Upload> u)
      : core(std::move(c)), ticket(std::move(t)), sum(std::move(s)), upload(std::move(u)) {}

  absl::StatusOr<Receipt> Compare(const Digest& root) const;

  std::shared_ptr<ServerCore> core;
  UpdateTicket ticket;
  std::shared_ptr<Accumulator> sum;
  std::unique_ptr<Upload> upload;
  uint64_t received_bytes = 0;
  bool accepted = false;
};

UpdateSession::UpdateSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

UpdateSession::~UpdateSession() {
  impl_->upload.reset();  // takes what is not counted out of S
  ServerCore& core = *impl_->core;
  const absl::MutexLock lock(&core.mutex);
  --core.PresenceOf(impl_->ticket.site()).n_uploads;
  core.counters.received_bytes += impl_->received_bytes;
  if (!impl_->accepted) ++core.counters.updates_refused;
}

absl::Status UpdateSession::AddChunk(uint32_t index, ByteView chunk) {
  impl_->received_bytes += chunk.size();
  return impl_->upload->AddChunk(index, chunk);
}

// The root against the update that was accepted before.
absl::StatusOr<Receipt> UpdateSession::Impl::Compare(const Digest& root) const {
  const absl::MutexLock lock(&core->mutex);
  LiveJob* job = core->FindJob(ticket.round().job);
  const Collecting* collecting = job == nullptr || !job->active.has_value()
                                     ? nullptr
                                     : std::get_if<Collecting>(&job->active->round);
  if (collecting == nullptr || collecting->facts.round != ticket.round().round) {
    return NoOpenRound(ticket.round().job, ticket.round().round);
  }
  const auto known = collecting->accepted.find(ticket.site_index());
  if (known != collecting->accepted.end() && known->second.root == root) {
    return Receipt{.root = root, .repeated = true};
  }
  return absl::AlreadyExistsError(
      absl::StrCat("site ", ticket.site().name, " sent a second, different update for round ",
                   ticket.round().round.number, " of job ", ticket.round().job.name));
}

absl::StatusOr<Receipt> UpdateSession::Finish(const UpdateSeal& seal) {
  HILUM_ASSIGN_OR_RETURN(const ReceivedUpdate received, impl_->upload->Finish());
  HILUM_ASSIGN_OR_RETURN(const AcceptedUpdate update, Validate(received, seal, impl_->ticket));
  absl::StatusOr<Receipt> receipt = Receipt{.root = update.root(), .repeated = false};
  if (impl_->ticket.repeated()) {
    receipt = impl_->Compare(update.root());
  } else {
    StoredUpdate stored{.update = {.site_index = update.site_index(),
                                   .root = update.root(),
                                   .signature = update.signature(),
                                   .object = {}},
                        .statistics = update.statistics(),
                        .size_bytes = impl_->received_bytes};
    const absl::Status counted =
        impl_->sum->Count(update, *impl_->upload, [&](const Digest& object) {
          stored.update.object = object;
          return impl_->core->Admit(impl_->ticket, stored);
        });
    // Another connection of the same site was faster: the same update is as good as a repeat.
    if (absl::IsAlreadyExists(counted)) {
      receipt = impl_->Compare(update.root());
    } else if (!counted.ok()) {
      return counted;
    }
  }
  impl_->accepted = receipt.ok();
  return receipt;
}

bool Server::IsCollecting(const JobId& id, RoundId round) {
  const absl::MutexLock lock(&core_->mutex);
  const LiveJob* job = core_->FindJob(id);
  if (job == nullptr || !job->active.has_value()) return false;
  const auto* collecting = std::get_if<Collecting>(&job->active->round);
  return collecting != nullptr && collecting->facts.round == round;
}

absl::StatusOr<std::unique_ptr<UpdateSession>> Server::BeginUpdate(const SiteId& site,
                                                                   const UpdateClaim& claim) {
  HILUM_ASSIGN_OR_RETURN(ServerCore::Intake intake, core_->CheckUpdate(site, claim));
  // Without the server's lock: an upload's lock is taken before it, never after.
  absl::StatusOr<std::unique_ptr<Upload>> upload = intake.sum->Begin(intake.ticket);
  if (!upload.ok()) {
    const absl::MutexLock lock(&core_->mutex);
    --core_->PresenceOf(site).n_uploads;
    return upload.status();
  }
  return std::unique_ptr<UpdateSession>(new UpdateSession(std::make_unique<UpdateSession::Impl>(
      core_, std::move(intake.ticket), std::move(intake.sum), *std::move(upload))));
}

absl::StatusOr<ServerCore::Intake> ServerCore::CheckUpdate(const SiteId& site,
                                                           const UpdateClaim& claim) {
  constexpr int kUploadsPerSite = 2;  // a broken connection may not be noticed yet
  const absl::MutexLock lock(&mutex);
  LiveJob* job = FindJob(claim.job);
  const Collecting* collecting = job == nullptr || !job->active.has_value()
                                     ? nullptr
                                     : std::get_if<Collecting>(&job->active->round);
  if (collecting == nullptr) return NoOpenRound(claim.job, claim.round);
  absl::StatusOr<UpdateTicket> ticket =
      CheckClaim(claim, site,
                 {.round = *collecting,
                  .config = job->active->config,
                  .attempt = job->active->row.attempt,
                  .profile_digest = job->plan.model.profile_digest,
                  .u2_hash = job->active->flight.u2_hash});
  if (!ticket.ok()) {
    ++counters.updates_refused;
    return ticket.status();
  }
  int& n_uploads = PresenceOf(site).n_uploads;
  if (n_uploads >= kUploadsPerSite) {
    return absl::ResourceExhaustedError(
        absl::StrCat("site ", site.name, " has ", n_uploads, " updates on their way already"));
  }
  ++n_uploads;
  return Intake{.ticket = *std::move(ticket), .sum = job->active->sum};
}

}  // namespace hilum::aggregator

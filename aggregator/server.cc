#include "aggregator/server.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "aggregator/advance.h"
#include "aggregator/seal.h"
#include "aggregator/server_core.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "crypto/tree.h"
#include "proto/safetensors.h"

namespace hilum::aggregator {
namespace {

// The conductor looks at its clocks this often, and at once when an event comes.
constexpr absl::Duration kTick = absl::Milliseconds(200);

// A damaged row may hold anything; a message of gRPC and a log line hold text only.
std::string Showable(absl::string_view text) {
  std::string shown(text);
  for (char& c : shown) {
    if (!absl::ascii_isprint(static_cast<unsigned char>(c))) c = '?';
  }
  return shown;
}

absl::StatusOr<proto::RoundPlan> ReadPlan(const JobRow& row) {
  absl::StatusOr<proto::RoundPlan> plan = proto::ParseRoundPlan(row.plan);
  if (!plan.ok()) {
    return absl::InvalidArgumentError(absl::StrCat("the stored plan: ", plan.status().message()));
  }
  if (plan->job == row.job.name) return plan;
  return absl::InvalidArgumentError(absl::StrCat("the stored plan is of job ", plan->job));
}

absl::StatusOr<privacy::RoundConfig> ReadConfig(const RoundRow& row) {
  absl::StatusOr<privacy::RoundConfig> config = privacy::DecodeRoundConfig(row.config);
  if (!config.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("round ", row.round.number, ": ", config.status().message()));
  }
  const bool same =
      std::equal(row.roster.begin(), row.roster.end(), config->roster.begin(), config->roster.end(),
                 [](const auto& site, const auto& entry) { return site.entry_key == entry.key; });
  if (same) return config;
  return absl::InvalidArgumentError(
      absl::StrCat("round ", row.round.number, ": its roster is not its configuration's"));
}

// In memory only: the program that wrote the rows may read them again.
void SetAside(LiveJob& job, const absl::Status& fault) {
  job.row.fault = Showable(fault.message());
  job.row.state = JobState::kFailed;
  job.row.message = absl::StrCat("set aside: ", job.row.fault,
                                 "; its rows in state.sqlite stay as they are, and the program ",
                                 "that wrote them may go on with it: launch another job");
  job.row.plan.clear();
  job.active.reset();
  Log(LogLevel::kError, "job set aside", {{"job", job.row.job.name}, {"reason", job.row.fault}});
}

}  // namespace

ServerCore::ServerCore(std::unique_ptr<Federation> f, const ServerOptions& o)
    : federation(std::move(f)), options(o) {}

Publisher ServerCore::MakePublisher() const {
  return {.store = federation->store,
          .entry_key = federation->entry_key,
          .origin = federation->identity.origin,
          .federation_id = federation->identity.id,
          .build = federation->build,
          .release_key_pem = federation->release_key_pem};
}

absl::StatusOr<Publisher> ServerCore::MakeSealingPublisher() const {
  Publisher publisher = MakePublisher();
  if (!sealed.has_value()) return publisher;
  publisher.sealed = &*sealed;
  HILUM_ASSIGN_OR_RETURN(publisher.recipients,
                         SealRecipients(federation->log->State().members(), options.recipients));
  return publisher;
}

absl::Status ServerCore::OpenSealed() {
  if (!options.seal) return absl::OkStatus();
  HILUM_ASSIGN_OR_RETURN(sealed,
                         ledger_anchor::Store::Open(federation->identity.folder / "sealed"));
  const absl::Status status = MakeSealingPublisher().status();
  if (!absl::IsFailedPrecondition(status)) return status;
  return absl::InvalidArgumentError(status.message());  // the configuration asks for it
}

Presence& ServerCore::PresenceOf(const SiteId& site) {
  const auto [entry, added] = presence.try_emplace(site);
  if (added) entry->second.away_since_ms = NowMs();
  return entry->second;
}

void ServerCore::TouchSite(const SiteId& site) {
  Presence& one = PresenceOf(site);
  ++one.version;
  one.changed.SignalAll();
}

void ServerCore::TouchAll() {
  for (auto& [site, one] : presence) {
    ++one.version;
    one.changed.SignalAll();
  }
  TouchLead();
}

void ServerCore::TouchLead() {
  ++lead_version;
  lead_changed.SignalAll();
  work = true;
  conductor_wake.Signal();
}

absl::Status ServerCore::RefreshMembers() {
  HILUM_ASSIGN_OR_RETURN(members, federation->state->Members());
  return absl::OkStatus();
}

bool ServerCore::IsMember(const SiteId& site) const {
  return std::any_of(members.begin(), members.end(), [&](const MemberRow& member) {
    return member.name == site.name && member.role == "site" && !member.removed;
  });
}

LiveJob* ServerCore::FindJob(const JobId& job) {
  const auto found = jobs.find(job);
  return found == jobs.end() ? nullptr : &found->second;
}

LiveJob* ServerCore::ActiveJob() {
  for (auto& [id, job] : jobs) {
    if (IsActive(job.row.state) || job.active.has_value()) return &job;
  }
  return nullptr;
}

absl::Status ServerCore::Load() {
  HILUM_RETURN_IF_ERROR(FinishJoins(*federation));
  HILUM_RETURN_IF_ERROR(FinishRemovals(*federation, NowS()));
  const absl::MutexLock lock(&mutex);
  HILUM_RETURN_IF_ERROR(RefreshMembers());
  HILUM_ASSIGN_OR_RETURN(std::vector<JobRow> rows, federation->state->Jobs());
  for (JobRow& row : rows) HILUM_RETURN_IF_ERROR(LoadJob(std::move(row)));
  return absl::OkStatus();
}

absl::Status ServerCore::LoadJob(JobRow row) {
  if (const absl::Status name = CheckName("the stored job", row.job.name); !name.ok()) {
    Log(LogLevel::kError, "stored job left out", {{"reason", Showable(name.message())}});
    return absl::OkStatus();
  }
  LiveJob job;
  job.row = std::move(row);
  job.recruit_deadline_ms = NowMs();
  const absl::Status filled = FillJob(job);
  if (absl::IsInvalidArgument(filled)) {
    SetAside(job, filled);
  } else if (!filled.ok()) {
    return filled;
  }
  jobs.emplace(job.row.job, std::move(job));
  return absl::OkStatus();
}

// InvalidArgument: a stored row is not what this program writes.
absl::Status ServerCore::FillJob(LiveJob& job) {
  HILUM_ASSIGN_OR_RETURN(const std::vector<AnswerRow> answers,
                         federation->state->Answers(job.row.job));
  for (const AnswerRow& answer : answers) job.answers[answer.site] = answer;
  HILUM_ASSIGN_OR_RETURN(std::vector<RoundRow> rounds, federation->state->Rounds(job.row.job));
  std::vector<RoundRow> open;
  for (RoundRow& round : rounds) {
    if (!round.fault.empty() && job.row.fault.empty()) {
      job.row.fault = absl::StrCat("round ", round.round.number, ": ", round.fault);
    }
    (round.close_index.has_value() ? job.history : open).push_back(std::move(round));
  }
  for (RoundRow& closed : job.history) {
    closed.config.clear();
    closed.open_entry.clear();
    closed.close_entry.clear();
  }
  if (!job.row.fault.empty()) return absl::InvalidArgumentError(job.row.fault);
  HILUM_ASSIGN_OR_RETURN(job.plan, ReadPlan(job.row));
  job.recruit_deadline_ms += int64_t{job.plan.cohort.recruit_s} * 1000;
  for (RoundRow& round : open) HILUM_RETURN_IF_ERROR(LoadRound(job, std::move(round)));
  return absl::OkStatus();
}

absl::Status ServerCore::LoadRound(LiveJob& job, RoundRow row) {
  if (!row.open_index.has_value()) {
    // The crash came between state and ledger. Not logged: the round never was.
    row.open_leaf = crypto::LeafHash(AsBytes(row.open_entry));
    const absl::StatusOr<uint64_t> index = federation->log->Find(row.open_leaf);
    if (absl::IsNotFound(index.status())) return absl::OkStatus();
    HILUM_ASSIGN_OR_RETURN(row.open_index, index);
  }
  ActiveRound& active = job.active.emplace();
  HILUM_ASSIGN_OR_RETURN(active.config, ReadConfig(row));
  Collecting stored{
      .facts = {.job = row.job, .round = row.round, .minimum = job.plan.cohort.minimum},
      .cfg_hash = privacy::HashConfig(active.config),
      .roster = row.roster,
      .accepted = {},
      .dropped = {},
      .masked = active.config.mode != privacy::RoundMode::kOpen,
      .attempt = row.attempt};
  HILUM_ASSIGN_OR_RETURN(const std::vector<StoredUpdate> updates,
                         federation->state->Updates(row.job, row.round));
  row.received_bytes = 0;
  for (const StoredUpdate& update : updates) {
    if (update.update.site_index >= row.roster.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("round ", row.round.number, ": an update is of no site of its roster"));
    }
    stored.accepted.emplace(update.update.site_index, update.update);
    active.to_restore.push_back(update.update);
    if (!stored.masked) {
      job.statistics[row.roster[update.update.site_index].site] = update.statistics;
    }
    row.received_bytes += update.size_bytes;
  }
  HILUM_ASSIGN_OR_RETURN(const std::vector<DropRow> drops,
                         federation->state->Drops(row.job, row.round));
  for (const DropRow& drop : drops) stored.dropped.emplace(drop.site_index, drop.reason);
  active.sum =
      std::make_shared<Accumulator>(&federation->store, ShapeOf(active.config), options.compute);
  active.deadline_ms = NowMs() + int64_t{job.plan.cohort.deadline_s} * 1000;
  active.row = std::move(row);
  if (active.row.status == "aborted") {
    // Its close is fixed and only has to be logged.
    active.to_restore.clear();
    active.round = Failed{.facts = stored.facts,
                          .roster = stored.roster,
                          .dropped = stored.dropped,
                          .reason = active.row.reason,
                          .close_leaf = {}};
  } else {
    active.round = Resume(std::move(stored));
    HILUM_RETURN_IF_ERROR(ResumeMasked(active));
  }
  Log(LogLevel::kInfo, "round goes on",
      {{"job", job.row.job.name}, {"round", active.row.round.number}, {"updates", updates.size()}});
  return absl::OkStatus();
}

void ServerCore::RunConductor() {
  for (;;) {
    const absl::Status status = Step();
    const absl::MutexLock lock(&mutex);
    if (!status.ok()) {
      Log(LogLevel::kError, "server stops", {{"reason", status}});
      failure = status;
      stopping = true;
    }
    if (stopping) {
      TouchAll();
      return;
    }
    if (!work) conductor_wake.WaitWithTimeout(&mutex, kTick);
    work = false;
  }
}

void ServerCore::RequestStop() {
  const absl::MutexLock lock(&mutex);
  stopping = true;
  TouchAll();
}

Server::Server(std::shared_ptr<ServerCore> core) : core_(std::move(core)) {}

Server::~Server() { Stop(); }

absl::StatusOr<std::unique_ptr<Server>> Server::Create(std::unique_ptr<Federation> federation,
                                                       const ServerOptions& options) {
  auto core = std::make_shared<ServerCore>(std::move(federation), options);
  HILUM_RETURN_IF_ERROR(core->Load());
  HILUM_RETURN_IF_ERROR(core->OpenSealed());
  HILUM_RETURN_IF_ERROR(core->StartWitnesses());
  HILUM_RETURN_IF_ERROR(core->StartAnchors());
  return std::unique_ptr<Server>(new Server(std::move(core)));
}

void Server::Start() {
  conductor_ = std::thread([core = core_.get()] { core->RunConductor(); });
}

void Server::Stop() {
  core_->RequestStop();
  core_->federation->closing = true;
  if (conductor_.joinable()) conductor_.join();
  if (core_->witnesses != nullptr) core_->witnesses->Stop();
  if (core_->anchors != nullptr) core_->anchors->Stop();
}

absl::Status Server::failure() const {
  const absl::MutexLock lock(&core_->mutex);
  return core_->failure;
}

bool Server::IsStopping() const {
  const absl::MutexLock lock(&core_->mutex);
  return core_->stopping;
}

const FederationIdentity& Server::identity() const { return core_->federation->identity; }

std::filesystem::path Server::LedgerFolder() const {
  return core_->federation->log->served_folder();
}

absl::StatusOr<Caller> Server::Authenticate(absl::string_view certificate_pem) {
  return aggregator::Authenticate(*core_->federation, certificate_pem, core_->NowS());
}

absl::StatusOr<JoinAnswer> Server::Join(const JoinFields& fields) {
  absl::StatusOr<JoinAnswer> answer = aggregator::Join(*core_->federation, fields, core_->NowS());
  // Anybody may ask: a refusal has changed nothing and must wake nobody.
  const absl::StatusCode code = answer.status().code();
  if (code == absl::StatusCode::kPermissionDenied || code == absl::StatusCode::kInvalidArgument ||
      code == absl::StatusCode::kDataLoss) {
    return answer;
  }
  const absl::MutexLock lock(&core_->mutex);
  HILUM_RETURN_IF_ERROR(core_->RefreshMembers());
  core_->TouchAll();
  return answer;
}

std::filesystem::path Server::AnchorFolder() const { return core_->AnchorFolder(); }

SiteWatch::SiteWatch(std::shared_ptr<ServerCore> core, SiteId site)
    : core_(std::move(core)), site_(std::move(site)) {}

SiteWatch::~SiteWatch() {
  const absl::MutexLock lock(&core_->mutex);
  Presence& presence = core_->PresenceOf(site_);
  if (--presence.n_streams > 0) return;
  presence.away_since_ms = core_->NowMs();
  Log(LogLevel::kInfo, "site away", {{"site", site_.name}});
  for (auto& [id, job] : core_->jobs) {
    if (!job.active.has_value()) continue;
    // Never an error: every state takes it.
    core_->Apply(job, SiteAway{.site = site_}).IgnoreError();
  }
  core_->TouchLead();
}

std::unique_ptr<SiteWatch> Server::Watch(const SiteId& site) {
  const absl::MutexLock lock(&core_->mutex);
  Presence& presence = core_->PresenceOf(site);
  if (++presence.n_streams == 1) {
    Log(LogLevel::kInfo, "site connected", {{"site", site.name}});
    for (auto& [id, job] : core_->jobs) {
      if (job.active.has_value()) {
        core_->Apply(job, SiteConnected{.site = site}).IgnoreError();
      }
    }
  }
  core_->TouchLead();
  return std::unique_ptr<SiteWatch>(new SiteWatch(core_, site));
}

absl::StatusOr<SiteView> SiteWatch::View() {
  const absl::MutexLock lock(&core_->mutex);
  if (!core_->IsMember(site_)) {
    return absl::PermissionDeniedError(
        absl::StrCat("site ", site_.name, " was removed from the federation"));
  }
  seen_ = core_->PresenceOf(site_).version;
  return core_->ViewFor(site_);
}

bool SiteWatch::Wait(absl::Duration timeout) {
  const absl::MutexLock lock(&core_->mutex);
  Presence& presence = core_->PresenceOf(site_);
  const absl::Time deadline = absl::Now() + timeout;
  while (!core_->stopping && presence.version == seen_) {
    if (presence.changed.WaitWithDeadline(&core_->mutex, deadline)) break;
  }
  return !core_->stopping;
}

uint64_t Server::WaitForChange(uint64_t seen, absl::Duration timeout) {
  const absl::MutexLock lock(&core_->mutex);
  const absl::Time deadline = absl::Now() + timeout;
  while (!core_->stopping && core_->lead_version == seen) {
    if (core_->lead_changed.WaitWithDeadline(&core_->mutex, deadline)) break;
  }
  return core_->lead_version;
}

}  // namespace hilum::aggregator

// The job's and round's tables of State.
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "aggregator/state.h"
#include "aggregator/state_impl.h"
#include "base/status_macros.h"

namespace hilum::aggregator {
namespace {

// Roster as a blob: for each site its 32 bytes of key, one length byte, the name (at most 63).
Bytes EncodeRoster(const std::vector<RosterSite>& roster) {
  Bytes bytes;
  for (const RosterSite& member : roster) {
    AppendBytes(bytes, member.entry_key.bytes);
    AppendU8(bytes, static_cast<uint8_t>(member.site.name.size()));
    AppendText(bytes, member.site.name);
  }
  return bytes;
}

absl::StatusOr<std::vector<RosterSite>> DecodeRoster(ByteView bytes) {
  std::vector<RosterSite> roster;
  while (!bytes.empty()) {
    if (bytes.size() < 33 || bytes.size() - 33 < bytes[32]) {
      return absl::DataLossError("its roster is cut");
    }
    RosterSite member;
    std::copy_n(bytes.begin(), 32, member.entry_key.bytes.begin());
    member.site.name = std::string(AsText(bytes.subspan(33, bytes[32])));
    bytes = bytes.subspan(size_t{33} + bytes[32]);
    roster.push_back(std::move(member));
  }
  return roster;
}

void BindIndex(SqlStatement& statement, const std::optional<uint64_t>& index) {
  if (index.has_value()) {
    statement.Bind(static_cast<int64_t>(*index));
  } else {
    statement.BindNull();
  }
}

std::optional<uint64_t> IndexOf(const SqlStatement& statement, int column) {
  if (statement.IsNull(column)) return std::nullopt;
  return static_cast<uint64_t>(statement.Integer(column));
}

constexpr absl::string_view kJobStates[] = {"recruiting", "running", "paused",
                                            "done",       "failed",  "cancelled"};

}  // namespace

absl::string_view ToText(JobState state) { return kJobStates[static_cast<size_t>(state)]; }

absl::Status State::Impl::PutJob(const JobRow& job) {
  SqlStatement insert(database.get(),
                      "INSERT OR REPLACE INTO jobs VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,"
                      "coalesce((SELECT launch_order FROM jobs WHERE job = ?1),"
                      "(SELECT coalesce(max(launch_order), 0) + 1 FROM jobs)),?11,?12)");
  insert.Bind(absl::string_view(job.job.name))
      .Bind(absl::string_view(job.plan))
      .Bind(static_cast<int64_t>(job.state))
      .Bind(absl::string_view(job.message))
      .Bind(ByteView(job.initial_model))
      .Bind(ByteView(job.model))
      .Bind(static_cast<int64_t>(job.closed_round))
      .Bind(static_cast<int64_t>(job.last_ok_round))
      .Bind(int64_t{job.aborted_in_row})
      .Bind(job.launched_s)
      .Bind(absl::string_view(job.release_entry));
  BindIndex(insert, job.release_index);
  return insert.Run();
}

absl::Status State::PutJob(JobRow job) {
  const absl::MutexLock lock(&impl_->mutex);
  return impl_->PutJob(job);
}

absl::StatusOr<std::vector<JobRow>> State::Jobs() {
  const absl::MutexLock lock(&impl_->mutex);
  SqlStatement select(impl_->database.get(),
                      "SELECT job, plan, state, message, initial_model, model, closed_round, "
                      "last_ok_round, aborted_in_row, launched_s, launch_order, release_entry, "
                      "release_index FROM jobs ORDER BY launch_order");
  std::vector<JobRow> jobs;
  while (select.Step()) {
    const int64_t state = select.Integer(2);
    const bool known = state >= 0 && state <= static_cast<int64_t>(JobState::kCancelled);
    jobs.push_back({.job = {select.Text(0)},
                    .plan = select.Text(1),
                    .state = known ? static_cast<JobState>(state) : JobState::kFailed,
                    .message = select.Text(3),
                    .initial_model = select.Fixed<32>(4),
                    .model = select.Fixed<32>(5),
                    .closed_round = static_cast<uint64_t>(select.Integer(6)),
                    .last_ok_round = static_cast<uint64_t>(select.Integer(7)),
                    .aborted_in_row = static_cast<uint32_t>(select.Integer(8)),
                    .launched_s = select.Integer(9),
                    .launch_order = static_cast<uint64_t>(select.Integer(10)),
                    .release_entry = select.Text(11),
                    .release_index = IndexOf(select, 12),
                    .fault = known ? "" : absl::StrCat("the job's state ", state, " is unknown")});
  }
  HILUM_RETURN_IF_ERROR(select.status());
  return jobs;
}

absl::Status State::PutAnswer(const JobId& job, const AnswerRow& answer) {
  const absl::MutexLock lock(&impl_->mutex);
  SqlStatement insert(impl_->database.get(), "INSERT OR REPLACE INTO answers VALUES (?,?,?,?)");
  return insert.Bind(absl::string_view(job.name))
      .Bind(absl::string_view(answer.site.name))
      .Bind(int64_t{answer.approved})
      .Bind(absl::string_view(answer.reason))
      .Run();
}

absl::StatusOr<std::vector<AnswerRow>> State::Answers(const JobId& job) {
  const absl::MutexLock lock(&impl_->mutex);
  SqlStatement select(impl_->database.get(),
                      "SELECT site, approved, reason FROM answers WHERE job = ? ORDER BY site");
  select.Bind(absl::string_view(job.name));
  std::vector<AnswerRow> answers;
  while (select.Step()) {
    answers.push_back(
        {.site = {select.Text(0)}, .approved = select.Integer(1) != 0, .reason = select.Text(2)});
  }
  HILUM_RETURN_IF_ERROR(select.status());
  return answers;
}

absl::Status State::Impl::PutRound(const RoundRow& round) {
  SqlStatement insert(database.get(),
                      "INSERT OR REPLACE INTO rounds VALUES "
                      "(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)");
  insert.Bind(absl::string_view(round.job.name))
      .Bind(static_cast<int64_t>(round.round.number))
      .Bind(int64_t{round.attempt})
      .Bind(absl::string_view(round.status))
      .Bind(ByteView(round.config))
      .Bind(ByteView(EncodeRoster(round.roster)))
      .Bind(absl::string_view(absl::StrJoin(round.dropped, ",")))
      .Bind(ByteView(round.base_model))
      .Bind(round.opened_s)
      .Bind(absl::string_view(round.open_entry));
  BindIndex(insert, round.open_index);
  insert.Bind(ByteView(round.open_leaf)).Bind(absl::string_view(round.close_entry));
  BindIndex(insert, round.close_index);
  return insert.Bind(ByteView(round.close_leaf))
      .Bind(round.closed_s)
      .Bind(ByteView(round.model))
      .Bind(static_cast<int64_t>(round.total_weight))
      .Bind(round.mean_loss)
      .Bind(static_cast<int64_t>(round.received_bytes))
      .Bind(absl::string_view(round.reason))
      .Run();
}

absl::Status State::PutRound(const RoundRow& round) {
  const absl::MutexLock lock(&impl_->mutex);
  return impl_->PutRound(round);
}

absl::StatusOr<std::vector<RoundRow>> State::Rounds(const JobId& job) {
  const absl::MutexLock lock(&impl_->mutex);
  SqlStatement select(
      impl_->database.get(),
      "SELECT round, attempt, status, config, roster, dropped, base_model, opened_s, open_entry, "
      "open_index, open_leaf, close_entry, close_index, close_leaf, closed_s, model, total_weight, "
      "mean_loss, received_bytes, reason FROM rounds WHERE job = ? ORDER BY round");
  select.Bind(absl::string_view(job.name));
  std::vector<RoundRow> rounds;
  while (select.Step()) {
    const absl::StatusOr<std::vector<RosterSite>> roster = DecodeRoster(select.Blob(4));
    rounds.push_back({.job = job,
                      .round = {static_cast<uint64_t>(select.Integer(0))},
                      .attempt = static_cast<uint8_t>(select.Integer(1)),
                      .status = select.Text(2),
                      .config = select.Blob(3),
                      .roster = roster.value_or(std::vector<RosterSite>()),
                      .dropped = absl::StrSplit(select.Text(5), ',', absl::SkipEmpty()),
                      .base_model = select.Fixed<32>(6),
                      .opened_s = select.Integer(7),
                      .open_entry = select.Text(8),
                      .open_index = IndexOf(select, 9),
                      .open_leaf = select.Fixed<32>(10),
                      .close_entry = select.Text(11),
                      .close_index = IndexOf(select, 12),
                      .close_leaf = select.Fixed<32>(13),
                      .closed_s = select.Integer(14),
                      .model = select.Fixed<32>(15),
                      .total_weight = static_cast<uint64_t>(select.Integer(16)),
                      .mean_loss = select.Real(17),
                      .received_bytes = static_cast<uint64_t>(select.Integer(18)),
                      .reason = select.Text(19),
                      .fault = std::string(roster.status().message())});
  }
  HILUM_RETURN_IF_ERROR(select.status());
  return rounds;
}

absl::Status State::PutUpdate(const JobId& job, RoundId round, const StoredUpdate& stored) {
  const absl::MutexLock lock(&impl_->mutex);
  SqlStatement insert(impl_->database.get(),
                      "INSERT OR REPLACE INTO updates VALUES (?,?,?,?,?,?,?,?,?)");
  return insert.Bind(absl::string_view(job.name))
      .Bind(static_cast<int64_t>(round.number))
      .Bind(int64_t{stored.update.site_index})
      .Bind(ByteView(stored.update.root))
      .Bind(ByteView(stored.update.signature.bytes))
      .Bind(ByteView(stored.update.object))
      .Bind(int64_t{stored.statistics.weight})
      .Bind(stored.statistics.loss)
      .Bind(static_cast<int64_t>(stored.size_bytes))
      .Run();
}

absl::StatusOr<std::vector<StoredUpdate>> State::Updates(const JobId& job, RoundId round) {
  const absl::MutexLock lock(&impl_->mutex);
  SqlStatement select(impl_->database.get(),
                      "SELECT site_index, root, signature, object, weight, loss, size_bytes FROM "
                      "updates WHERE job = ? AND round = ? ORDER BY site_index");
  select.Bind(absl::string_view(job.name)).Bind(static_cast<int64_t>(round.number));
  std::vector<StoredUpdate> updates;
  while (select.Step()) {
    StoredUpdate stored;
    stored.update = {.site_index = static_cast<uint16_t>(select.Integer(0)),
                     .root = select.Fixed<32>(1),
                     .signature = {select.Fixed<64>(2)},
                     .object = select.Fixed<32>(3)};
    stored.statistics = {.weight = static_cast<uint32_t>(select.Integer(4)),
                         .loss = select.Real(5)};
    stored.size_bytes = static_cast<uint64_t>(select.Integer(6));
    updates.push_back(stored);
  }
  HILUM_RETURN_IF_ERROR(select.status());
  return updates;
}

absl::Status State::PutDrop(const JobId& job, RoundId round, const DropRow& drop) {
  const absl::MutexLock lock(&impl_->mutex);
  return impl_->PutDrop(job, round, drop);
}

absl::Status State::Impl::PutDrop(const JobId& job, RoundId round, const DropRow& drop) {
  SqlStatement insert(database.get(), "INSERT OR IGNORE INTO drops VALUES (?,?,?,?)");
  return insert.Bind(absl::string_view(job.name))
      .Bind(static_cast<int64_t>(round.number))
      .Bind(int64_t{drop.site_index})
      .Bind(absl::string_view(drop.reason))
      .Run();
}

absl::StatusOr<std::vector<DropRow>> State::Drops(const JobId& job, RoundId round) {
  const absl::MutexLock lock(&impl_->mutex);
  SqlStatement select(impl_->database.get(),
                      "SELECT site_index, reason FROM drops WHERE job = ? AND round = ? "
                      "ORDER BY site_index");
  select.Bind(absl::string_view(job.name)).Bind(static_cast<int64_t>(round.number));
  std::vector<DropRow> drops;
  while (select.Step()) {
    drops.push_back(
        {.site_index = static_cast<uint16_t>(select.Integer(0)), .reason = select.Text(1)});
  }
  HILUM_RETURN_IF_ERROR(select.status());
  return drops;
}

}  // namespace hilum::aggregator

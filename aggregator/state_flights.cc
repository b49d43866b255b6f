// The messages of masked rounds in State.
#include "aggregator/state.h"
#include "aggregator/state_impl.h"
#include "base/status_macros.h"

namespace hilum::aggregator {
namespace {

absl::Status Delete(SqlDatabase& database, absl::string_view sql, const JobId& job, RoundId round) {
  SqlStatement statement(database.get(), sql);
  return statement.Bind(absl::string_view(job.name)).Bind(static_cast<int64_t>(round.number)).Run();
}

}  // namespace

absl::Status State::PutFlight(const JobId& job, RoundId round, const FlightRow& row) {
  const absl::MutexLock lock(&impl_->mutex);
  SqlStatement insert(impl_->database.get(), "INSERT OR REPLACE INTO flights VALUES (?,?,?,?,?,?)");
  return insert.Bind(absl::string_view(job.name))
      .Bind(static_cast<int64_t>(round.number))
      .Bind(int64_t{row.attempt})
      .Bind(int64_t{row.flight})
      .Bind(int64_t{row.sender})
      .Bind(ByteView(row.message))
      .Run();
}

absl::StatusOr<std::vector<FlightRow>> State::Flights(const JobId& job, RoundId round,
                                                      uint8_t attempt) {
  const absl::MutexLock lock(&impl_->mutex);
  SqlStatement select(impl_->database.get(),
                      "SELECT flight, sender, message FROM flights WHERE job = ? AND round = ? "
                      "AND attempt = ? ORDER BY flight, sender");
  select.Bind(absl::string_view(job.name))
      .Bind(static_cast<int64_t>(round.number))
      .Bind(int64_t{attempt});
  std::vector<FlightRow> rows;
  while (select.Step()) {
    rows.push_back({.attempt = attempt,
                    .flight = static_cast<uint8_t>(select.Integer(0)),
                    .sender = static_cast<uint16_t>(select.Integer(1)),
                    .message = select.Blob(2)});
  }
  HILUM_RETURN_IF_ERROR(select.status());
  return rows;
}

absl::Status State::BeginAttempt(const RoundRow& round, const std::vector<DropRow>& drops) {
  const absl::MutexLock lock(&impl_->mutex);
  SqlDatabase& database = impl_->database;
  SqlTransaction transaction(database);
  HILUM_RETURN_IF_ERROR(transaction.status());
  HILUM_RETURN_IF_ERROR(impl_->PutRound(round));
  for (const char* sql : {"DELETE FROM updates WHERE job = ? AND round = ?",
                          "DELETE FROM drops WHERE job = ? AND round = ?"}) {
    HILUM_RETURN_IF_ERROR(Delete(database, sql, round.job, round.round));
  }
  for (const DropRow& drop : drops) {
    HILUM_RETURN_IF_ERROR(impl_->PutDrop(round.job, round.round, drop));
  }
  return transaction.Commit();
}

absl::Status State::CloseRound(const RoundRow& round, const JobRow& job) {
  const absl::MutexLock lock(&impl_->mutex);
  SqlDatabase& database = impl_->database;
  SqlTransaction transaction(database);
  HILUM_RETURN_IF_ERROR(transaction.status());
  HILUM_RETURN_IF_ERROR(impl_->PutRound(round));
  HILUM_RETURN_IF_ERROR(impl_->PutJob(job));
  HILUM_RETURN_IF_ERROR(
      Delete(database, "DELETE FROM flights WHERE job = ? AND round = ?", round.job, round.round));
  const bool erased = sqlite3_changes(database.get()) > 0;
  HILUM_RETURN_IF_ERROR(transaction.Commit());
  // The round is closed, whatever comes of this; Open does it too.
  if (erased) EmptyWriteAheadLog(database).IgnoreError();
  return absl::OkStatus();
}

}  // namespace hilum::aggregator

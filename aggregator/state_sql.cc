#include "aggregator/state_sql.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/process.h"
#include "base/status_macros.h"
#include "base/system_error.h"

namespace hilum::aggregator {

namespace {

// Another program on the same file (`hilum server invite`) holds a lock for milliseconds.
constexpr int kBusyTimeoutMs = 10'000;

}  // namespace

absl::Status SqlError(sqlite3* database, absl::string_view action) {
  const int code = sqlite3_errcode(database) & 0xff;
  const std::string text =
      absl::StrCat("the state database failed to ", action, ": ", sqlite3_errmsg(database));
  // A write beyond a file size limit is an I/O error to SQLite.
  const int extended = sqlite3_extended_errcode(database);
  if (code == SQLITE_FULL || extended == SQLITE_IOERR_WRITE) {
    return absl::ResourceExhaustedError(text);
  }
  if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) return absl::DataLossError(text);
  return SystemUnavailable(text);
}

SqlStatement::SqlStatement(sqlite3* database, absl::string_view sql) : database_(database) {
  Check(
      sqlite3_prepare_v2(database, sql.data(), static_cast<int>(sql.size()), &statement_, nullptr));
}

SqlStatement::~SqlStatement() { sqlite3_finalize(statement_); }

void SqlStatement::Check(int code) {
  if (code != SQLITE_OK && status_.ok()) status_ = SqlError(database_, "run a statement");
}

SqlStatement& SqlStatement::Bind(int64_t value) {
  Check(sqlite3_bind_int64(statement_, ++n_bound_, value));
  return *this;
}
SqlStatement& SqlStatement::Bind(double value) {
  Check(sqlite3_bind_double(statement_, ++n_bound_, value));
  return *this;
}
SqlStatement& SqlStatement::Bind(absl::string_view text) {
  Check(sqlite3_bind_text64(statement_, ++n_bound_, text.data() == nullptr ? "" : text.data(),
                            text.size(), SQLITE_TRANSIENT, SQLITE_UTF8));
  return *this;
}
SqlStatement& SqlStatement::Bind(ByteView blob) {
  static constexpr uint8_t kEmpty = 0;
  Check(sqlite3_bind_blob64(statement_, ++n_bound_, blob.data() == nullptr ? &kEmpty : blob.data(),
                            blob.size(), SQLITE_TRANSIENT));
  return *this;
}
SqlStatement& SqlStatement::BindNull() {
  Check(sqlite3_bind_null(statement_, ++n_bound_));
  return *this;
}

bool SqlStatement::Step() {
  if (!status_.ok()) return false;
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) status_ = SqlError(database_, "run a statement");
  return false;
}

absl::Status SqlStatement::Run() {
  CrashPoint("row write begins");
  const bool row = Step();
  CrashPoint("row write ends");
  if (row) return absl::InternalError("a statement of the state gave a row");
  return status_;
}

bool SqlStatement::IsNull(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}
int64_t SqlStatement::Integer(int column) const { return sqlite3_column_int64(statement_, column); }
double SqlStatement::Real(int column) const { return sqlite3_column_double(statement_, column); }

std::string SqlStatement::Text(int column) const {
  const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  const int size = sqlite3_column_bytes(statement_, column);
  return text == nullptr ? std::string() : std::string(text, static_cast<size_t>(size));
}

Bytes SqlStatement::Blob(int column) const {
  const auto* bytes = static_cast<const uint8_t*>(sqlite3_column_blob(statement_, column));
  const int size = sqlite3_column_bytes(statement_, column);
  return bytes == nullptr ? Bytes() : Bytes(bytes, bytes + size);
}

void SqlStatement::FailLength(int column, size_t expected, size_t found) {
  if (!status_.ok()) return;
  status_ = absl::DataLossError(absl::StrCat("the state database is damaged: column ",
                                             sqlite3_column_name(statement_, column), " has ",
                                             found, " bytes, ", expected, " are right"));
}

absl::StatusOr<SqlDatabase> SqlDatabase::Open(const std::filesystem::path& path) {
  sqlite3* handle = nullptr;
  const int code =
      sqlite3_open_v2(path.c_str(), &handle,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr);
  SqlDatabase database(handle);
  if (code != SQLITE_OK) return SqlError(handle, absl::StrCat("open ", path.string()));
  sqlite3_busy_timeout(handle, kBusyTimeoutMs);
  HILUM_RETURN_IF_ERROR(
      database.Execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; "
                       "PRAGMA secure_delete=ON;"));
  return database;
}

SqlDatabase::SqlDatabase(SqlDatabase&& other) noexcept
    : database_(std::exchange(other.database_, nullptr)) {}

SqlDatabase& SqlDatabase::operator=(SqlDatabase&& other) noexcept {
  std::swap(database_, other.database_);
  return *this;
}

SqlDatabase::~SqlDatabase() { sqlite3_close(database_); }

absl::Status SqlDatabase::Execute(const char* sql) {
  if (sqlite3_exec(database_, sql, nullptr, nullptr, nullptr) == SQLITE_OK) {
    return absl::OkStatus();
  }
  return SqlError(database_, "run a statement");
}

absl::Status EmptyWriteAheadLog(SqlDatabase& database) {
  return database.Execute("PRAGMA wal_checkpoint(TRUNCATE)");
}

SqlTransaction::SqlTransaction(SqlDatabase& database)
    : database_(database), status_(database.Execute("BEGIN IMMEDIATE")), open_(status_.ok()) {}

SqlTransaction::~SqlTransaction() {
  // After a failure SQLite may have rolled back by itself: an error here says nothing new.
  if (open_) database_.Execute("ROLLBACK").IgnoreError();
}

absl::Status SqlTransaction::Commit() {
  HILUM_RETURN_IF_ERROR(status_);
  CrashPoint("commit begins");
  HILUM_RETURN_IF_ERROR(database_.Execute("COMMIT"));
  CrashPoint("commit ends");
  open_ = false;
  return absl::OkStatus();
}

}  // namespace hilum::aggregator

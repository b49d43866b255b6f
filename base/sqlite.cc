#include "base/sqlite.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/process.h"
#include "base/status_macros.h"

namespace hilum {
namespace {

absl::string_view FileOf(sqlite3* database) {
  const char* const file = sqlite3_db_filename(database, "main");
  return file == nullptr ? "" : file;
}

absl::Status FromSqlite(int code, sqlite3* database) {
  const std::string sentence =
      absl::StrCat("the database ", FileOf(database), " failed: ", sqlite3_errmsg(database));
  // A write beyond a quota or a file size limit is an I/O error to SQLite.
  const bool full = sqlite3_extended_errcode(database) == SQLITE_IOERR_WRITE;
  switch (full ? SQLITE_FULL : code & 0xff) {
    case SQLITE_FULL:
      return absl::ResourceExhaustedError(absl::StrCat(sentence, "; free some disk space."));
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
    case SQLITE_READONLY:
      return absl::InternalError(sentence);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return absl::DataLossError(sentence);
    default:
      return absl::InternalError(sentence);
  }
}

}  // namespace

Statement::Statement(sqlite3* database, absl::string_view sql) : database_(database) {
  sqlite3_stmt* statement = nullptr;
  code_ =
      sqlite3_prepare_v2(database, sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  statement_.reset(statement);
}

absl::Status Statement::Error(int code) const { return FromSqlite(code, database_); }

Statement& Statement::Bind(int64_t value) {
  if (code_ == SQLITE_OK) code_ = sqlite3_bind_int64(statement_.get(), next_parameter_++, value);
  return *this;
}

Statement& Statement::Bind(double value) {
  if (code_ == SQLITE_OK) code_ = sqlite3_bind_double(statement_.get(), next_parameter_++, value);
  return *this;
}

Statement& Statement::Bind(absl::string_view text) {
  if (code_ == SQLITE_OK) {
    code_ = sqlite3_bind_text(statement_.get(), next_parameter_++, text.data(),
                              static_cast<int>(text.size()), SQLITE_TRANSIENT);
  }
  return *this;
}

Statement& Statement::Bind(ByteView blob) {
  if (code_ == SQLITE_OK) {
    code_ = sqlite3_bind_blob64(statement_.get(), next_parameter_++,
                                blob.empty() ? "" : static_cast<const void*>(blob.data()),
                                blob.size(), SQLITE_TRANSIENT);
  }
  return *this;
}

Statement& Statement::Bind(const std::optional<double>& value) {
  if (value.has_value()) return Bind(*value);
  if (code_ == SQLITE_OK) code_ = sqlite3_bind_null(statement_.get(), next_parameter_++);
  return *this;
}

absl::StatusOr<bool> Statement::Step() {
  if (code_ != SQLITE_OK) return Error(code_);
  next_column_ = 0;
  const int code = sqlite3_step(statement_.get());
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  code_ = code;
  return Error(code);
}

absl::Status Statement::Run() {
  CrashPoint("row write begins");
  const absl::StatusOr<bool> row = Step();
  CrashPoint("row write ends");
  return row.status();
}

int64_t Statement::Int() { return sqlite3_column_int64(statement_.get(), next_column_++); }

double Statement::Real() { return sqlite3_column_double(statement_.get(), next_column_++); }

std::optional<double> Statement::OptionalReal() {
  const bool none = sqlite3_column_type(statement_.get(), next_column_) == SQLITE_NULL;
  const double value = Real();
  return none ? std::nullopt : std::optional<double>(value);
}

std::string Statement::Text() { return std::string(AsText(Blob())); }

Bytes Statement::Blob() {
  const auto* data =
      static_cast<const uint8_t*>(sqlite3_column_blob(statement_.get(), next_column_));
  const int size = sqlite3_column_bytes(statement_.get(), next_column_++);
  return data == nullptr ? Bytes() : Bytes(data, data + size);
}

Digest Statement::DigestValue() {
  const Bytes blob = Blob();
  Digest digest{};
  if (blob.size() == digest.size()) std::copy(blob.begin(), blob.end(), digest.begin());
  return digest;
}

absl::StatusOr<Database> Database::Open(const fs::path& path) {
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    HILUM_RETURN_IF_ERROR(WriteFileDurably(path, {}, FileMode::kPrivate));
  }
  Database database;
  sqlite3* handle = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &handle,
                                   SQLITE_OPEN_READWRITE | SQLITE_OPEN_FULLMUTEX, nullptr);
  database.handle_.reset(handle);
  if (code != SQLITE_OK) {
    return absl::InternalError(
        absl::StrCat("the database ", path.string(), " cannot be opened: ", sqlite3_errstr(code)));
  }
  sqlite3_busy_timeout(handle, 10'000);
  HILUM_RETURN_IF_ERROR(database.Script("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"));
  return database;
}

absl::Status Database::Script(const std::string& sql) {
  const int code = sqlite3_exec(handle_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : FromSqlite(code, handle_.get());
}

absl::Status Database::EmptyLog() {
  Statement checkpoint = Prepare("PRAGMA wal_checkpoint(TRUNCATE)");
  HILUM_ASSIGN_OR_RETURN(const bool found, checkpoint.Step());
  if (found && checkpoint.Int() == 0) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("the database ", FileOf(handle_.get()), " is read by another program"));
}

absl::StatusOr<Transaction> Transaction::Begin(Database& database) {
  HILUM_RETURN_IF_ERROR(database.Script("BEGIN IMMEDIATE"));
  return Transaction(&database);
}

Transaction::~Transaction() {
  if (database_ != nullptr) database_->Script("ROLLBACK").IgnoreError();
}

absl::Status Transaction::Commit() {
  CrashPoint("commit begins");
  HILUM_RETURN_IF_ERROR(database_->Script("COMMIT"));
  CrashPoint("commit ends");
  database_ = nullptr;
  return absl::OkStatus();
}

}  // namespace hilum

// SQLite as far as our states need it: statements that bind, transactions, status codes. A target
// of its own (hilum::sqlite), so that only programs with a database link it.
#ifndef HILUM_BASE_SQLITE_H_
#define HILUM_BASE_SQLITE_H_

#include <sqlite3.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "base/file.h"

namespace hilum {

// The first error of a statement stays; Step and Run return it.
class Statement {
 public:
  Statement(sqlite3* database, absl::string_view sql);

  // Bind the next parameter.
  Statement& Bind(int64_t value);
  Statement& Bind(bool value) { return Bind(static_cast<int64_t>(value)); }
  Statement& Bind(double value);
  Statement& Bind(absl::string_view text);
  Statement& Bind(const std::string& text) { return Bind(absl::string_view(text)); }
  Statement& Bind(const char* text) { return Bind(absl::string_view(text)); }
  Statement& Bind(ByteView blob);
  Statement& Bind(const Bytes& blob) { return Bind(ByteView(blob)); }
  Statement& Bind(const Digest& digest) { return Bind(ByteView(digest)); }
  Statement& Bind(const std::optional<double>& value);

  // True: there is a row, and the columns may be read, each once and in order.
  absl::StatusOr<bool> Step();
  // For statements without rows.
  absl::Status Run();

  int64_t Int();
  double Real();
  std::optional<double> OptionalReal();
  std::string Text();
  Bytes Blob();
  Digest DigestValue();  // all zero when the column has another length

 private:
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
  };
  absl::Status Error(int code) const;
  sqlite3* database_;
  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
  int next_parameter_ = 1;
  int next_column_ = 0;
  int code_ = SQLITE_OK;
};

// One connection; WAL, synchronous=FULL, so that a committed change survives a power cut.
class Database {
 public:
  // Opens or creates, mode 0600. DataLoss: not a database. Internal: cannot be opened. Of every
  // statement: ResourceExhausted: the disk is full; DataLoss: damaged; Internal: anything else. The
  // sentence names the file.
  static absl::StatusOr<Database> Open(const fs::path& path);

  // Statements without parameters and rows.
  absl::Status Script(const std::string& sql);
  // Empties the write-ahead log into the database. After it, with secure_delete on, what was
  // deleted before is in neither file. Unavailable: another connection reads just now.
  absl::Status EmptyLog();
  Statement Prepare(absl::string_view sql) { return Statement(handle_.get(), sql); }

 private:
  struct Close {
    void operator()(sqlite3* handle) const { sqlite3_close(handle); }
  };
  std::unique_ptr<sqlite3, Close> handle_;
};

// BEGIN IMMEDIATE; rolls back unless committed.
class Transaction {
 public:
  static absl::StatusOr<Transaction> Begin(Database& database);
  Transaction(Transaction&& other) noexcept : database_(other.database_) {
    other.database_ = nullptr;
  }
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  absl::Status Commit();

 private:
  explicit Transaction(Database* database) : database_(database) {}
  Database* database_;
};

}  // namespace hilum

#endif  // HILUM_BASE_SQLITE_H_

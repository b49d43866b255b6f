// A thin, checked layer over SQLite. Private to aggregator/state*.
#ifndef HILUM_AGGREGATOR_STATE_SQL_H_
#define HILUM_AGGREGATOR_STATE_SQL_H_

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "sqlite3.h"

namespace hilum::aggregator {

// One prepared statement. Bind in order, then Step until false. The first failure stays: status().
class SqlStatement {
 public:
  SqlStatement(sqlite3* database, absl::string_view sql);
  SqlStatement(const SqlStatement&) = delete;
  ~SqlStatement();

  SqlStatement& Bind(int64_t value);
  SqlStatement& Bind(double value);
  SqlStatement& Bind(absl::string_view text);
  SqlStatement& Bind(ByteView blob);
  SqlStatement& BindNull();

  // True: a row is there. False: no further row, or a failure.
  bool Step();
  // Steps once and expects no row.
  absl::Status Run();
  const absl::Status& status() const { return status_; }

  // Columns of the row, from 0.
  bool IsNull(int column) const;
  int64_t Integer(int column) const;
  double Real(int column) const;
  std::string Text(int column) const;
  Bytes Blob(int column) const;
  // A blob of exactly N bytes; another length is a failure.
  template <size_t N>
  std::array<uint8_t, N> Fixed(int column) {
    std::array<uint8_t, N> bytes{};
    const Bytes blob = Blob(column);
    if (blob.size() == N) {
      std::copy(blob.begin(), blob.end(), bytes.begin());
    } else {
      FailLength(column, N, blob.size());
    }
    return bytes;
  }

 private:
  void Check(int code);
  void FailLength(int column, size_t expected, size_t found);
  sqlite3* database_;
  sqlite3_stmt* statement_ = nullptr;
  int n_bound_ = 0;
  absl::Status status_;
};

// ResourceExhausted: the disk is full. DataLoss: the file is damaged. Unavailable: other I/O.
absl::Status SqlError(sqlite3* database, absl::string_view action);

// A connection with WAL and synchronous=FULL: what a commit returns OK for survives a power cut.
// Not thread-safe.
class SqlDatabase {
 public:
  static absl::StatusOr<SqlDatabase> Open(const std::filesystem::path& path);
  SqlDatabase(SqlDatabase&& other) noexcept;
  SqlDatabase& operator=(SqlDatabase&& other) noexcept;
  ~SqlDatabase();

  absl::Status Execute(const char* sql);
  sqlite3* get() const { return database_; }

 private:
  explicit SqlDatabase(sqlite3* database) : database_(database) {}
  sqlite3* database_ = nullptr;
};

// Copies the write-ahead log into the database and cuts it, so that erased rows are in neither.
// Whoever reads just now delays that until the next time. Errors as SqlError.
absl::Status EmptyWriteAheadLog(SqlDatabase& database);

// BEGIN IMMEDIATE; rolls back at the end of its scope unless Commit returned OK.
class SqlTransaction {
 public:
  explicit SqlTransaction(SqlDatabase& database);
  ~SqlTransaction();
  const absl::Status& status() const { return status_; }
  absl::Status Commit();

 private:
  SqlDatabase& database_;
  absl::Status status_;
  bool open_ = false;
};

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_STATE_SQL_H_

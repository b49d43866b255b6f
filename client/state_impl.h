// Private to state*.cc.
#ifndef HILUM_CLIENT_STATE_IMPL_H_
#define HILUM_CLIENT_STATE_IMPL_H_

#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/sqlite.h"
#include "base/status_macros.h"
#include "client/state.h"

namespace hilum::client {

// All rows of a statement.
template <class Row>
absl::StatusOr<std::vector<Row>> All(Statement statement, Row (*read)(Statement&)) {
  std::vector<Row> rows;
  while (true) {
    HILUM_ASSIGN_OR_RETURN(const bool more, statement.Step());
    if (!more) return rows;
    rows.push_back(read(statement));
  }
}

// The first row, if any.
template <class Row>
absl::StatusOr<std::optional<Row>> First(Statement statement, Row (*read)(Statement&)) {
  HILUM_ASSIGN_OR_RETURN(const bool found, statement.Step());
  if (!found) return std::optional<Row>();
  return std::optional<Row>(read(statement));
}

struct State::Impl {
  explicit Impl(Database d) : database(std::move(d)) {}
  std::recursive_mutex mutex;  // Atomically holds it while its function calls the others
  Database database;
  bool erased = false;  // something that the write-ahead log may still hold
  absl::Status Delete(const MaskedRow& key);
};

}  // namespace hilum::client

#endif  // HILUM_CLIENT_STATE_IMPL_H_

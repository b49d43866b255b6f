// Structured logs: one JSON object a line on standard error, and in a rotating file when asked.
#ifndef HILUM_BASE_LOG_H_
#define HILUM_BASE_LOG_H_

#include <cstdint>
#include <initializer_list>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace hilum {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

struct LogOptions {
  std::string program;  // the `program` field of every line
  std::string file;     // empty: standard error only
  uint64_t file_limit_bytes = 16u << 20;
  int n_files = 4;  // rotated files that are kept
  LogLevel level = LogLevel::kInfo;
  bool standard_error = true;
};

// A field of a line. Never put an identifier of a patient into one.
struct LogField {
  absl::string_view key;
  std::string value;
  LogField(absl::string_view k, absl::string_view v) : key(k), value(v) {}
  LogField(absl::string_view k, const char* v) : key(k), value(v) {}
  LogField(absl::string_view k, const std::string& v) : key(k), value(v) {}
  LogField(absl::string_view k, const absl::Status& v) : key(k), value(v.message()) {}
  template <class Number>
  LogField(absl::string_view k, Number v) : key(k), value(absl::StrCat(v)) {}
};

// Call once, before threads start. Unavailable: the file cannot be opened.
absl::Status OpenLog(const LogOptions& options);

// Writes {"t":…,"level":…,"program":…,"event":…,<fields>}. Thread-safe. `event` is a short
// constant, for example "update accepted".
void Log(LogLevel level, absl::string_view event, std::initializer_list<LogField> fields = {});

}  // namespace hilum

#endif  // HILUM_BASE_LOG_H_

// How programs answer: one sentence and an exit code when they fail, one JSON document with
// --json, aligned tables for people. Standard output holds results only; all else goes to
// standard error.
#ifndef HILUM_CLI_OUTPUT_H_
#define HILUM_CLI_OUTPUT_H_

#include <string>
#include <vector>

#include <nlohmann/json.hpp>
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "base/terminal.h"  // IsTerminal

namespace hilum::cli {

// The exit code that a status means (docs/exit_codes.md lists every status):
//   0 OK
//   2 InvalidArgument, NotFound: wrong usage or configuration
//   3 DataLoss: a signature, proof, hash or replay does not verify
//   4 PermissionDenied: refused by policy
//   5 Unavailable, DeadlineExceeded, Unauthenticated: the other side cannot be reached
//   1 all others, and an Unavailable that is this computer's own: the operation failed
int ExitCode(const absl::Status& status);

// Writes "hilum-x: sentence" to standard error, hilum-x being this program, and returns
// ExitCode(status). An OK status writes nothing.
int Fail(const absl::Status& status);

// Writes `text` to standard output as it stands, and flushes.
void Print(absl::string_view text);

// Writes one JSON document, indented by two spaces, and a line end to standard output.
void PrintJson(const nlohmann::ordered_json& document);

// Writes the document in one line and flushes: for events such as `listening`.
void PrintJsonLine(const nlohmann::ordered_json& document);

// A table for people: two spaces between columns, numbers to the right, text to the left.
class Table {
 public:
  explicit Table(std::vector<std::string> header);
  // As many cells as the header has; a missing cell is empty.
  void AddRow(std::vector<std::string> cells);
  // Header, rows, each line with a line end and without spaces before it. UTF-8 counts by
  // character. Control characters of a cell become '?': a peer's text never moves the cursor.
  std::string ToString() const;

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<std::string>> rows_;
};

// Characters of UTF-8 text: bytes that do not continue another.
size_t Characters(absl::string_view text);

// The text, or its beginning and "..." where it has more than `limit` (>= 3) characters.
std::string Shortened(absl::string_view text, size_t limit);

// The text in lines of at most `columns` characters, broken at spaces; all lines but the first
// begin with two. A longer word stays whole. Control characters become '?'.
std::string Wrapped(absl::string_view text, size_t columns);

// "1.2 MB", "812 B": decimal units, three digits.
std::string FormatBytes(double bytes);

// "4.2 s", "12 s", "3 min 20 s", "2 h 05 min".
std::string FormatSeconds(double seconds);

// "0.871 [0.802, 0.926]": a figure with its interval, {low, high}.
std::string FormatEstimate(double value, const nlohmann::ordered_json& interval);

// Replaces control characters by '?': for any text of a peer that goes to a terminal.
std::string Printable(absl::string_view text);

}  // namespace hilum::cli

#endif  // HILUM_CLI_OUTPUT_H_

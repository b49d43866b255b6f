#include "cli/output.h"

#include <cerrno>  // program_invocation_short_name
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/system_error.h"

namespace hilum::cli {
namespace {

constexpr absl::string_view kGap = "  ";
constexpr absl::string_view kCut = "...";

// "12", "-0.5", "98 %", "2 h 05 min", "-": what a column of numbers holds. "0 of 2 sites" is text.
bool LooksNumeric(absl::string_view cell) {
  constexpr size_t kUnitCharacters = 3;
  if (cell.empty() || cell == "-") return true;
  double value = 0.0;
  if (!absl::SimpleAtod(cell.substr(0, cell.find(' ')), &value)) return false;
  for (const absl::string_view word : absl::StrSplit(cell, ' ')) {
    if (!absl::SimpleAtod(word, &value) && word.size() > kUnitCharacters) return false;
  }
  return true;
}

std::string Dump(const nlohmann::ordered_json& document, int indent) {
  using nlohmann::ordered_json;
  // Text that is not UTF-8 (a file name, say) is replaced: the answer stays one JSON document.
  return document.dump(indent, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace

int ExitCode(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 0;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
      return 2;
    case absl::StatusCode::kDataLoss:
      return 3;
    case absl::StatusCode::kPermissionDenied:
      return 4;
    case absl::StatusCode::kUnavailable:
      return IsSystemError(status) ? 1 : 5;
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kUnauthenticated:
      return 5;
    default:
      return 1;
  }
}

int Fail(const absl::Status& status) {
  if (!status.ok()) {
    std::cout.flush();
    std::cerr << program_invocation_short_name << ": " << Printable(status.message()) << std::endl;
  }
  return ExitCode(status);
}

void Print(absl::string_view text) { std::cout << text << std::flush; }

void PrintJson(const nlohmann::ordered_json& document) {
  std::cout << Dump(document, 2) << std::endl;
}

void PrintJsonLine(const nlohmann::ordered_json& document) {
  std::cout << Dump(document, -1) << std::endl;
}

Table::Table(std::vector<std::string> header) : header_(std::move(header)) {}

void Table::AddRow(std::vector<std::string> cells) {
  cells.resize(header_.size());
  for (std::string& cell : cells) cell = Printable(cell);
  rows_.push_back(std::move(cells));
}

std::string Table::ToString() const {
  std::vector<size_t> widths(header_.size());
  std::vector<bool> numeric(header_.size(), true);
  for (size_t column = 0; column < header_.size(); ++column) {
    widths[column] = Characters(header_[column]);
    for (const auto& row : rows_) {
      widths[column] = std::max(widths[column], Characters(row[column]));
      numeric[column] = numeric[column] && LooksNumeric(row[column]);
    }
  }
  std::string out;
  const auto append_line = [&](const std::vector<std::string>& cells) {
    std::string line;
    for (size_t column = 0; column < cells.size(); ++column) {
      const std::string pad(widths[column] - Characters(cells[column]), ' ');
      if (column > 0) absl::StrAppend(&line, kGap);
      line += numeric[column] ? pad + cells[column] : cells[column] + pad;
    }
    absl::StrAppend(&out, absl::StripTrailingAsciiWhitespace(line), "\n");
  };
  append_line(header_);
  for (const auto& row : rows_) append_line(row);
  return out;
}

size_t Characters(absl::string_view text) {
  size_t n = 0;
  for (const char c : text) n += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
  return n;
}

std::string Shortened(absl::string_view text, size_t limit) {
  if (Characters(text) <= limit) return std::string(text);
  size_t end = 0;
  for (size_t width = 0; end < text.size(); ++end) {
    width += Characters(text.substr(end, 1));
    if (width > limit - kCut.size()) break;
  }
  return absl::StrCat(text.substr(0, end), kCut);
}

std::string Wrapped(absl::string_view text, size_t columns) {
  std::string out;
  size_t width = 0;  // of the last line
  const std::string clean = Printable(text);
  for (const absl::string_view word : absl::StrSplit(clean, ' ', absl::SkipEmpty())) {
    if (out.empty()) {
      width = Characters(word);
      absl::StrAppend(&out, word);
      continue;
    }
    const bool fits = width + 1 + Characters(word) <= columns;
    absl::StrAppend(&out, fits ? " " : "\n  ", word);
    width = (fits ? width + 1 : 2) + Characters(word);
  }
  return out + "\n";
}

std::string FormatBytes(double bytes) {
  constexpr const char* kUnits[] = {"B", "kB", "MB", "GB", "TB", "PB"};
  size_t unit = 0;
  while (bytes >= 999.5 && unit + 1 < std::size(kUnits)) {
    bytes /= 1000.0;
    ++unit;
  }
  const int digits = unit == 0 || bytes >= 99.95 ? 0 : bytes >= 9.995 ? 1 : 2;
  return absl::StrFormat("%.*f %s", digits, bytes, kUnits[unit]);
}

std::string FormatSeconds(double seconds) {
  if (seconds < 9.95) return absl::StrFormat("%.1f s", seconds);
  const int64_t whole = std::llround(seconds);
  if (whole < 60) return absl::StrCat(whole, " s");
  if (whole < 3600) return absl::StrFormat("%d min %02d s", whole / 60, whole % 60);
  return absl::StrFormat("%d h %02d min", whole / 3600, whole % 3600 / 60);
}

std::string FormatEstimate(double value, const nlohmann::ordered_json& interval) {
  return absl::StrFormat("%.3f [%.3f, %.3f]", value, interval[0].get<double>(),
                         interval[1].get<double>());
}

std::string Printable(absl::string_view text) {
  std::string out(text);
  for (size_t i = 0; i < out.size(); ++i) {
    if (absl::ascii_iscntrl(static_cast<unsigned char>(out[i]))) out[i] = '?';
    // U+0080 to U+009F: U+009B begins an escape sequence as ESC [ does.
    if (i + 1 < out.size() && out[i] == '\xC2' && static_cast<unsigned char>(out[i + 1]) < 0xA0) {
      out.replace(i, 2, "?");
    }
  }
  return out;
}

}  // namespace hilum::cli

#include "client/labels.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "base/status_macros.h"

namespace hilum::client {
namespace {

// "file" is all but the last columns, so it may hold commas; quotes around a column are dropped.
std::vector<std::string> SplitFromRight(absl::string_view line, size_t n_columns) {
  std::vector<std::string> columns(n_columns);
  for (size_t i = n_columns; i-- > 1;) {
    const size_t comma = line.rfind(',');
    if (comma == absl::string_view::npos) return {};
    columns[i] = std::string(absl::StripAsciiWhitespace(line.substr(comma + 1)));
    line = line.substr(0, comma);
  }
  columns[0] = std::string(absl::StripAsciiWhitespace(line));
  for (std::string& column : columns) {
    if (column.size() >= 2 && column.front() == '"' && column.back() == '"') {
      column = column.substr(1, column.size() - 2);
    }
  }
  return columns;
}

}  // namespace

absl::StatusOr<Labels> Labels::Read(const fs::path& file) {
  const absl::StatusOr<std::string> text = ReadTextFile(file, kLabelsLimitBytes);
  if (absl::IsNotFound(text.status())) return Labels();
  if (absl::IsResourceExhausted(text.status())) {
    return absl::InvalidArgumentError(text.status().message());
  }
  HILUM_RETURN_IF_ERROR(text);
  return Parse(*text);
}

absl::StatusOr<Labels> Labels::Parse(absl::string_view text) {
  Labels labels;
  size_t n_columns = 0;
  size_t line_number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++line_number;
    absl::ConsumeSuffix(&line, "\r");
    if (line_number == 1) {
      n_columns = line == "file,label" ? 2 : line == "file,label,source" ? 3 : 0;
      if (n_columns == 0) {
        return absl::InvalidArgumentError(
            "labels.csv:1: the header is neither file,label nor file,label,source");
      }
      continue;
    }
    if (absl::StripAsciiWhitespace(line).empty()) continue;
    const std::vector<std::string> columns = SplitFromRight(line, n_columns);
    if (columns.empty() || columns[0].empty() || columns[1].empty()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "labels.csv:", line_number, ": not ", n_columns, " columns with a file and a label"));
    }
    const Label label{columns[1], n_columns == 3 ? columns[2] : ""};
    if (!labels.by_file_.emplace(columns[0], label).second) {
      return absl::InvalidArgumentError(
          absl::StrCat("labels.csv:", line_number, ": the file is named a second time"));
    }
  }
  return labels;
}

void Labels::AlsoByUid(const std::function<std::string(absl::string_view sop_uid)>& name_of) {
  std::map<std::string, Label> more;
  for (const auto& [file, label] : by_file_) {
    if (file.find_first_not_of("0123456789.") == std::string::npos) {
      more.emplace(name_of(file), label);
    }
  }
  by_file_.merge(more);
}

const Label* Labels::Find(const std::string& path, bool by_name) const {
  std::vector<std::string> names = {path};
  if (absl::StartsWith(path, "films/")) names.push_back(path.substr(6));
  if (by_name) names.push_back(fs::path(path).filename().string());
  for (const std::string& name : names) {
    const auto found = by_file_.find(name);
    if (found != by_file_.end()) return &found->second;
  }
  return nullptr;
}

}  // namespace hilum::client

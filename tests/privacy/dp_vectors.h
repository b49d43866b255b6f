// Reads tests/vectors/dp: CSV with one header line, fields with commas in quotes.
#ifndef HILUM_TESTS_PRIVACY_DP_VECTORS_H_
#define HILUM_TESTS_PRIVACY_DP_VECTORS_H_

#include <map>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/check.h"
#include "base/file.h"

namespace hilum::privacy {

using CsvRow = std::map<std::string, std::string>;

inline std::vector<std::string> CsvFields(const std::string& line) {
  std::vector<std::string> fields(1);
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      fields.emplace_back();
    } else if (c != '\r') {
      fields.back() += c;
    }
  }
  return fields;
}

inline std::vector<CsvRow> DpVectors(const std::string& file) {
  const absl::StatusOr<std::string> text =
      ReadTextFile(fs::path(HILUM_SOURCE_DIR) / "tests/vectors/dp" / file, 1 << 20);
  HILUM_CHECK(text.ok());
  std::vector<std::string> lines = absl::StrSplit(*text, '\n', absl::SkipEmpty());
  const std::vector<std::string> names = CsvFields(lines.at(0));
  std::vector<CsvRow> rows;
  for (size_t i = 1; i < lines.size(); ++i) {
    const std::vector<std::string> fields = CsvFields(lines[i]);
    HILUM_CHECK(fields.size() == names.size());
    CsvRow& row = rows.emplace_back();
    for (size_t k = 0; k < names.size(); ++k) row[names[k]] = fields[k];
  }
  return rows;
}

inline double Number(const CsvRow& row, const std::string& name) {
  double value = 0;
  HILUM_CHECK(absl::SimpleAtod(row.at(name), &value));
  return value;
}

}  // namespace hilum::privacy

#endif  // HILUM_TESTS_PRIVACY_DP_VECTORS_H_

// The DICOM vectors of the repository and, where HILUM_SHARED is set, the larger staged set.
#ifndef HILUM_TESTS_DICOM_VECTORS_H_
#define HILUM_TESTS_DICOM_VECTORS_H_

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace hilum::dicom {

inline std::filesystem::path VectorFolder() {
  return std::filesystem::path(HILUM_SOURCE_DIR) / "tests" / "vectors" / "dicom";
}

// nullopt: HILUM_SHARED is not set.
inline std::optional<std::filesystem::path> SharedFolder() {
  const char* const shared = std::getenv("HILUM_SHARED");
  if (shared == nullptr) return std::nullopt;
  return std::filesystem::path(shared) / "data";
}

using Row = std::map<std::string, std::string>;

// Splits a line of CSV; quotes may hold commas.
inline std::vector<std::string> SplitCsv(const std::string& line) {
  std::vector<std::string> cells(1);
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      cells.emplace_back();
    } else if (c != '\r') {
      cells.back() += c;
    }
  }
  return cells;
}

// Rows by column name.
inline std::vector<Row> ReadCsv(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  const std::vector<std::string> names = SplitCsv(line);
  std::vector<Row> rows;
  while (std::getline(file, line)) {
    const std::vector<std::string> cells = SplitCsv(line);
    Row row;
    for (size_t i = 0; i < names.size() && i < cells.size(); ++i) row[names[i]] = cells[i];
    rows.push_back(row);
  }
  return rows;
}

}  // namespace hilum::dicom

#endif  // HILUM_TESTS_DICOM_VECTORS_H_

#include "client/round_files.h"

#include <algorithm>
#include <string>
#include <system_error>

#include "absl/strings/numbers.h"

namespace hilum::client {

std::vector<std::pair<uint64_t, fs::path>> RoundFiles(const fs::path& folder,
                                                      absl::string_view suffix) {
  std::vector<std::pair<uint64_t, fs::path>> files;
  std::error_code error;
  for (const auto& file : fs::directory_iterator(folder, error)) {
    uint64_t round = 0;
    if (file.path().extension() == std::string(suffix) &&
        absl::SimpleAtoi(file.path().stem().string(), &round)) {
      files.emplace_back(round, file.path());
    }
  }
  std::sort(files.rbegin(), files.rend());
  return files;
}

void DropRoundFiles(const fs::path& folder, absl::string_view suffix, uint64_t round) {
  size_t kept = 0;
  for (const auto& [number, path] : RoundFiles(folder, suffix)) {
    std::error_code error;
    if (number > round || ++kept > kRoundsKept) fs::remove(path, error);
  }
}

}  // namespace hilum::client

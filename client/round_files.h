// Files of a job that are named after their round, "12.layers", of which the newest are kept.
#ifndef HILUM_CLIENT_ROUND_FILES_H_
#define HILUM_CLIENT_ROUND_FILES_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "base/file.h"

namespace hilum::client {

// The last round may be trained again after a crash, and must then start from the one before.
inline constexpr size_t kRoundsKept = 2;

// Round -> its file, the newest first; no folder: none. Other files are none of ours.
//   suffix  with its dot
std::vector<std::pair<uint64_t, fs::path>> RoundFiles(const fs::path& folder,
                                                      absl::string_view suffix);

// After the file of `round` was written: deletes those of later rounds, from which the server went
// back, and all but the newest kRoundsKept.
void DropRoundFiles(const fs::path& folder, absl::string_view suffix, uint64_t round);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_ROUND_FILES_H_

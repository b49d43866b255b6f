// The DICOM JSON model (PS3.18 annex F), as far as search results, metadata and answers to a store
// request need it: the texts and numbers of the top level, from a server that may be hostile.
#ifndef HILUM_DICOM_DICOM_JSON_H_
#define HILUM_DICOM_DICOM_JSON_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace hilum::dicom {

// "00080060" -> its values as text; numbers as JSON writes them. An attribute without a value, or
// with one that is neither text nor number (a name, a sequence), has none here.
using JsonAttributes = std::map<std::string, std::vector<std::string>>;

// The first value, "" where there is none.
std::string FirstOf(const JsonAttributes& attributes, const char* tag);

inline constexpr size_t kJsonDataSetsLimit = 100'000;
inline constexpr int kJsonNestingLimit = 32;
inline constexpr size_t kJsonValuesLimit = 4'000'000;  // of all kinds together

// An array of data sets. InvalidArgument: not that, or beyond one of the limits.
absl::StatusOr<std::vector<JsonAttributes>> ParseDicomJson(absl::string_view text);

// What a server says of the instances that it was to store (PS3.18 section 10.5.3).
struct StoreAnswer {
  std::vector<std::string> stored;                  // SOP Instance UIDs
  std::vector<std::pair<std::string, int>> failed;  // and FailureReason (0008,1197)
};
// InvalidArgument: no data set, or beyond one of the limits.
absl::StatusOr<StoreAnswer> ParseStoreAnswer(absl::string_view text);

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_DICOM_JSON_H_

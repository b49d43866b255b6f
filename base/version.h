// Versions of the product, of the protocol between its programs and of its stored state.
#ifndef HILUM_BASE_VERSION_H_
#define HILUM_BASE_VERSION_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace hilum {

inline constexpr absl::string_view kVersion = "0.1.0";

// Raised when programs of two versions can no longer talk to each other.
inline constexpr uint32_t kProtocolVersion = 1;

// Raised when a newer program can no longer read a folder written by an older one.
inline constexpr uint32_t kStateVersion = 1;

inline constexpr absl::string_view kResearchUseOnly =
    "Research use only. Not a medical device; not for diagnosis.";

}  // namespace hilum

#endif  // HILUM_BASE_VERSION_H_

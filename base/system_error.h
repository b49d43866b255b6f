// Tells a failed system call of this computer from another computer that cannot be reached: both
// are Unavailable, because waiting may help.
#ifndef HILUM_BASE_SYSTEM_ERROR_H_
#define HILUM_BASE_SYSTEM_ERROR_H_

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/string_view.h"

namespace hilum {

inline constexpr absl::string_view kSystemErrorUrl = "hilum/system-error";

// An Unavailable status that IsSystemError.
inline absl::Status SystemUnavailable(absl::string_view sentence) {
  absl::Status status = absl::UnavailableError(sentence);
  status.SetPayload(kSystemErrorUrl, absl::Cord());
  return status;
}

// Whether the status came from SystemUnavailable and was passed on as it was.
inline bool IsSystemError(const absl::Status& status) {
  return status.GetPayload(kSystemErrorUrl).has_value();
}

}  // namespace hilum

#endif  // HILUM_BASE_SYSTEM_ERROR_H_

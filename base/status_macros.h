// Passes an absl::Status on. Abseil 20220623 has no such macros.
#ifndef HILUM_BASE_STATUS_MACROS_H_
#define HILUM_BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace hilum::internal {
inline const absl::Status& AsStatus(const absl::Status& status) { return status; }
template <class T>
const absl::Status& AsStatus(const absl::StatusOr<T>& result) {
  return result.status();
}
}  // namespace hilum::internal

#define HILUM_CONCAT_INNER_(a, b) a##b
#define HILUM_CONCAT_(a, b) HILUM_CONCAT_INNER_(a, b)

// Returns from the function when `expression`, a Status or StatusOr, is not OK.
#define HILUM_RETURN_IF_ERROR(expression)                              \
  do {                                                                 \
    if (const auto& hilum_result = (expression); !hilum_result.ok()) { \
      return ::hilum::internal::AsStatus(hilum_result);                \
    }                                                                  \
  } while (false)

// HILUM_ASSIGN_OR_RETURN(const Model model, ReadModel(path));
#define HILUM_ASSIGN_OR_RETURN(declaration, expression) \
  HILUM_ASSIGN_OR_RETURN_(HILUM_CONCAT_(hilum_result_, __LINE__), declaration, expression)
#define HILUM_ASSIGN_OR_RETURN_(result, declaration, expression) \
  auto result = (expression);                                    \
  if (!result.ok()) return result.status();                      \
  declaration = std::move(result).value()

#endif  // HILUM_BASE_STATUS_MACROS_H_

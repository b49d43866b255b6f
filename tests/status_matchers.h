// GoogleTest matchers for absl::Status and absl::StatusOr.
#ifndef HILUM_TESTS_STATUS_MATCHERS_H_
#define HILUM_TESTS_STATUS_MATCHERS_H_

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/status_macros.h"

namespace hilum {

MATCHER(IsOk, "is OK") {
  const absl::Status& status = internal::AsStatus(arg);
  *result_listener << status.ToString();
  return status.ok();
}

// The code, and a part of the sentence that a person reads.
MATCHER_P2(StatusIs, code, part, "") {
  const absl::Status& status = internal::AsStatus(arg);
  *result_listener << status.ToString();
  return status.code() == code && std::string(status.message()).find(part) != std::string::npos;
}

}  // namespace hilum

#define HILUM_EXPECT_OK(expression) EXPECT_THAT((expression), ::hilum::IsOk())
#define HILUM_ASSERT_OK(expression) ASSERT_THAT((expression), ::hilum::IsOk())

// HILUM_ASSERT_OK_AND_ASSIGN(const Model model, ReadModel(path));
#define HILUM_ASSERT_OK_AND_ASSIGN(declaration, expression) \
  HILUM_ASSERT_OK_AND_ASSIGN_(HILUM_CONCAT_(hilum_test_result_, __LINE__), declaration, expression)
#define HILUM_ASSERT_OK_AND_ASSIGN_(result, declaration, expression) \
  auto result = (expression);                                        \
  ASSERT_TRUE(result.ok()) << result.status();                       \
  declaration = std::move(result).value()

#endif  // HILUM_TESTS_STATUS_MATCHERS_H_

// Where LibTorch's exceptions end: what they say becomes a Status. Internal to models/.
#ifndef HILUM_MODELS_TORCH_STATUS_H_
#define HILUM_MODELS_TORCH_STATUS_H_

#include <c10/util/Exception.h>

#include <exception>
#include <new>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace hilum::models {

template <class Result>
struct TorchResult {
  using Type = absl::StatusOr<Result>;
};
template <>
struct TorchResult<void> {
  using Type = absl::Status;
};
template <>
struct TorchResult<absl::Status> {
  using Type = absl::Status;
};
template <class Result>
struct TorchResult<absl::StatusOr<Result>> {
  using Type = absl::StatusOr<Result>;
};

// What LibTorch says when memory is short: on the CPU of Linux and of Windows, and on a GPU.
inline bool IsOutOfMemory(const std::string& text) {
  for (const char* words : {"can't allocate memory", "not enough memory", "CUDA out of memory"}) {
    if (text.find(words) != std::string::npos) return true;
  }
  return false;
}

// Runs `function` and returns what it returns, as a Status or StatusOr.
// ResourceExhausted: out of memory. Internal: LibTorch refused; the sentence is its first line.
template <class Function>
auto CatchTorch(const Function& function) {
  using Result = std::invoke_result_t<Function>;
  using Return = typename TorchResult<Result>::Type;
  try {
    if constexpr (std::is_void_v<Result>) {
      function();
      return absl::OkStatus();
    } else {
      return Return(function());
    }
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();
    const std::string line = absl::StrCat("LibTorch: ", text.substr(0, text.find('\n')));
    if (IsOutOfMemory(text)) {
      return Return(absl::ResourceExhaustedError(line));
    }
    return Return(absl::InternalError(line));
  } catch (const std::bad_alloc&) {
    return Return(absl::ResourceExhaustedError("LibTorch: out of memory"));
  } catch (const std::exception& error) {
    return Return(absl::InternalError(absl::StrCat("LibTorch: ", error.what())));
  }
}

}  // namespace hilum::models

#endif  // HILUM_MODELS_TORCH_STATUS_H_

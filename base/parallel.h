// Equal work on several cores.
#ifndef HILUM_BASE_PARALLEL_H_
#define HILUM_BASE_PARALLEL_H_

#include <cstddef>

#include "absl/functional/function_ref.h"

namespace hilum {

// Calls body(0) to body(n_items - 1), each once and in no certain order, on up to `n_threads`
// threads, the caller's among them, and returns when all are done. 0 threads: one for each core
// that this process may use (base/cores.h).
void ForEachOnCores(size_t n_items, size_t n_threads, absl::FunctionRef<void(size_t item)> body);

}  // namespace hilum

#endif  // HILUM_BASE_PARALLEL_H_

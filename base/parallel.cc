#include "base/parallel.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "base/cores.h"

namespace hilum {

void ForEachOnCores(size_t n_items, size_t n_threads, absl::FunctionRef<void(size_t item)> body) {
  std::atomic<size_t> next{0};
  const auto take_items = [&] {
    for (size_t item = next++; item < n_items; item = next++) body(item);
  };
  std::vector<std::thread> others;
  if (n_threads == 0) n_threads = n_items > 1 ? static_cast<size_t>(UsableCores()) : 1;
  for (size_t i = 1; i < std::min(n_items, n_threads); ++i) others.emplace_back(take_items);
  take_items();
  for (std::thread& thread : others) thread.join();
}

}  // namespace hilum

#include "kernels/sorting_network.h"

#include <algorithm>
#include <cstddef>

namespace hilum::kernels {
namespace {

using Stage = std::vector<Comparator>;

// Names p, q, r and d as in the book.
std::vector<Stage> MergeExchange(int64_t n_values) {
  std::vector<Stage> stages;
  int64_t top = 1;
  while (2 * top < n_values) top *= 2;
  if (n_values < 2) return stages;
  for (int64_t p = top; p > 0; p /= 2) {
    int64_t q = top, r = 0, d = p;
    while (true) {
      Stage stage;
      for (int64_t i = 0; i + d < n_values; ++i) {
        if ((i & p) != r) continue;
        stage.push_back({static_cast<uint16_t>(i), static_cast<uint16_t>(i + d)});
      }
      stages.push_back(stage);
      if (q == p) break;
      d = q - p, q /= 2, r = p;
    }
  }
  return stages;
}

}  // namespace

SortingNetwork MakeSortingNetwork(int64_t n_values, int64_t first, int64_t last) {
  std::vector<Stage> stages = MergeExchange(n_values);
  std::vector<bool> needed(static_cast<size_t>(n_values), false);
  std::fill(needed.begin() + first, needed.begin() + last, true);
  // From the end: a comparator whose two results nobody needs is left out.
  for (auto stage = stages.rbegin(); stage != stages.rend(); ++stage) {
    std::erase_if(*stage, [&](const Comparator& c) { return !needed[c.low] && !needed[c.high]; });
    for (const Comparator& c : *stage) needed[c.low] = needed[c.high] = true;
  }
  SortingNetwork network;
  for (const Stage& stage : stages) {
    if (stage.empty()) continue;
    network.comparators.insert(network.comparators.end(), stage.begin(), stage.end());
    network.stage_ends.push_back(static_cast<int32_t>(network.comparators.size()));
  }
  return network;
}

}  // namespace hilum::kernels

// Networks of compare-exchanges that sort any number of values: the same steps whatever the values,
// so a step can work on whole vectors.
#ifndef HILUM_KERNELS_SORTING_NETWORK_H_
#define HILUM_KERNELS_SORTING_NETWORK_H_

#include <cstdint>
#include <vector>

namespace hilum::kernels {

// The smaller of two values goes to `low`, the larger to `high`; low < high.
struct Comparator {
  uint16_t low, high;
};

struct SortingNetwork {
  std::vector<Comparator> comparators;
  std::vector<int32_t> stage_ends;  // comparators of one stage touch different values
};

// Batcher's merge exchange for n_values values, 1..65,535 (Knuth, The Art of Computer Programming,
// volume 3, algorithm 5.2.2M): about n * log2(n)^2 / 4 comparators in log2(n)^2 / 2 stages. Of
// those, only what the places [first, last) of the sorted values depend on.
SortingNetwork MakeSortingNetwork(int64_t n_values, int64_t first, int64_t last);

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_SORTING_NETWORK_H_

// The block program of trimmed_mean.h.
#ifndef HILUM_KERNELS_TRIMMED_MEAN_PROGRAM_H_
#define HILUM_KERNELS_TRIMMED_MEAN_PROGRAM_H_

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "kernels/exec.h"
#include "kernels/sorting_network.h"

namespace hilum::kernels {

// A float as an integer of the same order; -0 comes before +0. Its own inverse is FloatFromKey.
HILUM_KERNEL int32_t KeyFromBits(int32_t bits) { return bits ^ ((bits >> 31) & 0x7fffffff); }
HILUM_KERNEL float FloatFromKey(int32_t key) {
  const int32_t bits = KeyFromBits(key);
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

// One block sorts a tile of `width` coordinates of all sites, and averages places of the order.
//   sites   [n_sites] addresses of [n] values; result  [n]
//   comparators, stage_ends  a network that brings the places [low, high) right
//   marks   [BlocksFor(n, width)], 0 before: 1 where a value is NaN or infinite
//   width   WidthFor(n_sites)
//   low, high  the places to average; n_kept  how many of them, nearest to the median: when fewer
//           than high - low, then low = 0 and high = n_sites
// Launch BlocksFor(n, width) blocks.
struct TrimmedMeanProgram {
  static constexpr int kThreads = 256;
  static constexpr int kCells = 8192;  // 32 KiB of keys: two thirds of a first-level cache of today
  struct Shared {
    int32_t cell[kCells];  // [n_sites][width]
  };
  // As many coordinates as fit, whole vectors of 16 where possible; n_sites <= kCells / 8.
  static int64_t WidthFor(int64_t n_sites) {
    const int64_t fit = std::min<int64_t>(kThreads, kCells / n_sites);
    return fit >= 16 ? fit / 16 * 16 : fit;
  }

  const float* const* sites;
  const Comparator* comparators;
  const int32_t* stage_ends;
  float* result;
  int32_t* marks;
  int64_t n_sites;
  int64_t n_stages;
  int64_t n;
  int64_t width;
  int64_t low;
  int64_t high;
  int64_t n_kept;

  template <class Block>
  HILUM_KERNEL void operator()(const Block& block) const {
    const TrimmedMeanProgram p = *this;  // a copy that no store can change
    const int64_t first = block.index * p.width;
    const int64_t count = p.n - first < p.width ? p.n - first : p.width;
    p.Load(block, first, count);
    int64_t done = 0;
    for (int64_t stage = 0; stage < p.n_stages; ++stage) {
      const int64_t end = p.stage_ends[stage];
      block.PhaseOfGrid(end - done, count, [=](int64_t i, int64_t c, Shared& shared) {
        int32_t* const low = shared.cell + p.comparators[done + i].low * p.width + c;
        int32_t* const high = shared.cell + p.comparators[done + i].high * p.width + c;
        const int32_t a = *low, b = *high;
        *low = a < b ? a : b;
        *high = a < b ? b : a;
      });
      done = end;
    }
    if (p.n_kept == p.high - p.low) {
      p.MeanOfPlaces(block, first, count);
    } else {
      block.Phase(count, [=](int t, Shared& shared) {
        p.result[first + t] = p.MeanAroundMedian(shared.cell + t);
      });
    }
  }

  template <class Block>
  HILUM_KERNEL void Load(const Block& block, int64_t first, int64_t count) const {
    const TrimmedMeanProgram p = *this;
    typename Block::template PerThread<int32_t>
        largest;  // |value|, as an integer: NaN is above all
    for (int64_t site = 0; site < p.n_sites; ++site) {
      const float* const in = p.sites[site] + first;
      Prefetch(in + p.width, p.n - first - p.width,
               p.width);  // the next tile, while this is sorted
      block.Phase(count, [&](int t, Shared& shared) {
        int32_t bits;
        std::memcpy(&bits, in + t, sizeof bits);
        const int32_t absolute = bits & 0x7fffffff;
        largest[t] = absolute > largest[t] ? absolute : largest[t];
        shared.cell[site * p.width + t] = KeyFromBits(bits);
      });
    }
    block.Local(count, [&](int t) {
      if (largest[t] >= 0x7f800000) p.marks[block.index] = 1;  // several threads, the same value
    });
  }

  // From the lowest place up, in double.
  template <class Block>
  HILUM_KERNEL void MeanOfPlaces(const Block& block, int64_t first, int64_t count) const {
    const TrimmedMeanProgram p = *this;
    typename Block::template PerThread<double> sum;
    block.Phase(count, [&](int t, Shared& shared) {
      sum[t] = FloatFromKey(shared.cell[p.low * p.width + t]);
    });
    for (int64_t place = p.low + 1; place < p.high; ++place) {
      block.Phase(count, [&](int t, Shared& shared) {
        sum[t] += FloatFromKey(shared.cell[place * p.width + t]);
      });
    }
    const double n_places = static_cast<double>(p.high - p.low);
    block.Local(count, [&](int t) { p.result[first + t] = static_cast<float>(sum[t] / n_places); });
  }

  // column: the sorted keys of one coordinate, `width` apart.
  HILUM_KERNEL float MeanAroundMedian(const int32_t* column) const {
    const auto at = [&](int64_t place) {
      return static_cast<double>(FloatFromKey(column[place * width]));
    };
    const double median = (at((n_sites - 1) / 2) + at(n_sites / 2)) * 0.5;
    int64_t from = low, to = high;
    while (to - from > n_kept) {
      if (median - at(from) > at(to - 1) - median) {
        ++from;
      } else {
        --to;
      }
    }
    double sum = at(from);
    for (int64_t place = from + 1; place < to; ++place) sum += at(place);
    return static_cast<float>(sum / static_cast<double>(n_kept));
  }
};

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_TRIMMED_MEAN_PROGRAM_H_

// The block program of gram.h.
#ifndef HILUM_KERNELS_GRAM_PROGRAM_H_
#define HILUM_KERNELS_GRAM_PROGRAM_H_

#include <cstdint>
#include <vector>

#include "kernels/double_lanes.h"
#include "kernels/exec.h"

namespace hilum::kernels {

// One block multiplies one stretch of kTile coordinates of some pairs of groups of kGroup sites.
// The stretch is taken a tile of kCoords at a time, and all the block's pairs with it: a tile of
// all sites stays in a cache, so each value is read from memory once.
//   sites    [n_sites] addresses of [n] values
//   pairs    [n_pairs] two groups each, row <= column; a group's sites beyond n_sites repeat the
//   last
//            site, and their products mean nothing
//   partial  [BlocksFor(n, kTile)][n_pairs][kGroup * kGroup], 0 before: the products of the stretch
//   n_parts  the pairs are dealt out in n_parts equal parts; 1 on the CPU
// Eight lanes add the products of a tile in double, a tree adds the lanes, the tiles follow in
// order. Launch BlocksFor(n, kTile) * n_parts blocks.
struct GramProgram {
  static constexpr int kThreads = 64;
  static constexpr int kPairsAtOnce = kThreads / kDoubleLanes;
  static constexpr int kCoords = 2048;
  static constexpr int kTilesOfStretch = 8;
  static constexpr int kTile = kCoords * kTilesOfStretch;
  static constexpr int kGroup = 4;
  static constexpr int kProducts = kGroup * kGroup;
  static constexpr int64_t kMinBlocksPerThread = 1;
  struct Pair {
    int32_t row, column;
  };
  struct Shared {
    double lane[kPairsAtOnce * kProducts][kDoubleLanes];
  };

  const float* const* sites;
  const Pair* pairs;
  double* partial;
  int64_t n_sites;
  int64_t n;
  int64_t n_pairs;
  int64_t n_parts;

  template <class Block>
  HILUM_KERNEL void operator()(const Block& block) const {
    const GramProgram p = *this;  // a copy that no store can change
    const int64_t stretch = block.index / p.n_parts, part = block.index % p.n_parts;
    const int64_t last_pair = (part + 1) * p.n_pairs / p.n_parts;
    for (int tile = 0; tile < kTilesOfStretch; ++tile) {
      const int64_t first = stretch * kTile + tile * kCoords;
      if (first >= p.n) break;
      for (int64_t pair = part * p.n_pairs / p.n_parts; pair < last_pair; pair += kPairsAtOnce) {
        const int64_t n_now = last_pair - pair;
        block.PhaseOfLanes(kDoubleLanes, n_now, [&](int slot, int lane, Shared& shared) {
          p.Multiply<Block>(p.pairs[pair + slot], first, lane, shared.lane + slot * kProducts);
        });
        double* const out = p.partial + (stretch * p.n_pairs + pair) * kProducts;
        for (int i = 0; i < kPairsAtOnce * kProducts; i += kThreads) {
          block.Phase(n_now * kProducts - i, [&](int t, Shared& shared) {
            const double* const v = shared.lane[i + t];
            out[i + t] += ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7]));
          });
        }
      }
    }
  }

  // One lane's sums (on the CPU: all lanes') of the products of one pair in one tile.
  template <class Block>
  HILUM_KERNEL void Multiply(Pair pair, int64_t first, int lane,
                             double (*out)[kDoubleLanes]) const {
    const float *a[kGroup], *b[kGroup];
    for (int i = 0; i < kGroup; ++i) {
      const int64_t row = pair.row * kGroup + i, column = pair.column * kGroup + i;
      a[i] = sites[row < n_sites ? row : n_sites - 1] + first;
      b[i] = sites[column < n_sites ? column : n_sites - 1] + first;
      if (pair.row == 0 && column + kGroup < n_sites) {  // the first to need this tile of a site
        Prefetch(sites[column + kGroup] + first, n - first, kCoords);
      }
    }
    DoubleLanesOf<Block> sum[kProducts];
    const int64_t left = n - first < kCoords ? n - first : kCoords;
    int64_t k = 0;
    for (; k + kDoubleLanes <= left; k += kDoubleLanes) {
      AddProducts<Block>(
          sum, [&](auto& x, int i) { x.Load(a[i] + k, lane); },
          [&](auto& y, int i) { y.Load(b[i] + k, lane); });
    }
    if (k < left) {
      AddProducts<Block>(
          sum, [&](auto& x, int i) { x.LoadPart(a[i] + k, lane, left - k); },
          [&](auto& y, int i) { y.LoadPart(b[i] + k, lane, left - k); });
    }
    for (int i = 0; i < kProducts; ++i) sum[i].Store(out[i], lane);
  }

  template <class Block, class LoadA, class LoadB>
  static HILUM_KERNEL void AddProducts(DoubleLanesOf<Block> (&sum)[kProducts], LoadA load_a,
                                       LoadB load_b) {
    DoubleLanesOf<Block> x[kGroup], y[kGroup];
    for (int i = 0; i < kGroup; ++i) load_a(x[i], i);
    for (int i = 0; i < kGroup; ++i) load_b(y[i], i);
    for (int i = 0; i < kProducts; ++i) sum[i].AddProduct(x[i / kGroup], y[i % kGroup]);
  }
};

// All pairs of the groups of n_sites sites.
inline std::vector<GramProgram::Pair> PairsOf(int64_t n_sites) {
  std::vector<GramProgram::Pair> pairs;
  const int32_t n_groups = static_cast<int32_t>(BlocksFor(n_sites, GramProgram::kGroup));
  for (int32_t row = 0; row < n_groups; ++row) {
    for (int32_t column = row; column < n_groups; ++column) pairs.push_back({row, column});
  }
  return pairs;
}

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_GRAM_PROGRAM_H_

// The block program of tag_polynomial.h: one source for the GPU and for every vector width of the
// CPU.
#ifndef HILUM_KERNELS_TAG_PROGRAM_H_
#define HILUM_KERNELS_TAG_PROGRAM_H_

#include <cstdint>

#include "kernels/exec.h"
#include "kernels/tag_polynomial.h"

namespace hilum::kernels {

// Residues modulo p = 2^61 - 1, a Mersenne prime: 2^61 is 1, so a number is reduced by adding its
// upper bits to its lower ones.
HILUM_KERNEL uint64_t TagReduce(uint64_t a) {
  const uint64_t sum = (a & kTagPrime) + (a >> 61);  // at most p + 7
  return sum >= kTagPrime ? sum - kTagPrime : sum;
}
HILUM_KERNEL uint64_t TagSum(uint64_t a, uint64_t b) { return TagReduce(a + b); }
HILUM_KERNEL uint64_t TagProduct(uint64_t a, uint64_t b) {
  const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;  // below 2^122
  return TagReduce((static_cast<uint64_t>(product) & kTagPrime) +
                   static_cast<uint64_t>(product >> 61));
}

// A residue in limbs of 21, 21 and 19 bits. A word times a limb is below 2^53, so 2^11 of these
// products fit a 64-bit sum: no reduction until the tile ends.
inline constexpr int kTagLimbs = 3;
inline constexpr int kTagLimbBits = 21;
inline constexpr int kTagSums = static_cast<int>(kTagPoints) * kTagLimbs;  // of a column

// The operations of a lane type: here one lane. tag_lanes.h has the vectors.
HILUM_KERNEL void SetZero(uint64_t& x) { x = 0; }
HILUM_KERNEL void LoadWords(uint64_t& x, const uint32_t* words) { x = words[0]; }
// sum += word * limb, both below 2^32 in 64 bits.
HILUM_KERNEL void MultiplyAdd(uint64_t& sum, const uint64_t& word, uint64_t limb) {
  sum += static_cast<uint64_t>(static_cast<uint32_t>(word)) * static_cast<uint32_t>(limb);
}
HILUM_KERNEL void StoreLanes(uint64_t* to, const uint64_t& x) { to[0] = x; }
template <class Lanes>
inline constexpr int kTagLanes = sizeof(Lanes) / sizeof(uint64_t);

// One block evaluates one tile of the three polynomials: a matrix of kRows rows and kColumns
// columns, row by row. A thread runs down kTagLanes<Lanes> neighbouring columns.
//   words    [n]
//   rows     [kRows * kTagSums] limbs of (weight of kColumns words)^row: point, then limb
//   columns  [kTagPoints * kColumns] weights of the words of row 0
//   partial  [n_tiles * kTagPoints] the tile's values, its first word having weight 1
// Launch BlocksFor(n, kTile) blocks. The sums of the columns are added in a fixed tree, though
// arithmetic modulo p gives the same bits in any order.
template <class Lanes>
struct TagProgram {
  static constexpr int kWidth = kTagLanes<Lanes>;
  static constexpr int kColumns = kWidth == 1 ? 128 : 16;  // 16 words: a cache line
  static constexpr int kThreads = kColumns / kWidth;
  static constexpr int kRows = kWidth == 1 ? 64 : 256;
  static constexpr int kTile = kColumns * kRows;
  static_assert(kRows <= 1 << (64 - 32 - kTagLimbBits));
  struct Shared {
    uint64_t node[kTagPoints * kColumns];
  };

  const uint32_t* words;
  int64_t n;
  const uint64_t* rows;
  const uint64_t* columns;
  uint64_t* partial;

  template <class Block>
  HILUM_KERNEL void operator()(const Block& block) const {
    const TagProgram p = *this;  // a copy that no store can change
    const int64_t first = block.index * kTile;
    block.Phase([=](int t, Shared& s) { p.AddColumns(first, t * kWidth, s.node); });
    for (int width = kColumns / 2; width > 0; width /= 2) {
      block.Phase([=](int t, Shared& s) {
        for (int c = t; c < width; c += kThreads) {
          for (int m = 0; m < static_cast<int>(kTagPoints); ++m) {
            uint64_t* const node = s.node + m * kColumns;
            node[c] = TagSum(node[c], node[c + width]);
          }
        }
      });
    }
    block.Phase(1, [=](int, Shared& s) {
      for (int m = 0; m < static_cast<int>(kTagPoints); ++m) {
        p.partial[block.index * static_cast<int>(kTagPoints) + m] = s.node[m * kColumns];
      }
    });
  }

  // node[m * kColumns + c] = the value of column c at point m, for kWidth columns from `column` on.
  HILUM_KERNEL void AddColumns(int64_t first, int column, uint64_t* node) const {
    Lanes s0, s1, s2, s3, s4, s5, s6, s7, s8;
    SetZero(s0), SetZero(s1), SetZero(s2), SetZero(s3), SetZero(s4), SetZero(s5);
    SetZero(s6), SetZero(s7), SetZero(s8);
    const int64_t there = n - first - column;  // words from the first column on
    for (int row = 0; row < kRows; ++row) {
      const int64_t at = static_cast<int64_t>(row) * kColumns;
      if (at >= there) break;
      Lanes word;
      if (at + kWidth <= there) {
        LoadWords(word, words + first + column + at);
      } else {
        LoadEnd(word, words + first + column + at, there - at);
      }
      const uint64_t* const limb = rows + row * kTagSums;
      MultiplyAdd(s0, word, limb[0]), MultiplyAdd(s1, word, limb[1]);
      MultiplyAdd(s2, word, limb[2]), MultiplyAdd(s3, word, limb[3]);
      MultiplyAdd(s4, word, limb[4]), MultiplyAdd(s5, word, limb[5]);
      MultiplyAdd(s6, word, limb[6]), MultiplyAdd(s7, word, limb[7]);
      MultiplyAdd(s8, word, limb[8]);
    }
    StorePoint(node, column, 0, s0, s1, s2);
    StorePoint(node, column, 1, s3, s4, s5);
    StorePoint(node, column, 2, s6, s7, s8);
  }

  // The words that are there, then zeros.
  HILUM_KERNEL void LoadEnd(Lanes& word, const uint32_t* at, int64_t n_words) const {
    uint32_t padded[kWidth];
    for (int c = 0; c < kWidth; ++c) padded[c] = c < n_words ? at[c] : 0;
    LoadWords(word, padded);
  }

  HILUM_KERNEL void StorePoint(uint64_t* node, int column, int m, const Lanes& low,
                               const Lanes& middle, const Lanes& high) const {
    uint64_t limb[kTagLimbs][kWidth];
    StoreLanes(limb[0], low), StoreLanes(limb[1], middle), StoreLanes(limb[2], high);
    for (int c = 0; c < kWidth; ++c) {
      const uint64_t middle_part = TagProduct(TagReduce(limb[1][c]), uint64_t{1} << kTagLimbBits);
      const uint64_t high_part =
          TagProduct(TagReduce(limb[2][c]), uint64_t{1} << (2 * kTagLimbBits));
      const uint64_t value = TagSum(TagSum(TagReduce(limb[0][c]), middle_part), high_part);
      node[m * kColumns + column + c] = TagProduct(value, columns[m * kColumns + column + c]);
    }
  }
};

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_TAG_PROGRAM_H_

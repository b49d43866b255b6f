// What tag_program.h reads beside the words: powers of the points. Private to kernels/.
#ifndef HILUM_KERNELS_TAG_TABLE_H_
#define HILUM_KERNELS_TAG_TABLE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/tag_polynomial.h"

namespace hilum::kernels {

struct TagTable {
  std::vector<uint64_t> rows;     // [n_rows * 9]
  std::vector<uint64_t> columns;  // [3 * n_columns]
  TagValues tile;                 // the weight of n_rows * n_columns words

  // words_per_coord: 1, or 2 for 64-bit sums, whose upper words weigh 2^32 times as much.
  // n_columns is a multiple of it.
  static TagTable For(const TagValues& points, int n_rows, int n_columns, int words_per_coord);
};

// sum over tiles of partial[tile] * table.tile^tile.
TagValues JoinTiles(std::span<const uint64_t> partial, const TagValues& tile_weight);

// base^exponent modulo p.
uint64_t TagPower(uint64_t base, uint64_t exponent);

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_TAG_TABLE_H_

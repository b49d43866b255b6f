#include "kernels/tag_polynomial.h"

#include <algorithm>
#include <bit>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/cuda_entry.h"
#include "kernels/tag_lanes.h"
#include "kernels/tag_program.h"
#include "kernels/tag_table.h"

namespace hilum::kernels {
namespace {

static_assert(std::endian::native == std::endian::little);  // a sum is its low word, then its high

// Tiles that are worth a thread: about 10 microseconds.
constexpr int64_t kMinTilesPerThread = 8;

absl::Status CheckPoints(const TagValues& points) {
  for (const uint64_t point : points) {
    if (point >= kTagPrime) {
      return absl::InvalidArgumentError(
          absl::StrCat("the tag point ", point, " is not below p = ", kTagPrime));
    }
  }
  return absl::OkStatus();
}

template <class Lanes>
using RunProgram = void (*)(const TagProgram<Lanes>&, int64_t, int64_t);

template <class Lanes>
TagValues Evaluate(RunProgram<Lanes> run, std::span<const uint32_t> words, const TagValues& points,
                   int words_per_coord) {
  using Program = TagProgram<Lanes>;
  const TagTable table = TagTable::For(points, Program::kRows, Program::kColumns, words_per_coord);
  const int64_t n = static_cast<int64_t>(words.size());
  const int64_t n_tiles = BlocksFor(n, Program::kTile);
  std::vector<uint64_t> partial(static_cast<size_t>(n_tiles) * kTagPoints);
  const Program program{.words = words.data(),
                        .n = n,
                        .rows = table.rows.data(),
                        .columns = table.columns.data(),
                        .partial = partial.data()};
  ParallelFor(n_tiles, kMinTilesPerThread,
              [&](int64_t first, int64_t last) { run(program, first, last); });
  return JoinTiles(partial, table.tile);
}

TagValues EvaluateOnCpu(std::span<const uint32_t> words, const TagValues& points,
                        int words_per_coord) {
  constexpr Order kOrder = Order::kForward;
#if defined(__x86_64__)
  switch (DefaultIsa()) {
    case Isa::kAvx512:
      return Evaluate<TagLanes16>(&RunAvx512<kOrder, TagProgram<TagLanes16>>, words, points,
                                  words_per_coord);
    case Isa::kAvx2:
      return Evaluate<TagLanes4>(&RunAvx2<kOrder, TagProgram<TagLanes4>>, words, points,
                                 words_per_coord);
    case Isa::kScalar:
      return Evaluate<TagLanes2>(&RunScalar<kOrder, TagProgram<TagLanes2>>, words, points,
                                 words_per_coord);
  }
#endif
  return Evaluate<uint64_t>(&RunScalar<kOrder, TagProgram<uint64_t>>, words, points,
                            words_per_coord);
}

absl::StatusOr<TagValues> EvaluateWords(std::span<const uint32_t> words, const TagValues& points,
                                        int words_per_coord, Device device) {
  HILUM_RETURN_IF_ERROR(CheckPoints(points));
  HILUM_RETURN_IF_ERROR(CheckDevice(device));
  if constexpr (kCudaBuild) {
    if (device.kind == Device::kCuda) {
      return cuda::EvaluateTags(words, points, words_per_coord, device.index);
    }
  }
  return EvaluateOnCpu(words, points, words_per_coord);
}

template <class Word>
TagValues Horner(std::span<const Word> words, const TagValues& points) {
  TagValues values{};
  for (size_t m = 0; m < kTagPoints; ++m) {
    unsigned __int128 value = 0;
    for (size_t j = words.size(); j > 0; --j) {
      value = (value * points[m] + words[j - 1]) % kTagPrime;
    }
    values[m] = static_cast<uint64_t>(value);
  }
  return values;
}

}  // namespace

absl::StatusOr<TagValues> EvaluateTags(std::span<const uint32_t> words, const TagValues& points,
                                       Device device) {
  return EvaluateWords(words, points, 1, device);
}

absl::StatusOr<TagValues> EvaluateTags(std::span<const uint64_t> sums, const TagValues& points,
                                       Device device) {
  return EvaluateWords({reinterpret_cast<const uint32_t*>(sums.data()), 2 * sums.size()}, points, 2,
                       device);
}

TagValues EvaluateTagsReference(std::span<const uint32_t> words, const TagValues& points) {
  return Horner(words, points);
}

TagValues EvaluateTagsReference(std::span<const uint64_t> sums, const TagValues& points) {
  return Horner(sums, points);
}

uint64_t TagAdd(uint64_t a, uint64_t b) { return TagSum(a, b); }
uint64_t TagMultiply(uint64_t a, uint64_t b) { return TagProduct(a, b); }

uint64_t TagPower(uint64_t base, uint64_t exponent) {
  uint64_t power = 1;
  for (; exponent > 0; exponent >>= 1) {
    if ((exponent & 1) != 0) power = TagProduct(power, base);
    base = TagProduct(base, base);
  }
  return power;
}

TagTable TagTable::For(const TagValues& points, int n_rows, int n_columns, int words_per_coord) {
  constexpr uint64_t kLimb = (uint64_t{1} << kTagLimbBits) - 1;
  const auto rows = static_cast<size_t>(n_rows), columns = static_cast<size_t>(n_columns);
  const auto coords = static_cast<uint64_t>(n_columns / words_per_coord);  // of a row
  TagTable table{.rows = std::vector<uint64_t>(rows * kTagSums),
                 .columns = std::vector<uint64_t>(columns * kTagPoints),
                 .tile = {}};
  for (size_t m = 0; m < kTagPoints; ++m) {
    uint64_t* const column = table.columns.data() + m * columns;
    uint64_t weight = 1;
    for (size_t c = 0; c < columns; ++c) {
      const bool is_high = words_per_coord == 2 && c % 2 == 1;
      column[c] = is_high ? TagProduct(column[c - 1], uint64_t{1} << 32) : weight;
      if (is_high || words_per_coord == 1) weight = TagProduct(weight, points[m]);
    }
    const uint64_t step = TagPower(points[m], coords);
    uint64_t power = 1;
    for (size_t r = 0; r < rows; ++r, power = TagProduct(power, step)) {
      uint64_t* const limbs = table.rows.data() + r * kTagSums + m * kTagLimbs;
      limbs[0] = power & kLimb;
      limbs[1] = power >> kTagLimbBits & kLimb;
      limbs[2] = power >> (2 * kTagLimbBits);
    }
    table.tile[m] = power;
  }
  return table;
}

TagValues JoinTiles(std::span<const uint64_t> partial, const TagValues& tile_weight) {
  TagValues values{};
  for (size_t tile = partial.size() / kTagPoints; tile > 0; --tile) {
    for (size_t m = 0; m < kTagPoints; ++m) {
      values[m] =
          TagSum(TagProduct(values[m], tile_weight[m]), partial[(tile - 1) * kTagPoints + m]);
    }
  }
  return values;
}

absl::StatusOr<TagStream> TagStream::Create(const TagValues& points) {
  HILUM_RETURN_IF_ERROR(CheckPoints(points));
  return TagStream(points);
}

absl::Status TagStream::Add(std::span<const uint32_t> words, Device device) {
  HILUM_ASSIGN_OR_RETURN(const TagValues chunk, EvaluateTags(words, points_, device));
  Append(chunk, words.size());
  return absl::OkStatus();
}

absl::Status TagStream::Add(std::span<const uint64_t> sums, Device device) {
  HILUM_ASSIGN_OR_RETURN(const TagValues chunk, EvaluateTags(sums, points_, device));
  Append(chunk, sums.size());
  return absl::OkStatus();
}

void TagStream::Append(const TagValues& chunk, uint64_t n_coords) {
  for (size_t m = 0; m < kTagPoints; ++m) {
    value_[m] = TagSum(value_[m], TagProduct(power_[m], chunk[m]));
    power_[m] = TagProduct(power_[m], TagPower(points_[m], n_coords));
  }
}

}  // namespace hilum::kernels

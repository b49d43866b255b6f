// A vector y_i as it travels and is stored: words of b bits without the bits that are always 0,
// chunk by chunk (docs/secure_aggregation.md, section 6; kernels/pack.h says how). R_i is the tree
// of these bytes. At b = 32 they are the words as they lie.
#ifndef HILUM_PRIVACY_PACKED_VECTOR_H_
#define HILUM_PRIVACY_PACKED_VECTOR_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "privacy/round_config.h"

namespace hilum::privacy {

struct VectorLayout {
  uint64_t n_coords = 0;                 // D
  uint32_t chunk_coords = kChunkCoords;  // above 0
  int ring_bits = 32;                    // b, 16 to 32

  uint32_t n_chunks() const;
  // Words and bytes of a chunk below n_chunks(); the last one is shorter. Each chunk starts on a
  // byte boundary.
  size_t CoordsOf(uint32_t chunk) const;
  size_t BytesOf(uint32_t chunk) const;
  uint64_t size_bytes() const;  // of the whole vector
};
VectorLayout LayoutOf(const RoundConfig& config);

// The words of a chunk, or of a part of it that ends it or has a multiple of 8 words. Bits of a
// word above ring_bits are dropped. 16 <= ring_bits <= 32. Parallel, thread-safe.
Bytes PackWords(std::span<const uint32_t> words, int ring_bits);

// The reverse. DataLoss: another length than words.size() words have, or an unused bit of the last
// byte is set. InvalidArgument: ring_bits.
absl::Status UnpackWords(ByteView packed, int ring_bits, std::span<uint32_t> words);

// Whole vectors, [n_coords]. DataLoss, InvalidArgument: as UnpackWords.
Bytes PackVector(std::span<const uint32_t> words, const VectorLayout& layout);
absl::StatusOr<std::vector<uint32_t>> UnpackVector(ByteView vector, const VectorLayout& layout);

}  // namespace hilum::privacy

#endif  // HILUM_PRIVACY_PACKED_VECTOR_H_

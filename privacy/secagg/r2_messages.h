// Flight R2: the masked vector in chunks, and what closes it (docs/secure_aggregation.md,
// section 5).
#ifndef HILUM_PRIVACY_SECAGG_R2_MESSAGES_H_
#define HILUM_PRIVACY_SECAGG_R2_MESSAGES_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "privacy/secagg/context.h"
#include "privacy/transcript.h"

namespace hilum::privacy::secagg {

// Chunks of a vector, and coordinates of chunk `index` (the last is shorter). index < n_chunks.
uint32_t CountChunks(const RoundConfig& config);
size_t ChunkCoords(const RoundConfig& config, uint32_t index);

// A chunk: index u32, then its words, packed to b bits each (privacy/packed_vector.h).
struct ChunkView {
  uint32_t index = 0;
  ByteView bytes;  // packed; in the message
  std::vector<uint32_t> words;
};
Bytes EncodeChunk(uint32_t index, std::span<const uint32_t> words, const RoundConfig& config);
// InvalidArgument: another length than the chunk of that index has, no such index, or a bit of its
// last byte that is no word's.
absl::StatusOr<ChunkView> DecodeChunk(ByteView body, const RoundConfig& config);

// MaskedInputClose: H(U2), R_i, D u64, signature.
struct MaskedInputClose {
  UpdateFields fields;
  crypto::Signature signature;  // Sign(r2-root, UpdateMessage(fields))
};
Bytes Encode(const MaskedInputClose& close);  // 136 bytes
// InvalidArgument: another length.
absl::StatusOr<MaskedInputClose> DecodeMaskedInputClose(ByteView body);

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_R2_MESSAGES_H_

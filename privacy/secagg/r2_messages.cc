#include "privacy/secagg/r2_messages.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hilum::privacy::secagg {

uint32_t CountChunks(const RoundConfig& config) {
  return static_cast<uint32_t>((config.n_coords() + config.chunk_coords - 1) / config.chunk_coords);
}

size_t ChunkCoords(const RoundConfig& config, uint32_t index) {
  const uint64_t first = uint64_t{index} * config.chunk_coords;
  return static_cast<size_t>(std::min<uint64_t>(config.chunk_coords, config.n_coords() - first));
}

Bytes EncodeChunk(uint32_t index, std::span<const uint32_t> words) {
  Bytes out;
  out.reserve(4 + words.size_bytes());
  AppendU32(out, index);
  AppendBytes(out, ByteView(reinterpret_cast<const uint8_t*>(words.data()), words.size_bytes()));
  return out;
}

absl::StatusOr<ChunkView> DecodeChunk(ByteView body, const RoundConfig& config) {
  Reader in(body);
  ChunkView chunk{.index = in.U32(), .bytes = {}};
  if (in.ended_early() || chunk.index >= CountChunks(config)) {
    return absl::InvalidArgumentError(
        absl::StrCat("chunk ", chunk.index, " was sent, a vector has ", CountChunks(config)));
  }
  chunk.bytes = in.View(in.n_left());
  const size_t want = ChunkCoords(config, chunk.index) * 4;
  if (chunk.bytes.size() != want) {
    return absl::InvalidArgumentError(
        absl::StrCat("chunk ", chunk.index, " has ", chunk.bytes.size(), " bytes, not ", want));
  }
  uint64_t all = 0;
  for (size_t at = 0; at < want; at += 4) {
    uint32_t word = 0;
    std::memcpy(&word, chunk.bytes.data() + at, 4);
    all |= word;
  }
  if (all >> config.ring_bits != 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("chunk ", chunk.index, " has a word that is not below 2^", config.ring_bits));
  }
  return chunk;
}

Bytes Encode(const MaskedInputClose& close) {
  Bytes out = UpdateMessage(close.fields);
  AppendBytes(out, close.signature.bytes);
  return out;
}

absl::StatusOr<MaskedInputClose> DecodeMaskedInputClose(ByteView body) {
  Reader in(body);
  MaskedInputClose close;
  close.fields.u2_hash = in.Array<32>();
  close.fields.root = in.Array<32>();
  close.fields.n_coords = in.U64();
  close.signature.bytes = in.Array<64>();
  HILUM_RETURN_IF_ERROR(in.Finish("the close of a masked input"));
  return close;
}

}  // namespace hilum::privacy::secagg

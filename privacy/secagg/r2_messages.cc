#include "privacy/secagg/r2_messages.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "privacy/packed_vector.h"

namespace hilum::privacy::secagg {

uint32_t CountChunks(const RoundConfig& config) { return LayoutOf(config).n_chunks(); }

size_t ChunkCoords(const RoundConfig& config, uint32_t index) {
  return LayoutOf(config).CoordsOf(index);
}

Bytes EncodeChunk(uint32_t index, std::span<const uint32_t> words, const RoundConfig& config) {
  Bytes out;
  AppendU32(out, index);
  AppendBytes(out, PackWords(words, config.ring_bits));
  return out;
}

absl::StatusOr<ChunkView> DecodeChunk(ByteView body, const RoundConfig& config) {
  Reader in(body);
  ChunkView chunk{.index = in.U32(), .bytes = {}, .words = {}};
  if (in.ended_early() || chunk.index >= CountChunks(config)) {
    return absl::InvalidArgumentError(
        absl::StrCat("chunk ", chunk.index, " was sent, a vector has ", CountChunks(config)));
  }
  chunk.bytes = in.View(in.n_left());
  const size_t want = LayoutOf(config).BytesOf(chunk.index);
  if (chunk.bytes.size() != want) {
    return absl::InvalidArgumentError(
        absl::StrCat("chunk ", chunk.index, " has ", chunk.bytes.size(), " bytes, not ", want));
  }
  chunk.words.resize(ChunkCoords(config, chunk.index));
  const absl::Status unpacked = UnpackWords(chunk.bytes, config.ring_bits, chunk.words);
  if (unpacked.ok()) return chunk;
  return absl::InvalidArgumentError(absl::StrCat("chunk ", chunk.index, ": ", unpacked.message()));
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

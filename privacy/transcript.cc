#include "privacy/transcript.h"

#include <algorithm>
#include <bit>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "crypto/labels.h"
#include "crypto/tree.h"
#include "kernels/cpu.h"
#include "privacy/reader.h"

namespace hilum::privacy {
namespace {

static_assert(std::endian::native == std::endian::little, "words are hashed as they lie");

// Tree(label, v) for a vector of n coordinates; chunk(first, count) returns the bytes of a chunk,
// which stay valid until the same thread's next call.
template <class Chunk>
Digest RootOf(absl::string_view label, size_t n, size_t chunk_coords, Chunk chunk) {
  HILUM_CHECK(chunk_coords > 0);
  const size_t n_chunks = (n + chunk_coords - 1) / chunk_coords;
  std::vector<Digest> leaves(n_chunks);
  kernels::ParallelFor(
      static_cast<int64_t>(n_chunks), 1, [&](int64_t first_chunk, int64_t last_chunk) {
        Bytes scratch;
        for (int64_t c = first_chunk; c < last_chunk; ++c) {
          const size_t first = static_cast<size_t>(c) * chunk_coords;
          const ByteView bytes = chunk(first, std::min(chunk_coords, n - first), scratch);
          leaves[static_cast<size_t>(c)] =
              crypto::ChunkLeafHash(label, static_cast<uint32_t>(c), bytes);
        }
      });
  return crypto::TreeRoot(leaves);
}

Digest WordRoot(absl::string_view label, std::span<const uint32_t> words, uint32_t chunk_coords) {
  return RootOf(label, words.size(), chunk_coords, [words](size_t first, size_t n, Bytes&) {
    return ByteView(reinterpret_cast<const uint8_t*>(words.data() + first), n * 4);
  });
}

absl::Status BadMember(uint16_t index, absl::string_view fault) {
  return absl::DataLossError(absl::StrCat("the transcript's member ", index, " ", fault));
}

}  // namespace

Digest UpdateRoot(std::span<const uint32_t> words, const VectorLayout& layout) {
  if (layout.ring_bits == 32) return WordRoot(crypto::kLabelR2Chunk, words, layout.chunk_coords);
  return RootOf(crypto::kLabelR2Chunk, words.size(), layout.chunk_coords,
                [&](size_t first, size_t n, Bytes& scratch) {
                  scratch = PackWords(words.subspan(first, n), layout.ring_bits);
                  return ByteView(scratch);
                });
}

Digest RingRoot(std::span<const uint32_t> ring, uint32_t chunk_coords) {
  return WordRoot(crypto::kLabelZChunk, ring, chunk_coords);
}

int SumCoordBytes(const RoundConfig& config) {
  const int carry_bits = config.ring_bits - MaxValueBits(config.ring_bits, config.roster.size());
  return (config.ring_bits + carry_bits + 7) / 8;
}

Digest SumRoot(std::span<const uint64_t> sums, const RoundConfig& config) {
  const size_t width = static_cast<size_t>(SumCoordBytes(config));
  return RootOf(crypto::kLabelSumChunk, sums.size(), config.chunk_coords,
                [sums, width](size_t first, size_t n, Bytes& scratch) {
                  scratch.resize(n * width);
                  for (size_t j = 0; j < n; ++j) {
                    const auto* bytes = reinterpret_cast<const uint8_t*>(&sums[first + j]);
                    std::copy_n(bytes, width, scratch.begin() + static_cast<int64_t>(j * width));
                  }
                  return ByteView(scratch);
                });
}

Bytes UpdateMessage(const UpdateFields& fields) {
  Bytes out;
  AppendBytes(out, fields.u2_hash);
  AppendBytes(out, fields.root);
  AppendU64(out, fields.n_coords);
  return out;
}

Bytes EncodeTranscript(const Transcript& transcript) {
  Bytes out;
  AppendBytes(out, transcript.u1_hash);
  AppendBytes(out, transcript.u2_hash);
  AppendBytes(out, transcript.model_hash);
  AppendU32(out, static_cast<uint32_t>(transcript.members.size()));
  for (const TranscriptMember& member : transcript.members) {
    AppendU16(out, member.index);
    AppendBytes(out, member.root);
    AppendBytes(out, member.signature.bytes);
  }
  AppendU64(out, transcript.n_coords);
  AppendBytes(out, transcript.sum_root);
  return out;
}

absl::StatusOr<Transcript> DecodeTranscript(ByteView bytes) {
  Reader in(bytes);
  Transcript transcript;
  transcript.u1_hash = in.Array<32>();
  transcript.u2_hash = in.Array<32>();
  transcript.model_hash = in.Array<32>();
  const uint32_t n_members = in.U32();
  if (n_members > kMaxRoster) {
    return absl::InvalidArgumentError(
        absl::StrCat("the transcript lists ", n_members, " members, the limit is ", kMaxRoster));
  }
  for (uint32_t i = 0; i < n_members && !in.ended_early(); ++i) {
    TranscriptMember member;
    member.index = in.U16();
    member.root = in.Array<32>();
    member.signature.bytes = in.Array<64>();
    if (i > 0 && member.index <= transcript.members.back().index && !in.ended_early()) {
      return absl::InvalidArgumentError(absl::StrCat("the transcript lists member ", member.index,
                                                     " after member ",
                                                     transcript.members.back().index));
    }
    transcript.members.push_back(member);
  }
  transcript.n_coords = in.U64();
  transcript.sum_root = in.Array<32>();
  HILUM_RETURN_IF_ERROR(in.Finish("the transcript"));
  return transcript;
}

Digest HashTranscript(const Transcript& transcript, const crypto::Rid& rid,
                      const Digest& cfg_hash) {
  Bytes message(rid.begin(), rid.end());
  AppendBytes(message, cfg_hash);
  AppendBytes(message, EncodeTranscript(transcript));
  return crypto::LabelledHash(crypto::kLabelTranscript, message);
}

absl::Status VerifyOpenTranscript(const Transcript& transcript, const RoundConfig& config,
                                  uint8_t attempt) {
  if (transcript.u1_hash != Digest{} || transcript.u2_hash != Digest{}) {
    return absl::DataLossError("the transcript of an open round names sets U1 or U2");
  }
  if (transcript.model_hash != config.model_hash) {
    return absl::DataLossError("the transcript is of another model than the configuration");
  }
  if (transcript.n_coords != config.n_coords()) {
    return absl::DataLossError(absl::StrCat("the transcript is of ", transcript.n_coords,
                                            " coordinates, the configuration of ",
                                            config.n_coords()));
  }
  const crypto::Rid rid = RidOf(config, attempt);
  const Digest cfg_hash = HashConfig(config);
  for (const TranscriptMember& member : transcript.members) {
    if (member.index >= config.roster.size())
      return BadMember(member.index, "is not in the roster");
    const Bytes message =
        UpdateMessage({.u2_hash = {}, .root = member.root, .n_coords = transcript.n_coords});
    const crypto::LabelledFields fields{.label = crypto::kLabelR2Root,
                                        .rid = rid,
                                        .sender = member.index,
                                        .cfg_hash = cfg_hash,
                                        .message = message};
    if (!crypto::VerifyLabelled(config.roster[member.index].key, fields, member.signature).ok()) {
      return BadMember(member.index, "did not sign the root that is listed for it");
    }
  }
  return absl::OkStatus();
}

}  // namespace hilum::privacy

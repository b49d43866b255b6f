// Who is in the sum: the transcript T of a round, and what members sign of their vectors
// (secure_aggregation.md, section 5, R2 and R3).
#ifndef HILUM_PRIVACY_TRANSCRIPT_H_
#define HILUM_PRIVACY_TRANSCRIPT_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "crypto/sign.h"
#include "privacy/packed_vector.h"
#include "privacy/round_config.h"

namespace hilum::privacy {

// Roots of a vector's chunks of config.chunk_coords coordinates: Tree(label, v) of section 2.
// A word of y_i is packed to b bits (16 to 32), one of z is 4 bytes little-endian; a sum takes
// SumCoordBytes little-endian. Parallel, thread-safe.
Digest UpdateRoot(std::span<const uint32_t> words, const VectorLayout& layout);  // R_i: r2-chunk
Digest SumRoot(std::span<const uint64_t> sums, const RoundConfig& config);  // root(S): sum-chunk
Digest RingRoot(std::span<const uint32_t> ring, uint32_t chunk_coords);     // root(z): z-chunk

// Bytes of one coordinate of S: ceil((b + ceil(log2 n)) / 8).
int SumCoordBytes(const RoundConfig& config);

// The message of Sign(r2-root, ·): H(U2) || R_i || D. In mode 0 H(U2) is 32 zero bytes.
struct UpdateFields {
  Digest u2_hash{};
  Digest root{};
  uint64_t n_coords = 0;
};
Bytes UpdateMessage(const UpdateFields& fields);

struct TranscriptMember {
  uint16_t index = 0;
  Digest root{};                // R_i
  crypto::Signature signature;  // Sign(r2-root, UpdateMessage)
  friend bool operator==(const TranscriptMember&, const TranscriptMember&) = default;
};

// T. In mode 0 u1_hash and u2_hash are zero.
struct Transcript {
  Digest u1_hash{};
  Digest u2_hash{};
  Digest model_hash{};
  std::vector<TranscriptMember> members;  // U3, ascending index
  uint64_t n_coords = 0;                  // D
  Digest sum_root{};                      // root(S)
  friend bool operator==(const Transcript&, const Transcript&) = default;
};

Bytes EncodeTranscript(const Transcript& transcript);

// InvalidArgument: too short, trailing bytes, more than kMaxRoster members, unsorted or repeated
// indices.
absl::StatusOr<Transcript> DecodeTranscript(ByteView bytes);

// H(T) = Hash(transcript, rid || H(cfg) || fields).
Digest HashTranscript(const Transcript& transcript, const crypto::Rid& rid, const Digest& cfg_hash);

// What a site and an auditor check of a transcript of mode 0: the digests are the configuration's,
// members are of the roster, and each member's signature is its key's over its own root.
// DataLoss: the first fault, with the member's index.
absl::Status VerifyOpenTranscript(const Transcript& transcript, const RoundConfig& config,
                                  uint8_t attempt);

}  // namespace hilum::privacy

#endif  // HILUM_PRIVACY_TRANSCRIPT_H_

// The masks of secure aggregation: keystreams added to a vector, or taken out of it
// (secure_aggregation.md, section 7).
//
// Coordinate j of a key's mask is bytes 4j..4j+3 of its keystream, little-endian, modulo 2^b:
//   suite 1  AES-256-CTR (NIST SP 800-38A), counter block j / 4, from 0, big-endian in 16 bytes
//   suite 2  ChaCha20 (RFC 8439), nonce zero, block counter j / 16, from 0
// Any coordinate can be the first, so chunks are masked in any order and in parallel.
//
// Constant time: neither addresses nor branches depend on keys or keystreams (tests/kernels,
// keystream_taint). Signs, lengths, positions and the suite are public.
#ifndef HILUM_KERNELS_KEYSTREAM_H_
#define HILUM_KERNELS_KEYSTREAM_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "kernels/secret.h"

namespace hilum::kernels {

// The byte `suite` of a round's configuration.
enum class MaskSuite : uint8_t { kAes256Ctr = 1, kChaCha20 = 2 };

// Coordinates 0..MaxCoords - 1 can be masked: 2^32 blocks, 64 GiB (suite 1) or 256 GiB (suite 2).
constexpr uint64_t MaxCoords(MaskSuite suite) {
  return suite == MaskSuite::kAes256Ctr ? uint64_t{1} << 34 : uint64_t{1} << 36;
}

inline constexpr size_t kMaskKeyBytes = 32;

struct MaskKey {
  std::span<const uint8_t, kMaskKeyBytes> bytes;  // secret; copied by MaskKeys::Create only
  int sign = 1;                                   // 1: the mask is added, -1: subtracted
};

struct MaskOptions {
  MaskSuite suite = MaskSuite::kAes256Ctr;
  int ring_bits = 32;  // b, 1..32
};

// The keys that mask one vector, with their round-key schedules: made once, used for every chunk.
// The secret memory is wiped at the end. Movable only; const use is thread-safe.
class MaskKeys {
 public:
  // `keys` may be empty. InvalidArgument: a sign is not 1 or -1, the suite is not 1 or 2, or
  // ring_bits is out of range. FailedPrecondition: suite 1 on a processor without AES instructions:
  // tables in memory would show the key through the cache, so there are none.
  static absl::StatusOr<MaskKeys> Create(std::span<const MaskKey> keys, const MaskOptions& options);

  MaskSuite suite() const { return options_.suite; }
  int ring_bits() const { return options_.ring_bits; }
  size_t size() const { return signs_.size(); }
  // For key i: suite 1: 15 round keys of 16 bytes; suite 2: the key.
  static constexpr size_t ScheduleBytes(MaskSuite suite) {
    return suite == MaskSuite::kAes256Ctr ? 240 : kMaskKeyBytes;
  }
  const SecretBytes& schedules() const { return schedules_; }  // secret, one after the other
  std::span<const int8_t> signs() const { return signs_; }

 private:
  MaskKeys() = default;
  MaskOptions options_;
  SecretBytes schedules_;
  std::vector<int8_t> signs_;
};

// tile[i] = (tile[i] + sum over keys of sign * mask[first_coord + i]) mod 2^ring_bits, in place.
//   tile         [n] coordinates first_coord..first_coord + n - 1 of a vector; any n and alignment
//   first_coord  first_coord + n <= MaxCoords(suite)
// All keys run over one part of the tile after the other, so the part stays in the cache and the
// traffic does not grow with the number of keys. A keystream is added from registers; only where a
// tile does not begin or end with a block does it pass through 64 bytes (AES), or one group of
// blocks (ChaCha20), of memory that is wiped.
// Without keys the tile is only reduced. Same bits on every device and for any cut into tiles.
// InvalidArgument: the tile goes beyond MaxCoords. FailedPrecondition: no such device, or suite 1
// on a GPU (it has no AES unit). Thread-safe on disjoint tiles.
absl::Status KeystreamAdd(std::span<uint32_t> tile, const MaskKeys& keys, uint64_t first_coord,
                          Device device);

// The specification: FIPS 197, SP 800-38A and RFC 8439 as they are written, word by word, in
// constant time. Same preconditions, not checked.
void KeystreamAddReference(std::span<uint32_t> tile, std::span<const MaskKey> keys,
                           const MaskOptions& options, uint64_t first_coord);

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_KEYSTREAM_H_

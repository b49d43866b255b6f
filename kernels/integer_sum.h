// The running sum of a round: 32-bit words added into 64-bit totals, and taken out again.
//
// Integers, so the total has the same bits whatever the order of arrival, the device or the number
// of threads, and a site that drops in mid-upload is subtracted exactly. A total of fewer than 2^32
// vectors cannot wrap (64 - 32 bits). All functions are thread-safe on disjoint totals.
#ifndef HILUM_KERNELS_INTEGER_SUM_H_
#define HILUM_KERNELS_INTEGER_SUM_H_

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "kernels/device.h"

namespace hilum::kernels {

// total[j] += words[j] (AddWords) or total[j] -= words[j] (SubtractWords), in place.
//   words  [n] a chunk of one vector; total  [n] the same coordinates of the running sum
//   n      >= 0, any; 20 bytes of traffic and 1 operation a coordinate
// InvalidArgument: the spans differ in length. FailedPrecondition: no such device.
absl::Status AddWords(std::span<const uint32_t> words, std::span<uint64_t> total, Device device);
absl::Status SubtractWords(std::span<const uint32_t> words, std::span<uint64_t> total,
                           Device device);

// ring[j] = total[j] mod 2^ring_bits (secure_aggregation.md, flight R5 without masks).
//   ring_bits  1..32; 12 bytes of traffic a coordinate
// InvalidArgument: the spans differ in length, or ring_bits is out of range.
// FailedPrecondition: no such device.
absl::Status ReduceToRing(std::span<const uint64_t> total, int ring_bits, std::span<uint32_t> ring,
                          Device device);

// The specifications: the obvious loops, never optimised. Same preconditions, not checked.
void AddWordsReference(std::span<const uint32_t> words, std::span<uint64_t> total);
void SubtractWordsReference(std::span<const uint32_t> words, std::span<uint64_t> total);
void ReduceToRingReference(std::span<const uint64_t> total, int ring_bits,
                           std::span<uint32_t> ring);

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_INTEGER_SUM_H_

// The exact sum of many vectors of ring words, all of them read in one pass.
#ifndef HILUM_KERNELS_VECTOR_SUM_H_
#define HILUM_KERNELS_VECTOR_SUM_H_

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "kernels/device.h"

namespace hilum::kernels {

// total[j] += vectors[0][j] + vectors[1][j] + ..., in place. AddWords moves 20 bytes a word because
// it goes through the total for each vector; here the total is read and written once. For vectors
// that are all there: a sum that is made again from the store, an audit. ReduceToRing follows.
//   vectors  [n_vectors][n] at most kMaxSites (updates.h) vectors, each its own allocation
//   total    [n]; 4 * n_vectors + 16 bytes of traffic and n_vectors operations a coordinate
// Integers: same bits whatever the order, the device or the number of threads.
// InvalidArgument: no vector or too many, or one of another length than the total (the sentence
// names it). FailedPrecondition: no such device. Thread-safe on disjoint totals.
absl::Status AddVectors(std::span<const std::span<const uint32_t>> vectors,
                        std::span<uint64_t> total, Device device);

// The specification. Preconditions not checked.
void AddVectorsReference(std::span<const std::span<const uint32_t>> vectors,
                         std::span<uint64_t> total);

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_VECTOR_SUM_H_

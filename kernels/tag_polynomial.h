// The public-sum tags: a vector's polynomial at three points modulo p = 2^61 - 1
// (secure_aggregation.md, section 8). Its security argument is this project's own and not reviewed
// (section 15).
#ifndef HILUM_KERNELS_TAG_POLYNOMIAL_H_
#define HILUM_KERNELS_TAG_POLYNOMIAL_H_

#include <array>
#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/device.h"

namespace hilum::kernels {

inline constexpr uint64_t kTagPrime = (uint64_t{1} << 61) - 1;
inline constexpr size_t kTagPoints = 3;

// Residues 0..kTagPrime - 1: rho_1..rho_3, or t_1..t_3.
using TagValues = std::array<uint64_t, kTagPoints>;

// sum over j of words[j] * points[m]^j mod p, for each point m. Exact: same bits everywhere.
//   words  [n] coordinates lifted to 0..2^32 - 1; or [n] sums, any 64-bit value
//   4 or 8 bytes of traffic, 9 or 18 products of 32 bits a coordinate
// InvalidArgument: a point is not below p. FailedPrecondition: no such device. Thread-safe.
absl::StatusOr<TagValues> EvaluateTags(std::span<const uint32_t> words, const TagValues& points,
                                       Device device);
absl::StatusOr<TagValues> EvaluateTags(std::span<const uint64_t> sums, const TagValues& points,
                                       Device device);

// The specification: Horner's rule with __int128. Same preconditions, not checked.
TagValues EvaluateTagsReference(std::span<const uint32_t> words, const TagValues& points);
TagValues EvaluateTagsReference(std::span<const uint64_t> sums, const TagValues& points);

// a + b and a * b modulo p, for residues.
uint64_t TagAdd(uint64_t a, uint64_t b);
uint64_t TagMultiply(uint64_t a, uint64_t b);

// The tags of a vector whose chunks come one after the other, of any lengths. Not thread-safe.
class TagStream {
 public:
  // InvalidArgument: a point is not below p.
  static absl::StatusOr<TagStream> Create(const TagValues& points);

  // The next chunk. FailedPrecondition: no such device; nothing was taken.
  absl::Status Add(std::span<const uint32_t> words, Device device);
  absl::Status Add(std::span<const uint64_t> sums, Device device);
  // The tags of all chunks so far.
  const TagValues& value() const { return value_; }

 private:
  explicit TagStream(const TagValues& points) : points_(points) {}
  void Append(const TagValues& chunk, uint64_t n_coords);

  TagValues points_;
  TagValues power_{1, 1, 1};  // points^(coordinates so far)
  TagValues value_{};
};

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_TAG_POLYNOMIAL_H_

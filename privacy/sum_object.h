// S of a masked round as an object of the store: what root(S) is the tree of, so that a site or an
// auditor reads it back and checks it (docs/secure_aggregation.md, section 8).
#ifndef HILUM_PRIVACY_SUM_OBJECT_H_
#define HILUM_PRIVACY_SUM_OBJECT_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "privacy/round_config.h"

namespace hilum::privacy {

// SumCoordBytes(config) bytes a coordinate, little-endian.
uint64_t SumObjectBytes(const RoundConfig& config);
Bytes PackSum(std::span<const uint64_t> sums, const RoundConfig& config);
// DataLoss: another length.
absl::StatusOr<std::vector<uint64_t>> UnpackSum(ByteView object, const RoundConfig& config);

}  // namespace hilum::privacy

#endif  // HILUM_PRIVACY_SUM_OBJECT_H_

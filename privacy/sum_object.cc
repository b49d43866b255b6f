#include "privacy/sum_object.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "privacy/transcript.h"

namespace hilum::privacy {

uint64_t SumObjectBytes(const RoundConfig& config) {
  return config.n_coords() * static_cast<uint64_t>(SumCoordBytes(config));
}

Bytes PackSum(std::span<const uint64_t> sums, const RoundConfig& config) {
  const auto width = static_cast<size_t>(SumCoordBytes(config));
  Bytes object(sums.size() * width);
  for (size_t j = 0; j < sums.size(); ++j) {
    std::memcpy(object.data() + j * width, &sums[j], width);  // words lie little-endian
  }
  return object;
}

absl::StatusOr<std::vector<uint64_t>> UnpackSum(ByteView object, const RoundConfig& config) {
  if (object.size() != SumObjectBytes(config)) {
    return absl::DataLossError(absl::StrCat("a stored sum has ", object.size(),
                                            " bytes, the round's has ", SumObjectBytes(config)));
  }
  const auto width = static_cast<size_t>(SumCoordBytes(config));
  std::vector<uint64_t> sums(static_cast<size_t>(config.n_coords()));
  for (size_t j = 0; j < sums.size(); ++j) {
    std::memcpy(&sums[j], object.data() + j * width, width);
  }
  return sums;
}

}  // namespace hilum::privacy

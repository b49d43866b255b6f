#include "kernels/vector_sum.h"

#include <cstddef>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/cuda_entry.h"
#include "kernels/updates.h"
#include "kernels/vector_sum_program.h"

namespace hilum::kernels {

absl::Status AddVectors(std::span<const std::span<const uint32_t>> vectors,
                        std::span<uint64_t> total, Device device) {
  const int64_t n_vectors = std::ssize(vectors);
  if (n_vectors < 1 || n_vectors > kMaxSites) {
    return absl::InvalidArgumentError(absl::StrCat(n_vectors,
                                                   " vectors were given to add; needed "
                                                   "is 1 <= n_vectors <= ",
                                                   kMaxSites));
  }
  std::vector<const uint32_t*> addresses;
  for (size_t i = 0; i < vectors.size(); ++i) {
    if (vectors[i].size() != total.size()) {
      return absl::InvalidArgumentError(absl::StrCat("vector ", i, " has ", vectors[i].size(),
                                                     " words, the running sum ", total.size()));
    }
    addresses.push_back(vectors[i].data());
  }
  HILUM_RETURN_IF_ERROR(CheckDevice(device));
  if constexpr (kCudaBuild) {
    if (device.kind == Device::kCuda) return cuda::AddVectors(vectors, total, device.index);
  }
  const int64_t n = static_cast<int64_t>(total.size());
  Launch(
      VectorSumProgram{
          .vectors = addresses.data(), .total = total.data(), .n_vectors = n_vectors, .n = n},
      BlocksFor(n, VectorSumProgram::kTile));
  return absl::OkStatus();
}

void AddVectorsReference(std::span<const std::span<const uint32_t>> vectors,
                         std::span<uint64_t> total) {
  for (const std::span<const uint32_t> vector : vectors) {
    for (size_t j = 0; j < total.size(); ++j) total[j] += vector[j];
  }
}

}  // namespace hilum::kernels

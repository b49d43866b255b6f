#include "kernels/integer_sum.h"

#include <cstddef>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/cuda_entry.h"
#include "kernels/integer_sum_program.h"

namespace hilum::kernels {
namespace {

template <int kSign>
absl::Status IntegerSum(std::span<const uint32_t> words, std::span<uint64_t> total, Device device) {
  if (words.size() != total.size()) {
    return absl::InvalidArgumentError(absl::StrCat("a chunk of ", words.size(),
                                                   " words does not fit the ", total.size(),
                                                   " coordinates of the running sum"));
  }
  HILUM_RETURN_IF_ERROR(CheckDevice(device));
  if constexpr (kCudaBuild) {
    if (device.kind == Device::kCuda) return cuda::IntegerSum(words, total, kSign, device.index);
  }
  using Program = IntegerSumProgram<kSign>;
  const int64_t n = static_cast<int64_t>(words.size());
  Launch(Program{.words = words.data(), .total = total.data(), .n = n},
         BlocksFor(n, Program::kTile));
  return absl::OkStatus();
}

}  // namespace

absl::Status AddWords(std::span<const uint32_t> words, std::span<uint64_t> total, Device device) {
  return IntegerSum<1>(words, total, device);
}

absl::Status SubtractWords(std::span<const uint32_t> words, std::span<uint64_t> total,
                           Device device) {
  return IntegerSum<-1>(words, total, device);
}

absl::Status ReduceToRing(std::span<const uint64_t> total, int ring_bits, std::span<uint32_t> ring,
                          Device device) {
  if (total.size() != ring.size()) {
    return absl::InvalidArgumentError(absl::StrCat(ring.size(), " ring words were given for ",
                                                   total.size(), " coordinates of the sum"));
  }
  if (ring_bits < 1 || ring_bits > 32) {
    return absl::InvalidArgumentError(
        absl::StrCat("a ring of ", ring_bits, " bits was asked for; it has 1 to 32"));
  }
  HILUM_RETURN_IF_ERROR(CheckDevice(device));
  const uint32_t mask = 0xffffffffu >> (32 - ring_bits);
  if constexpr (kCudaBuild) {
    if (device.kind == Device::kCuda) return cuda::ReduceToRing(total, mask, ring, device.index);
  }
  const int64_t n = static_cast<int64_t>(total.size());
  Launch(ReduceToRingProgram{.total = total.data(), .ring = ring.data(), .n = n, .mask = mask},
         BlocksFor(n, ReduceToRingProgram::kTile));
  return absl::OkStatus();
}

void AddWordsReference(std::span<const uint32_t> words, std::span<uint64_t> total) {
  for (size_t j = 0; j < words.size(); ++j) total[j] += words[j];
}

void SubtractWordsReference(std::span<const uint32_t> words, std::span<uint64_t> total) {
  for (size_t j = 0; j < words.size(); ++j) total[j] -= words[j];
}

void ReduceToRingReference(std::span<const uint64_t> total, int ring_bits,
                           std::span<uint32_t> ring) {
  const uint64_t modulus = uint64_t{1} << ring_bits;
  for (size_t j = 0; j < total.size(); ++j) ring[j] = static_cast<uint32_t>(total[j] % modulus);
}

}  // namespace hilum::kernels

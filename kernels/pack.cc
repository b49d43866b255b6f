#include "kernels/pack.h"

#include <algorithm>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/cuda_entry.h"
#include "kernels/pack_program.h"

namespace hilum::kernels {
namespace {

absl::Status CheckBits(int ring_bits) {
  if (ring_bits >= kMinPackedBits && ring_bits <= kMaxPackedBits) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("packed words of ", ring_bits,
                                                 " bits were asked for; they have ", kMinPackedBits,
                                                 " to ", kMaxPackedBits));
}

uint32_t MaskOf(int ring_bits) { return 0xffffffffu >> (32 - ring_bits); }

}  // namespace

absl::Status PackWords(std::span<const uint32_t> ring, int ring_bits, std::span<uint8_t> packed,
                       Device device) {
  HILUM_RETURN_IF_ERROR(CheckBits(ring_bits));
  const int64_t n = static_cast<int64_t>(ring.size());
  if (std::ssize(packed) != PackedSizeBytes(n, ring_bits)) {
    return absl::InvalidArgumentError(absl::StrCat(packed.size(), " bytes were given for ", n,
                                                   " words of ", ring_bits, " bits, which take ",
                                                   PackedSizeBytes(n, ring_bits)));
  }
  HILUM_RETURN_IF_ERROR(CheckDevice(device));
  if constexpr (kCudaBuild) {
    if (device.kind == Device::kCuda) return cuda::PackWords(ring, ring_bits, packed, device.index);
  }
  Launch(PackProgram{.ring = ring.data(),
                     .packed = packed.data(),
                     .n = n,
                     .ring_bits = ring_bits,
                     .mask = MaskOf(ring_bits)},
         BlocksFor(n, PackProgram::kTile));
  return absl::OkStatus();
}

absl::Status UnpackWords(std::span<const uint8_t> packed, int ring_bits, std::span<uint32_t> ring,
                         Device device) {
  HILUM_RETURN_IF_ERROR(CheckBits(ring_bits));
  const int64_t n = static_cast<int64_t>(ring.size());
  if (std::ssize(packed) != PackedSizeBytes(n, ring_bits)) {
    return absl::DataLossError(absl::StrCat(n, " words of ", ring_bits, " bits take ",
                                            PackedSizeBytes(n, ring_bits), " bytes, but ",
                                            packed.size(), " came"));
  }
  const int64_t n_unused = std::ssize(packed) * 8 - n * ring_bits;
  if (n_unused > 0 && packed.back() >> (8 - n_unused) != 0) {
    return absl::DataLossError(absl::StrCat("the last ", n_unused, " bits of ", packed.size(),
                                            " packed bytes belong to no word, but one is set"));
  }
  HILUM_RETURN_IF_ERROR(CheckDevice(device));
  if constexpr (kCudaBuild) {
    if (device.kind == Device::kCuda) {
      return cuda::UnpackWords(packed, ring_bits, ring, device.index);
    }
  }
  Launch(UnpackProgram{.packed = packed.data(),
                       .ring = ring.data(),
                       .n_bytes = std::ssize(packed),
                       .n = n,
                       .ring_bits = ring_bits,
                       .mask = MaskOf(ring_bits)},
         BlocksFor(n, UnpackProgram::kTile));
  return absl::OkStatus();
}

void PackWordsReference(std::span<const uint32_t> ring, int ring_bits, std::span<uint8_t> packed) {
  std::fill(packed.begin(), packed.end(), 0);
  for (size_t bit = 0; bit < ring.size() * static_cast<size_t>(ring_bits); ++bit) {
    const size_t word = bit / static_cast<size_t>(ring_bits);
    const uint32_t value = ring[word] >> (bit % static_cast<size_t>(ring_bits)) & 1;
    packed[bit / 8] = static_cast<uint8_t>(packed[bit / 8] | value << bit % 8);
  }
}

void UnpackWordsReference(std::span<const uint8_t> packed, int ring_bits,
                          std::span<uint32_t> ring) {
  std::fill(ring.begin(), ring.end(), 0);
  for (size_t bit = 0; bit < ring.size() * static_cast<size_t>(ring_bits); ++bit) {
    const uint32_t value = packed[bit / 8] >> bit % 8 & 1;
    ring[bit / static_cast<size_t>(ring_bits)] |= value << bit % static_cast<size_t>(ring_bits);
  }
}

}  // namespace hilum::kernels

#include "privacy/packed_vector.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "kernels/pack.h"

namespace hilum::privacy {
namespace {

static_assert(std::endian::native == std::endian::little, "words travel as they lie");

constexpr int kWholeWord = 32;  // nothing to pack

size_t SizeOf(size_t n_words, int ring_bits) {
  return static_cast<size_t>(kernels::PackedSizeBytes(static_cast<int64_t>(n_words), ring_bits));
}

}  // namespace

uint32_t VectorLayout::n_chunks() const {
  return static_cast<uint32_t>((n_coords + chunk_coords - 1) / chunk_coords);
}

size_t VectorLayout::CoordsOf(uint32_t chunk) const {
  const uint64_t first = uint64_t{chunk} * chunk_coords;
  return static_cast<size_t>(std::min<uint64_t>(chunk_coords, n_coords - first));
}

size_t VectorLayout::BytesOf(uint32_t chunk) const { return SizeOf(CoordsOf(chunk), ring_bits); }

uint64_t VectorLayout::size_bytes() const {
  if (n_coords == 0) return 0;
  return uint64_t{n_chunks() - 1} * BytesOf(0) + BytesOf(n_chunks() - 1);
}

VectorLayout LayoutOf(const RoundConfig& config) {
  return {.n_coords = config.n_coords(),
          .chunk_coords = config.chunk_coords,
          .ring_bits = config.ring_bits};
}

Bytes PackWords(std::span<const uint32_t> words, int ring_bits) {
  Bytes packed(SizeOf(words.size(), ring_bits));
  if (ring_bits == kWholeWord) {
    std::copy_n(reinterpret_cast<const uint8_t*>(words.data()), packed.size(), packed.begin());
  } else {
    HILUM_CHECK(kernels::PackWords(words, ring_bits, packed, kernels::Device::kCpu).ok());
  }
  return packed;
}

absl::Status UnpackWords(ByteView packed, int ring_bits, std::span<uint32_t> words) {
  if (ring_bits != kWholeWord) {
    return kernels::UnpackWords(packed, ring_bits, words, kernels::Device::kCpu);
  }
  if (packed.size() != words.size_bytes()) {
    return absl::DataLossError(absl::StrCat(words.size(), " words of 32 bits take ",
                                            words.size_bytes(), " bytes, but ", packed.size(),
                                            " came"));
  }
  if (!packed.empty()) std::memcpy(words.data(), packed.data(), packed.size());
  return absl::OkStatus();
}

Bytes PackVector(std::span<const uint32_t> words, const VectorLayout& layout) {
  HILUM_CHECK(words.size() == layout.n_coords);
  Bytes packed;
  packed.reserve(static_cast<size_t>(layout.size_bytes()));
  for (uint32_t chunk = 0; chunk < layout.n_chunks(); ++chunk) {
    const size_t first = size_t{chunk} * layout.chunk_coords;
    AppendBytes(packed, PackWords(words.subspan(first, layout.CoordsOf(chunk)), layout.ring_bits));
  }
  return packed;
}

absl::StatusOr<std::vector<uint32_t>> UnpackVector(ByteView vector, const VectorLayout& layout) {
  if (vector.size() != layout.size_bytes()) {
    return absl::DataLossError(absl::StrCat("a vector has ", vector.size(),
                                            " bytes, the round's have ", layout.size_bytes()));
  }
  std::vector<uint32_t> words(static_cast<size_t>(layout.n_coords));
  for (uint32_t chunk = 0; chunk < layout.n_chunks(); ++chunk) {
    const size_t first = size_t{chunk} * layout.chunk_coords, n_bytes = layout.BytesOf(chunk);
    HILUM_RETURN_IF_ERROR(UnpackWords(vector.first(n_bytes), layout.ring_bits,
                                      std::span(words).subspan(first, layout.CoordsOf(chunk))));
    vector = vector.subspan(n_bytes);
  }
  return words;
}

}  // namespace hilum::privacy

// The decoder of packed words against its reference: one vector has one packed form.
#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "base/check.h"
#include "kernels/pack.h"

// data: bits of a word, then the low byte of the number of words, then packed bytes.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hilum::kernels;
  if (size < 2) return 0;
  const int bits = data[0] % 40;
  const std::span<const uint8_t> packed(data + 2, size - 2);
  // As many words as the bytes hold, give or take a few.
  const int64_t fit = bits > 0 ? static_cast<int64_t>(packed.size()) * 8 / bits : 0;
  const int64_t n_words = std::max<int64_t>(0, fit - data[1] % 3 + 1);
  std::vector<uint32_t> ring(static_cast<size_t>(n_words));
  if (!UnpackWords(packed, bits, ring, Device::kCpu).ok()) return 0;
  std::vector<uint32_t> want(ring.size());
  UnpackWordsReference(packed, bits, want);
  HILUM_CHECK(ring == want);
  std::vector<uint8_t> again(packed.size());
  HILUM_CHECK(PackWords(ring, bits, again, Device::kCpu).ok());
  HILUM_CHECK(std::equal(again.begin(), again.end(), packed.begin()));
  return 0;
}

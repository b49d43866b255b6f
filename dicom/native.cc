#include "dicom/native.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace hilum::dicom {
namespace {

// The byte that little endian would have at `at`: within big-endian OW the bytes of each 16-bit
// word are swapped.
uint64_t WordSwapped(uint64_t at) { return at ^ 1; }

// 1-bit pixels, least significant bit first; frames follow each other without a gap.
Bytes Unpack(ByteView native, const PixelHeader& pixels, bool swapped, int64_t index) {
  const uint64_t n = static_cast<uint64_t>(pixels.frame_values());
  const uint64_t first = n * static_cast<uint64_t>(index);
  Bytes out(n);
  for (uint64_t i = 0; i < n; ++i) {
    const uint64_t bit = first + i;
    uint64_t at = bit / 8;
    // A last odd byte stays where it is in a file that leaves out the padding.
    if (swapped && WordSwapped(at) < native.size()) at = WordSwapped(at);
    out[i] = (native[at] >> (bit % 8)) & 1;
  }
  return out;
}

void SwapValues(Bytes& bytes, size_t width) {
  for (size_t at = 0; at + width <= bytes.size(); at += width) {
    std::reverse(bytes.begin() + static_cast<ptrdiff_t>(at),
                 bytes.begin() + static_cast<ptrdiff_t>(at + width));
  }
}

// Y0 Y1 Cb Cr -> Y0 Cb Cr, Y1 Cb Cr (PS3.3 section C.7.6.3.1.2).
Bytes DoubleChroma(ByteView half) {
  Bytes out;
  out.reserve(half.size() / 2 * 3);
  for (size_t at = 0; at + 4 <= half.size(); at += 4) {
    const uint8_t pair[] = {half[at],     half[at + 2], half[at + 3],
                            half[at + 1], half[at + 2], half[at + 3]};
    out.insert(out.end(), std::begin(pair), std::end(pair));
  }
  return out;
}

}  // namespace

Bytes Interleave(ByteView planes, const PixelHeader& pixels) {
  const size_t width = static_cast<size_t>(pixels.value_bytes());
  const size_t n_samples = static_cast<size_t>(pixels.samples);
  const size_t plane = planes.size() / n_samples / width;
  Bytes out(planes.size());
  for (size_t sample = 0; sample < n_samples; ++sample) {
    for (size_t i = 0; i < plane; ++i) {
      const uint8_t* const from = planes.data() + (sample * plane + i) * width;
      std::copy_n(from, width, out.data() + (i * n_samples + sample) * width);
    }
  }
  return out;
}

Bytes ReadNativeFrame(ByteView native, const PixelHeader& pixels, bool big_endian, int64_t index) {
  const bool swapped_words = big_endian && pixels.words && pixels.bits_allocated <= 8;
  if (pixels.bits_allocated == 1) return Unpack(native, pixels, swapped_words, index);
  const uint64_t full = static_cast<uint64_t>(pixels.frame_bytes());
  const uint64_t size = pixels.half_chroma ? full / 3 * 2 : full;
  const uint64_t first = size * static_cast<uint64_t>(index);
  HILUM_CHECK(first + size <= native.size());
  Bytes frame(size);
  if (swapped_words) {
    for (uint64_t i = 0; i < size; ++i) {
      const uint64_t at = WordSwapped(first + i);
      frame[i] = native[at < native.size() ? at : first + i];
    }
  } else {
    std::copy_n(native.data() + first, size, frame.data());
  }
  if (big_endian && pixels.bits_allocated > 8) {
    SwapValues(frame, static_cast<size_t>(pixels.value_bytes()));
  }
  if (pixels.half_chroma) return DoubleChroma(frame);
  return pixels.planar ? Interleave(frame, pixels) : frame;
}

}  // namespace hilum::dicom

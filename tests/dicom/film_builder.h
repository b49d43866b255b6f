// Makes DICOM files byte by byte, right and wrong ones.
#ifndef HILUM_TESTS_DICOM_FILM_BUILDER_H_
#define HILUM_TESTS_DICOM_FILM_BUILDER_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace hilum::dicom {

inline constexpr const char* kImplicit = "1.2.840.10008.1.2";
inline constexpr const char* kExplicit = "1.2.840.10008.1.2.1";
inline constexpr const char* kBigEndian = "1.2.840.10008.1.2.2";
inline constexpr const char* kDeflated = "1.2.840.10008.1.2.1.99";
inline constexpr const char* kRle = "1.2.840.10008.1.2.5";
inline constexpr const char* kJpegLs = "1.2.840.10008.1.2.4.80";

// One element of an explicit VR little endian data set.
struct Element {
  uint32_t tag;
  std::string vr;
  Bytes value;
};

Bytes TextBytes(const std::string& text);        // padded to even
Bytes ShortBytes(std::vector<uint16_t> values);  // US or SS, little endian
// Explicit VR little endian. `length` replaces the real one when not 0.
Bytes Encode(const Element& element, uint32_t length = 0);
// A sequence of defined length with one item that holds `elements`.
Element Sequence(uint32_t tag, const std::vector<Element>& elements);
// 128 zeros, DICM, file meta with this transfer syntax.
Bytes Preamble(const std::string& syntax);
Bytes Deflate(ByteView bytes);                                  // raw RFC 1951
Bytes EncapsulatedPixels(const std::vector<Bytes>& fragments);  // with element head and delimiter

// A frontal chest film of the profile's liking; tests change what they are about.
class Film {
 public:
  // `words` are the stored words, row by row; 8 or 16 bits.
  Film(int rows, int columns, int bits_allocated, std::vector<uint16_t> words);

  Film& Text(uint32_t tag, const std::string& vr, const std::string& text);
  Film& Short(uint32_t tag, std::vector<uint16_t> values, const std::string& vr = "US");
  Film& Put(Element element);
  Film& Drop(uint32_t tag);

  // The header's elements, ascending by tag, without pixel data.
  Bytes Header() const;
  Bytes PixelBytes() const;
  // The whole file, explicit VR little endian, native.
  Bytes Build() const;
  // The whole file with compressed pixel data.
  Bytes BuildCompressed(const std::string& syntax, const std::vector<Bytes>& fragments) const;

 private:
  std::map<uint32_t, Element> elements_;
  int bits_allocated_;
  std::vector<uint16_t> words_;
};

// 0, 1, … rows * columns - 1.
std::vector<uint16_t> Ramp(int n);

}  // namespace hilum::dicom

#endif  // HILUM_TESTS_DICOM_FILM_BUILDER_H_

#include "tests/dicom/film_builder.h"

#include <zlib.h>

#include <numeric>
#include <utility>

#include "base/check.h"

namespace hilum::dicom {
namespace {

void Append16(Bytes& out, uint16_t value) {
  out.push_back(static_cast<uint8_t>(value));
  out.push_back(static_cast<uint8_t>(value >> 8));
}

void Append32(Bytes& out, uint32_t value) {
  Append16(out, static_cast<uint16_t>(value));
  Append16(out, static_cast<uint16_t>(value >> 16));
}

bool HasLongLength(const std::string& vr) {
  return vr == "OB" || vr == "OW" || vr == "SQ" || vr == "UN" || vr == "UT" || vr == "OF";
}

}  // namespace

Bytes TextBytes(const std::string& text) {
  Bytes bytes(text.begin(), text.end());
  if (bytes.size() % 2 == 1) bytes.push_back(' ');
  return bytes;
}

Bytes ShortBytes(std::vector<uint16_t> values) {
  Bytes bytes;
  for (const uint16_t value : values) Append16(bytes, value);
  return bytes;
}

Bytes Encode(const Element& element, uint32_t length) {
  Bytes out;
  Append16(out, static_cast<uint16_t>(element.tag >> 16));
  Append16(out, static_cast<uint16_t>(element.tag));
  const uint32_t n = length != 0 ? length : static_cast<uint32_t>(element.value.size());
  AppendText(out, element.vr);
  if (element.vr.empty()) {
    Append32(out, n);  // implicit VR, items
  } else if (HasLongLength(element.vr)) {
    Append16(out, 0);
    Append32(out, n);
  } else {
    Append16(out, static_cast<uint16_t>(n));
  }
  AppendBytes(out, element.value);
  return out;
}

Element Sequence(uint32_t tag, const std::vector<Element>& elements) {
  Bytes content;
  for (const Element& element : elements) AppendBytes(content, Encode(element));
  return {tag, "SQ", Encode({0xFFFEE000, "", content})};
}

Bytes Preamble(const std::string& syntax) {
  Bytes out(128, 0);
  AppendText(out, "DICM");
  Bytes uid(syntax.begin(), syntax.end());
  if (uid.size() % 2 == 1) uid.push_back(0);
  AppendBytes(out, Encode({0x00020010, "UI", uid}));
  return out;
}

Bytes Deflate(ByteView bytes) {
  z_stream stream{};
  HILUM_CHECK(deflateInit2(&stream, 9, Z_DEFLATED, -15, 9, Z_DEFAULT_STRATEGY) == Z_OK);
  Bytes out(deflateBound(&stream, static_cast<uLong>(bytes.size())));
  stream.next_in = const_cast<Bytef*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  HILUM_CHECK(deflate(&stream, Z_FINISH) == Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

Bytes EncapsulatedPixels(const std::vector<Bytes>& fragments) {
  Bytes out = Encode({0x7FE00010, "OB", {}}, 0xFFFFFFFF);
  AppendBytes(out, Encode({0xFFFEE000, "", {}}));
  for (const Bytes& fragment : fragments) AppendBytes(out, Encode({0xFFFEE000, "", fragment}));
  AppendBytes(out, Encode({0xFFFEE0DD, "", {}}));
  return out;
}

Film::Film(int rows, int columns, int bits_allocated, std::vector<uint16_t> words)
    : bits_allocated_(bits_allocated), words_(std::move(words)) {
  const auto bits = static_cast<uint16_t>(bits_allocated);
  Text(0x00080008, "CS", "ORIGINAL\\PRIMARY").Text(0x00080018, "UI", "1.2.3.4");
  Text(0x00080060, "CS", "CR").Text(0x00100020, "LO", "ID-1");
  Text(0x00180015, "CS", "CHEST").Text(0x00185101, "CS", "PA");
  Text(0x0020000D, "UI", "1.2.3.1").Text(0x0020000E, "UI", "1.2.3.2");
  Text(0x00280004, "CS", "MONOCHROME2").Short(0x00280002, {1});
  Short(0x00280010, {static_cast<uint16_t>(rows)});
  Short(0x00280011, {static_cast<uint16_t>(columns)});
  Short(0x00280100, {bits}).Short(0x00280101, {bits});
  Short(0x00280102, {static_cast<uint16_t>(bits - 1)}).Short(0x00280103, {0});
}

Film& Film::Text(uint32_t tag, const std::string& vr, const std::string& text) {
  return Put({tag, vr, TextBytes(text)});
}

Film& Film::Short(uint32_t tag, std::vector<uint16_t> values, const std::string& vr) {
  return Put({tag, vr, ShortBytes(std::move(values))});
}

Film& Film::Put(Element element) {
  elements_[element.tag] = std::move(element);
  return *this;
}

Film& Film::Drop(uint32_t tag) {
  elements_.erase(tag);
  return *this;
}

Bytes Film::Header() const {
  Bytes out;
  for (const auto& [tag, element] : elements_) AppendBytes(out, Encode(element));
  return out;
}

Bytes Film::PixelBytes() const {
  Bytes out;
  for (const uint16_t word : words_) {
    if (bits_allocated_ == 16) {
      Append16(out, word);
    } else {
      out.push_back(static_cast<uint8_t>(word));
    }
  }
  if (out.size() % 2 == 1) out.push_back(0);
  return out;
}

Bytes Film::Build() const {
  Bytes file = Preamble(kExplicit);
  AppendBytes(file, Header());
  AppendBytes(file, Encode({0x7FE00010, "OW", PixelBytes()}));
  return file;
}

Bytes Film::BuildCompressed(const std::string& syntax, const std::vector<Bytes>& fragments) const {
  Bytes file = Preamble(syntax);
  AppendBytes(file, Header());
  AppendBytes(file, EncapsulatedPixels(fragments));
  return file;
}

std::vector<uint16_t> Ramp(int n) {
  std::vector<uint16_t> words(static_cast<size_t>(n));
  std::iota(words.begin(), words.end(), uint16_t{0});
  return words;
}

}  // namespace hilum::dicom

#include "dicom/attributes.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "dcmtk/dcmdata/dcelem.h"
#include "dcmtk/dcmdata/dcistrmb.h"
#include "dicom/gate_scan.h"

namespace hilum::dicom {
namespace {

// The bytes of an attribute that a writer marked as UN although the standard knows it. DCMTK could
// convert these while it parses, but then it would also descend into what the gate took for bytes.
std::optional<ByteView> UnknownBytes(DcmElement& element) {
  if (element.getVR() != EVR_UN) return std::nullopt;
  Uint8* bytes = nullptr;
  if (element.getUint8Array(bytes).bad() || bytes == nullptr) return std::nullopt;
  return ByteView(bytes, element.getLength());
}

E_TransferSyntax HeaderSyntax(const GateReport& report) {
  if (report.syntax->big_endian) {
    return EXS_BigEndianExplicit;  // the gate takes no other
  }
  return report.explicit_vr ? EXS_LittleEndianExplicit : EXS_LittleEndianImplicit;
}

}  // namespace

absl::Status ParseDataSet(const SafeFile& file, DcmDataset& data_set) {
  const GateReport& report = file.report();
  DcmInputBufferStream stream;
  stream.setBuffer(file.data_set().data(), static_cast<offile_off_t>(report.header_bytes));
  stream.setEos();
  data_set.transferInit();
  const OFCondition result =
      data_set.read(stream, HeaderSyntax(report), EGL_noChange, std::numeric_limits<Uint32>::max());
  data_set.transferEnd();
  return FromDcmtk(result, Refusal::kDicom, "the data set is not a sequence of DICOM elements");
}

std::vector<std::string> Texts(DcmItem& item, const DcmTagKey& tag) {
  constexpr unsigned long kMostValues = 16;
  DcmElement* element = nullptr;
  std::vector<std::string> texts;
  if (item.findAndGetElement(tag, element).bad()) return texts;
  if (const auto bytes = UnknownBytes(*element)) {
    texts = absl::StrSplit(AsText(*bytes), absl::MaxSplits('\\', kMostValues));
  }
  const unsigned long n = texts.empty() ? std::min(element->getVM(), kMostValues) : 0;
  for (unsigned long i = 0; i < n; ++i) {
    OFString value;
    if (element->getOFString(value, i).good()) texts.emplace_back(value.c_str(), value.length());
  }
  for (std::string& text : texts) {
    while (!text.empty() && text.back() == '\0') text.pop_back();
    absl::StripAsciiWhitespace(&text);
  }
  return texts;
}

std::string Text(DcmItem& item, const DcmTagKey& tag, size_t index) {
  const std::vector<std::string> texts = Texts(item, tag);
  return index < texts.size() ? texts[index] : "";
}

std::optional<double> Decimal(DcmItem& item, const DcmTagKey& tag, bool* bad, size_t index) {
  const std::string text = Text(item, tag, index);
  if (text.empty()) return std::nullopt;
  double value = 0;
  if (absl::SimpleAtod(text, &value) && std::isfinite(value)) return value;
  if (bad != nullptr) *bad = true;
  return std::nullopt;
}

std::optional<std::vector<double>> Decimals(DcmItem& item, const DcmTagKey& tag, size_t n) {
  const std::vector<std::string> texts = Texts(item, tag);
  if (texts.size() != n) return std::nullopt;
  std::vector<double> values(n);
  for (size_t i = 0; i < n; ++i) {
    if (!absl::SimpleAtod(texts[i], &values[i]) || !std::isfinite(values[i])) return std::nullopt;
  }
  return values;
}

std::optional<int64_t> Integer(DcmItem& item, const DcmTagKey& tag) {
  int64_t value = 0;
  if (!absl::SimpleAtoi(Text(item, tag), &value)) return std::nullopt;
  return value;
}

std::optional<std::array<double, 2>> Spacing(DcmItem& item, const DcmTagKey& tag) {
  const std::optional<double> rows = Decimal(item, tag, nullptr, 0);
  const std::optional<double> columns = Decimal(item, tag, nullptr, 1);
  if (!rows || !columns || *rows <= 0 || *columns <= 0) return std::nullopt;
  return std::array<double, 2>{*rows, *columns};
}

std::vector<uint16_t> Words(DcmItem& item, const DcmTagKey& tag) {
  DcmElement* element = nullptr;
  if (item.findAndGetElement(tag, element).bad()) return {};
  Uint16* words = nullptr;
  Sint16* signed_words = nullptr;
  const size_t n = element->getLength() / sizeof(Uint16);
  if (const auto bytes = UnknownBytes(*element)) {  // always little endian
    std::vector<uint16_t> values(n);
    for (size_t i = 0; i < n; ++i) values[i] = Load16(*bytes, 2 * i, false);
    return values;
  }
  if (element->getUint16Array(words).good() && words != nullptr) return {words, words + n};
  if (element->getSint16Array(signed_words).good() && signed_words != nullptr) {
    return {signed_words, signed_words + n};
  }
  return {};
}

std::optional<int64_t> Word(DcmItem& item, const DcmTagKey& tag, bool is_signed) {
  const std::vector<uint16_t> words = Words(item, tag);
  if (words.size() != 1) return std::nullopt;
  return is_signed ? static_cast<int16_t>(words[0]) : words[0];
}

}  // namespace hilum::dicom

#include "dicom/header.h"

#include "dicom/dcmtk_status.h"
//
#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "dcmtk/dcmdata/dcdatset.h"
#include "dcmtk/dcmdata/dcdeftag.h"
#include "dcmtk/dcmdata/dcistrmb.h"
#include "dcmtk/dcmdata/dcsequen.h"
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

// Value `index` of a text attribute, without padding; "" when absent.
std::string Text(DcmItem& item, const DcmTagKey& tag, size_t index = 0) {
  const std::vector<std::string> texts = Texts(item, tag);
  return index < texts.size() ? texts[index] : "";
}

// A decimal string. `bad` is set when there is text that is not a finite number.
std::optional<double> Decimal(DcmItem& item, const DcmTagKey& tag, bool* bad = nullptr,
                              size_t index = 0) {
  const std::string text = Text(item, tag, index);
  if (text.empty()) return std::nullopt;
  double value = 0;
  if (absl::SimpleAtod(text, &value) && std::isfinite(value)) return value;
  if (bad != nullptr) *bad = true;
  return std::nullopt;
}

std::optional<std::array<double, 2>> Spacing(DcmItem& item, const DcmTagKey& tag) {
  const std::optional<double> rows = Decimal(item, tag, nullptr, 0);
  const std::optional<double> columns = Decimal(item, tag, nullptr, 1);
  if (!rows || !columns || *rows <= 0 || *columns <= 0) return std::nullopt;
  return std::array<double, 2>{*rows, *columns};
}

// The 16-bit words of a US, SS or OW attribute; empty when absent or of another VR.
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

// The first item of a LUT sequence. nullopt and *bad: there is one, but it is not a LUT.
std::optional<Lut> ReadLut(DcmItem& parent, const DcmTagKey& sequence, bool is_signed, bool* bad) {
  if (!parent.tagExists(sequence)) return std::nullopt;
  DcmItem* item = nullptr;
  if (parent.findAndGetSequenceItem(sequence, item, 0).bad() || item == nullptr)
    return std::nullopt;
  *bad = true;
  const std::vector<uint16_t> descriptor = Words(*item, DCM_LUTDescriptor);
  const std::vector<uint16_t> data = Words(*item, DCM_LUTData);
  if (descriptor.size() != 3) return std::nullopt;
  const size_t n = descriptor[0] == 0 ? 65'536 : descriptor[0];
  Lut lut{.first = is_signed ? static_cast<int16_t>(descriptor[1]) : descriptor[1],
          .bits = descriptor[2]};
  if (lut.bits < 8 || lut.bits > 16) return std::nullopt;
  if (data.size() == n) {
    lut.entries = data;
  } else if (data.size() == (n + 1) / 2) {  // 8-bit entries, two a word
    for (size_t i = 0; i < n; ++i) {
      lut.entries.push_back(static_cast<uint16_t>(data[i / 2] >> (i % 2 * 8) & 0xFF));
    }
  } else {
    return std::nullopt;
  }
  *bad = false;
  return lut;
}

// Values that may stand in functional groups (enhanced images) are read only there when the data
// set has groups: those at the root must not be used (PS3.3 section C.7.6.16).
DcmItem* FirstFrameGroup(DcmDataset& data_set, const DcmTagKey& macro) {
  for (const DcmTagKey& groups :
       {DCM_PerFrameFunctionalGroupsSequence, DCM_SharedFunctionalGroupsSequence}) {
    DcmItem* group = nullptr;
    DcmItem* item = nullptr;
    if (data_set.findAndGetSequenceItem(groups, group, 0).good() && group != nullptr &&
        group->findAndGetSequenceItem(macro, item, 0).good() && item != nullptr) {
      return item;
    }
  }
  return nullptr;
}

bool IsEnhanced(DcmDataset& data_set) {
  return data_set.tagExists(DCM_PerFrameFunctionalGroupsSequence) ||
         data_set.tagExists(DCM_SharedFunctionalGroupsSequence);
}

void ReadIdentity(DcmItem& root, Header& header) {
  header.patient_id = Text(root, DCM_PatientID);
  header.issuer = Text(root, DCM_IssuerOfPatientID);
  header.study_uid = Text(root, DCM_StudyInstanceUID);
  header.series_uid = Text(root, DCM_SeriesInstanceUID);
  header.sop_uid = Text(root, DCM_SOPInstanceUID);
  header.age = Text(root, DCM_PatientAge);
  header.sex = Text(root, DCM_PatientSex);
}

void ReadDescription(DcmItem& root, Header& header) {
  header.modality = Text(root, DCM_Modality);
  header.presentation_intent = Text(root, DCM_PresentationIntentType);
  header.view_position = Text(root, DCM_ViewPosition);
  header.body_part = Text(root, DCM_BodyPartExamined);
  header.photometric = Text(root, DCM_PhotometricInterpretation);
  header.burned_in = Text(root, DCM_BurnedInAnnotation);
  header.presentation_shape = Text(root, DCM_PresentationLUTShape);
  header.calibration_type = Text(root, DCM_PixelSpacingCalibrationType);
  header.lossy = Text(root, DCM_LossyImageCompression);
  header.intensity_relationship = Text(root, DCM_PixelIntensityRelationship);
  header.image_type = Texts(root, DCM_ImageType);
  header.patient_orientation = Texts(root, DCM_PatientOrientation);
  header.has_presentation_lut = root.tagExists(DCM_PresentationLUTSequence);
  header.imager_spacing_mm = Spacing(root, DCM_ImagerPixelSpacing);
}

void ReadValues(DcmDataset& root, bool is_signed, Header& header) {
  const bool enhanced = IsEnhanced(root);
  const auto place = [&](const DcmTagKey& macro) -> DcmItem* {
    return enhanced ? FirstFrameGroup(root, macro) : &root;
  };
  if (DcmItem* item = place(DCM_PixelValueTransformationSequence)) {
    header.slope = Decimal(*item, DCM_RescaleSlope, &header.bad_rescale);
    header.intercept = Decimal(*item, DCM_RescaleIntercept, &header.bad_rescale);
    header.rescale_type = Text(*item, DCM_RescaleType);
  }
  if (DcmItem* item = place(DCM_FrameVOILUTSequence)) {
    header.window_centre = Decimal(*item, DCM_WindowCenter);
    header.window_width = Decimal(*item, DCM_WindowWidth);
    header.voi_function = Text(*item, DCM_VOILUTFunction);
  }
  if (DcmItem* item = place(DCM_PixelMeasuresSequence)) {
    header.pixel_spacing_mm = Spacing(*item, DCM_PixelSpacing);
  }
  header.modality_lut = ReadLut(root, DCM_ModalityLUTSequence, is_signed, &header.bad_lut);
  // The VOI LUT's first input is signed when modality values can be negative.
  const bool negative = !header.modality_lut && (is_signed || header.intercept.value_or(0) < 0);
  header.voi_lut = ReadLut(root, DCM_VOILUTSequence, negative, &header.bad_lut);
  header.padding_value = Word(root, DCM_PixelPaddingValue, is_signed);
  header.padding_limit = Word(root, DCM_PixelPaddingRangeLimit, is_signed);
}

E_TransferSyntax HeaderSyntax(const GateReport& report) {
  if (report.syntax->big_endian) return EXS_BigEndianExplicit;
  return report.explicit_vr ? EXS_LittleEndianExplicit : EXS_LittleEndianImplicit;
}

absl::StatusOr<Header> Parse(const SafeFile& file) {
  const GateReport& report = file.report();
  DcmInputBufferStream stream;
  stream.setBuffer(file.data_set().data(), static_cast<offile_off_t>(report.header_bytes));
  stream.setEos();
  DcmDataset data_set;
  data_set.transferInit();
  const OFCondition result =
      data_set.read(stream, HeaderSyntax(report), EGL_noChange, std::numeric_limits<Uint32>::max());
  data_set.transferEnd();
  HILUM_RETURN_IF_ERROR(
      FromDcmtk(result, Refusal::kDicom, "the data set is not a sequence of DICOM elements"));
  Header header;
  ReadIdentity(data_set, header);
  ReadDescription(data_set, header);
  ReadValues(data_set, report.pixels.is_signed, header);
  return header;
}

}  // namespace

absl::StatusOr<Header> ParseHeader(const SafeFile& file) {
  return CatchDcmtk([&] { return Parse(file); });
}

}  // namespace hilum::dicom

#include "dicom/header.h"

#include "dicom/attributes.h"
//
#include <utility>

#include "base/status_macros.h"
#include "dcmtk/dcmdata/dcdeftag.h"
#include "dcmtk/dcmdata/dcsequen.h"

namespace hilum::dicom {
namespace {

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

absl::StatusOr<Header> Parse(const SafeFile& file) {
  DcmDataset data_set;
  HILUM_RETURN_IF_ERROR(ParseDataSet(file, data_set));
  Header header;
  ReadIdentity(data_set, header);
  ReadDescription(data_set, header);
  ReadValues(data_set, file.report().pixels.is_signed, header);
  return header;
}

}  // namespace

absl::StatusOr<Header> ParseHeader(const SafeFile& file) {
  return CatchDcmtk([&] { return Parse(file); });
}

}  // namespace hilum::dicom

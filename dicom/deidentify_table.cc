#include "dicom/deidentify_table.h"

#include <algorithm>
#include <array>

namespace hilum::dicom {
namespace {

struct Row {
  uint32_t tag;
  TagAction action;
};

// Ascending. What a name means: PS3.6. Actions: PS3.15 table E.1-1 with the options of the header.
constexpr std::array<Row, 170> kRows = {{
    {0x00080005, TagAction::kKeep},       // SpecificCharacterSet
    {0x00080008, TagAction::kKeep},       // ImageType
    {0x00080016, TagAction::kKeep},       // SOPClassUID
    {0x00080018, TagAction::kUid},        // SOPInstanceUID
    {0x00080020, TagAction::kShiftDate},  // StudyDate
    {0x00080021, TagAction::kShiftDate},  // SeriesDate
    {0x00080022, TagAction::kShiftDate},  // AcquisitionDate
    {0x00080023, TagAction::kShiftDate},  // ContentDate
    {0x0008002A, TagAction::kShiftDate},  // AcquisitionDateTime
    {0x00080030, TagAction::kEmpty},      // StudyTime
    {0x00080050, TagAction::kEmpty},      // AccessionNumber
    {0x00080060, TagAction::kKeep},       // Modality
    {0x00080064, TagAction::kKeep},       // ConversionType
    {0x00080068, TagAction::kKeep},       // PresentationIntentType
    {0x00080070, TagAction::kKeep},       // Manufacturer
    {0x00080090, TagAction::kEmpty},      // ReferringPhysicianName
    {0x00080100, TagAction::kKeep},       // CodeValue
    {0x00080102, TagAction::kKeep},       // CodingSchemeDesignator
    {0x00080103, TagAction::kKeep},       // CodingSchemeVersion
    {0x00080104, TagAction::kKeep},       // CodeMeaning
    {0x00081090, TagAction::kKeep},       // ManufacturerModelName
    {0x00081140, TagAction::kRecurse},    // ReferencedImageSequence
    {0x00081150, TagAction::kKeep},       // ReferencedSOPClassUID
    {0x00081155, TagAction::kUid},        // ReferencedSOPInstanceUID
    {0x00081160, TagAction::kKeep},       // ReferencedFrameNumber
    {0x00082112, TagAction::kRecurse},    // SourceImageSequence
    {0x00082218, TagAction::kRecurse},    // AnatomicRegionSequence
    {0x00089007, TagAction::kKeep},       // FrameType
    {0x00089205, TagAction::kKeep},       // PixelPresentation
    {0x00089206, TagAction::kKeep},       // VolumetricProperties
    {0x00089207, TagAction::kKeep},       // VolumeBasedCalculationTechnique
    {0x00100010, TagAction::kEmpty},      // PatientName
    {0x00100020, TagAction::kPseudonym},  // PatientID
    {0x00100030, TagAction::kEmpty},      // PatientBirthDate
    {0x00100040, TagAction::kKeep},       // PatientSex
    {0x00101010, TagAction::kKeep},       // PatientAge
    {0x00101020, TagAction::kKeep},       // PatientSize
    {0x00101030, TagAction::kKeep},       // PatientWeight
    {0x00180015, TagAction::kKeep},       // BodyPartExamined
    {0x00180022, TagAction::kKeep},       // ScanOptions
    {0x00180050, TagAction::kKeep},       // SliceThickness
    {0x00180060, TagAction::kKeep},       // KVP
    {0x00180088, TagAction::kKeep},       // SpacingBetweenSlices
    {0x00180090, TagAction::kKeep},       // DataCollectionDiameter
    {0x00181100, TagAction::kKeep},       // ReconstructionDiameter
    {0x00181110, TagAction::kKeep},       // DistanceSourceToDetector
    {0x00181111, TagAction::kKeep},       // DistanceSourceToPatient
    {0x00181120, TagAction::kKeep},       // GantryDetectorTilt
    {0x00181130, TagAction::kKeep},       // TableHeight
    {0x00181140, TagAction::kKeep},       // RotationDirection
    {0x00181150, TagAction::kKeep},       // ExposureTime
    {0x00181151, TagAction::kKeep},       // XRayTubeCurrent
    {0x00181152, TagAction::kKeep},       // Exposure
    {0x00181153, TagAction::kKeep},       // ExposureInuAs
    {0x00181164, TagAction::kKeep},       // ImagerPixelSpacing
    {0x00181166, TagAction::kKeep},       // Grid
    {0x00181170, TagAction::kKeep},       // GeneratorPower
    {0x00181190, TagAction::kKeep},       // FocalSpots
    {0x00181210, TagAction::kKeep},       // ConvolutionKernel
    {0x00181405, TagAction::kKeep},       // RelativeXRayExposure
    {0x00181508, TagAction::kKeep},       // PositionerType
    {0x00185100, TagAction::kKeep},       // PatientPosition
    {0x00185101, TagAction::kKeep},       // ViewPosition
    {0x00186000, TagAction::kKeep},       // Sensitivity
    {0x00187004, TagAction::kKeep},       // DetectorType
    {0x00189301, TagAction::kRecurse},    // CTAcquisitionTypeSequence
    {0x00189302, TagAction::kKeep},       // AcquisitionType
    {0x00189304, TagAction::kRecurse},    // CTAcquisitionDetailsSequence
    {0x00189305, TagAction::kKeep},       // RevolutionTime
    {0x00189306, TagAction::kKeep},       // SingleCollimationWidth
    {0x00189307, TagAction::kKeep},       // TotalCollimationWidth
    {0x00189309, TagAction::kKeep},       // TableSpeed
    {0x00189310, TagAction::kKeep},       // TableFeedPerRotation
    {0x00189311, TagAction::kKeep},       // SpiralPitchFactor
    {0x00189312, TagAction::kRecurse},    // CTGeometrySequence
    {0x00189314, TagAction::kRecurse},    // CTReconstructionSequence
    {0x00189315, TagAction::kKeep},       // ReconstructionAlgorithm
    {0x00189316, TagAction::kKeep},       // ConvolutionKernelGroup
    {0x00189321, TagAction::kRecurse},    // CTExposureSequence
    {0x00189323, TagAction::kKeep},       // ExposureModulationType
    {0x00189325, TagAction::kRecurse},    // CTXRayDetailsSequence
    {0x00189328, TagAction::kKeep},       // ExposureTimeInms
    {0x00189329, TagAction::kRecurse},    // CTImageFrameTypeSequence
    {0x00189330, TagAction::kKeep},       // XRayTubeCurrentInmA
    {0x00189332, TagAction::kKeep},       // ExposureInmAs
    {0x0020000D, TagAction::kUid},        // StudyInstanceUID
    {0x0020000E, TagAction::kUid},        // SeriesInstanceUID
    {0x00200010, TagAction::kEmpty},      // StudyID
    {0x00200011, TagAction::kKeep},       // SeriesNumber
    {0x00200012, TagAction::kKeep},       // AcquisitionNumber
    {0x00200013, TagAction::kKeep},       // InstanceNumber
    {0x00200020, TagAction::kKeep},       // PatientOrientation
    {0x00200032, TagAction::kKeep},       // ImagePositionPatient
    {0x00200037, TagAction::kKeep},       // ImageOrientationPatient
    {0x00200052, TagAction::kUid},        // FrameOfReferenceUID
    {0x00200060, TagAction::kKeep},       // Laterality
    {0x00200062, TagAction::kKeep},       // ImageLaterality
    {0x00200100, TagAction::kKeep},       // TemporalPositionIdentifier
    {0x00200105, TagAction::kKeep},       // NumberOfTemporalPositions
    {0x00201040, TagAction::kEmpty},      // PositionReferenceIndicator
    {0x00201041, TagAction::kKeep},       // SliceLocation
    {0x00209056, TagAction::kKeep},       // StackID
    {0x00209057, TagAction::kKeep},       // InStackPositionNumber
    {0x00209071, TagAction::kRecurse},    // FrameAnatomySequence
    {0x00209072, TagAction::kKeep},       // FrameLaterality
    {0x00209111, TagAction::kRecurse},    // FrameContentSequence
    {0x00209113, TagAction::kRecurse},    // PlanePositionSequence
    {0x00209116, TagAction::kRecurse},    // PlaneOrientationSequence
    {0x00209128, TagAction::kKeep},       // TemporalPositionIndex
    {0x00209156, TagAction::kKeep},       // FrameAcquisitionNumber
    {0x00209157, TagAction::kKeep},       // DimensionIndexValues
    {0x00209161, TagAction::kUid},        // ConcatenationUID
    {0x00209162, TagAction::kKeep},       // InConcatenationNumber
    {0x00209163, TagAction::kKeep},       // InConcatenationTotalNumber
    {0x00209164, TagAction::kUid},        // DimensionOrganizationUID
    {0x00209165, TagAction::kKeep},       // DimensionIndexPointer
    {0x00209167, TagAction::kKeep},       // FunctionalGroupPointer
    {0x00209221, TagAction::kRecurse},    // DimensionOrganizationSequence
    {0x00209222, TagAction::kRecurse},    // DimensionIndexSequence
    {0x00280002, TagAction::kKeep},       // SamplesPerPixel
    {0x00280004, TagAction::kKeep},       // PhotometricInterpretation
    {0x00280006, TagAction::kKeep},       // PlanarConfiguration
    {0x00280008, TagAction::kKeep},       // NumberOfFrames
    {0x00280010, TagAction::kKeep},       // Rows
    {0x00280011, TagAction::kKeep},       // Columns
    {0x00280030, TagAction::kKeep},       // PixelSpacing
    {0x00280034, TagAction::kKeep},       // PixelAspectRatio
    {0x00280100, TagAction::kKeep},       // BitsAllocated
    {0x00280101, TagAction::kKeep},       // BitsStored
    {0x00280102, TagAction::kKeep},       // HighBit
    {0x00280103, TagAction::kKeep},       // PixelRepresentation
    {0x00280106, TagAction::kKeep},       // SmallestImagePixelValue
    {0x00280107, TagAction::kKeep},       // LargestImagePixelValue
    {0x00280120, TagAction::kKeep},       // PixelPaddingValue
    {0x00280121, TagAction::kKeep},       // PixelPaddingRangeLimit
    {0x00280300, TagAction::kKeep},       // QualityControlImage
    {0x00280301, TagAction::kKeep},       // BurnedInAnnotation
    {0x00280A02, TagAction::kKeep},       // PixelSpacingCalibrationType
    {0x00281040, TagAction::kKeep},       // PixelIntensityRelationship
    {0x00281041, TagAction::kKeep},       // PixelIntensityRelationshipSign
    {0x00281050, TagAction::kKeep},       // WindowCenter
    {0x00281051, TagAction::kKeep},       // WindowWidth
    {0x00281052, TagAction::kKeep},       // RescaleIntercept
    {0x00281053, TagAction::kKeep},       // RescaleSlope
    {0x00281054, TagAction::kKeep},       // RescaleType
    {0x00281056, TagAction::kKeep},       // VOILUTFunction
    {0x00281101, TagAction::kKeep},       // RedPaletteColorLookupTableDescriptor
    {0x00281102, TagAction::kKeep},       // GreenPaletteColorLookupTableDescriptor
    {0x00281103, TagAction::kKeep},       // BluePaletteColorLookupTableDescriptor
    {0x00281201, TagAction::kKeep},       // RedPaletteColorLookupTableData
    {0x00281202, TagAction::kKeep},       // GreenPaletteColorLookupTableData
    {0x00281203, TagAction::kKeep},       // BluePaletteColorLookupTableData
    {0x00282110, TagAction::kKeep},       // LossyImageCompression
    {0x00282112, TagAction::kKeep},       // LossyImageCompressionRatio
    {0x00282114, TagAction::kKeep},       // LossyImageCompressionMethod
    {0x00283000, TagAction::kRecurse},    // ModalityLUTSequence
    {0x00283002, TagAction::kKeep},       // LUTDescriptor
    {0x00283004, TagAction::kKeep},       // ModalityLUTType
    {0x00283006, TagAction::kKeep},       // LUTData
    {0x00283010, TagAction::kRecurse},    // VOILUTSequence
    {0x00289110, TagAction::kRecurse},    // PixelMeasuresSequence
    {0x00289132, TagAction::kRecurse},    // FrameVOILUTSequence
    {0x00289145, TagAction::kRecurse},    // PixelValueTransformationSequence
    {0x00400318, TagAction::kKeep},       // OrganExposed
    {0x00540220, TagAction::kRecurse},    // ViewCodeSequence
    {0x00540222, TagAction::kRecurse},    // ViewModifierCodeSequence
    {0x20500010, TagAction::kRecurse},    // PresentationLUTSequence
    {0x20500020, TagAction::kKeep},       // PresentationLUTShape
    {0x52009229, TagAction::kRecurse},    // SharedFunctionalGroupsSequence
    {0x52009230, TagAction::kRecurse},    // PerFrameFunctionalGroupsSequence
}};

}  // namespace

TagAction ActionFor(uint32_t tag) {
  const auto row = std::lower_bound(kRows.begin(), kRows.end(), tag,
                                    [](const Row& r, uint32_t value) { return r.tag < value; });
  return row != kRows.end() && row->tag == tag ? row->action : TagAction::kRemove;
}

}  // namespace hilum::dicom

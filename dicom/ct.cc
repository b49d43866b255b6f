#include "dicom/ct.h"

#include "dicom/attributes.h"
//
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "dcmtk/dcmdata/dcdeftag.h"
#include "dcmtk/dcmdata/dcsequen.h"
#include "dicom/film_gate.h"
#include "dicom/frames.h"
#include "dicom/gate.h"
#include "dicom/grey.h"
#include "dicom/header.h"
#include "dicom/refusal.h"

namespace hilum::dicom {
namespace {

// The modality stage of one slice.
struct Rescale {
  double slope = 1;
  double intercept = 0;
};

struct SliceHeader {
  SlicePlace place;
  Rescale rescale;
};

std::optional<Vector3> VectorOf(DcmItem& item, const DcmTagKey& tag) {
  const std::optional<std::vector<double>> values = Decimals(item, tag, 3);
  if (!values) return std::nullopt;
  return Vector3{(*values)[0], (*values)[1], (*values)[2]};
}

std::optional<std::array<Vector3, 2>> OrientationOf(DcmItem& item) {
  const auto values = Decimals(item, DCM_ImageOrientationPatient, 6);
  if (!values) return std::nullopt;
  const std::vector<double>& v = *values;
  return std::array<Vector3, 2>{Vector3{v[0], v[1], v[2]}, Vector3{v[3], v[4], v[5]}};
}

absl::StatusOr<Rescale> RescaleOf(DcmItem& item) {
  bool bad = false;
  const std::optional<double> slope = Decimal(item, DCM_RescaleSlope, &bad);
  const std::optional<double> intercept = Decimal(item, DCM_RescaleIntercept, &bad);
  if (bad || slope.value_or(1) == 0) {
    return Refuse(Refusal::kRescale,
                  "the rescale slope is zero, or slope or intercept is not a number");
  }
  const std::string type = Text(item, DCM_RescaleType);
  if (!type.empty() && type != "HU") {
    return Refuse(Refusal::kNotHu, "RescaleType is not HU");
  }
  return Rescale{.slope = slope.value_or(1), .intercept = intercept.value_or(0)};
}

// Finds the macros of one frame: its own, else the shared one.
class FrameGroups {
 public:
  FrameGroups(DcmItem* shared, DcmItem* own) : groups_{own, shared} {}
  DcmItem* Find(const DcmTagKey& macro) const {
    for (DcmItem* group : groups_) {
      DcmItem* item = nullptr;
      if (group != nullptr && group->findAndGetSequenceItem(macro, item, 0).good() &&
          item != nullptr) {
        return item;
      }
    }
    return nullptr;
  }

 private:
  std::array<DcmItem*, 2> groups_;
};

absl::StatusOr<SliceHeader> HeaderOfFrame(const FrameGroups& groups, SlicePlace place) {
  SliceHeader slice{.place = std::move(place), .rescale = {}};
  SlicePlace& at = slice.place;
  if (DcmItem* item = groups.Find(DCM_PlanePositionSequence)) {
    at.position_mm = VectorOf(*item, DCM_ImagePositionPatient);
  }
  if (DcmItem* item = groups.Find(DCM_PlaneOrientationSequence)) {
    at.orientation = OrientationOf(*item);
  }
  if (DcmItem* item = groups.Find(DCM_PixelMeasuresSequence)) {
    at.spacing_mm = Spacing(*item, DCM_PixelSpacing);
    at.thickness_mm = Decimal(*item, DCM_SliceThickness);
  }
  if (DcmItem* item = groups.Find(DCM_FrameContentSequence)) {
    at.stack = Text(*item, DCM_StackID);
    at.temporal = Integer(*item, DCM_TemporalPositionIndex);
    at.acquisition = Integer(*item, DCM_FrameAcquisitionNumber);
  }
  if (DcmItem* item = groups.Find(DCM_CTImageFrameTypeSequence)) {
    at.image_type3 = Text(*item, DCM_FrameType, 2);
  }
  if (DcmItem* item = groups.Find(DCM_CTReconstructionSequence)) {
    at.kernel = Text(*item, DCM_ConvolutionKernel);
  }
  if (DcmItem* item = groups.Find(DCM_PixelValueTransformationSequence)) {
    HILUM_ASSIGN_OR_RETURN(slice.rescale, RescaleOf(*item));
    return slice;
  }
  return Refuse(Refusal::kNotHu, "a frame has no Pixel Value Transformation Sequence");
}

absl::StatusOr<std::vector<SliceHeader>> EnhancedSlices(DcmDataset& root, const SlicePlace& common,
                                                        int64_t n_frames) {
  DcmSequenceOfItems* per_frame = nullptr;
  if (root.findAndGetSequence(DCM_PerFrameFunctionalGroupsSequence, per_frame).bad() ||
      per_frame == nullptr || static_cast<int64_t>(per_frame->card()) != n_frames) {
    return Refuse(Refusal::kFrames,
                  absl::StrCat("the file has ", n_frames, " frames and ",
                               per_frame == nullptr ? 0 : per_frame->card(), " functional groups"));
  }
  DcmItem* shared = nullptr;
  (void)root.findAndGetSequenceItem(DCM_SharedFunctionalGroupsSequence, shared, 0);
  std::vector<SliceHeader> slices;
  // An item after the other: by index, each step would walk the list from its beginning.
  DcmObject* object = nullptr;
  for (int64_t frame = 0; frame < n_frames; ++frame) {
    object = per_frame->nextInContainer(object);
    SlicePlace place = common;
    place.frame = frame;
    HILUM_ASSIGN_OR_RETURN(
        SliceHeader slice,
        HeaderOfFrame(FrameGroups(shared, static_cast<DcmItem*>(object)), std::move(place)));
    slices.push_back(std::move(slice));
  }
  return slices;
}

absl::StatusOr<SliceHeader> ClassicSlice(DcmDataset& root, SlicePlace place) {
  SliceHeader slice{.place = std::move(place), .rescale = {}};
  SlicePlace& at = slice.place;
  at.position_mm = VectorOf(root, DCM_ImagePositionPatient);
  at.orientation = OrientationOf(root);
  at.spacing_mm = Spacing(root, DCM_PixelSpacing);
  at.thickness_mm = Decimal(root, DCM_SliceThickness);
  at.kernel = Text(root, DCM_ConvolutionKernel);
  at.image_type3 = Text(root, DCM_ImageType, 2);
  at.acquisition = Integer(root, DCM_AcquisitionNumber);
  at.temporal = Integer(root, DCM_TemporalPositionIdentifier);
  HILUM_ASSIGN_OR_RETURN(slice.rescale, RescaleOf(root));
  return slice;
}

absl::StatusOr<std::vector<SliceHeader>> SlicesOf(const SafeFile& file, const Header& header) {
  DcmDataset root;
  HILUM_RETURN_IF_ERROR(ParseDataSet(file, root));
  const PixelHeader& pixels = file.report().pixels;
  SlicePlace common{.sop_uid = header.sop_uid,
                    .series_uid = header.series_uid,
                    .frame_of_reference = Text(root, DCM_FrameOfReferenceUID),
                    .rows = pixels.rows,
                    .columns = pixels.columns};
  if (root.tagExists(DCM_PerFrameFunctionalGroupsSequence) ||
      root.tagExists(DCM_SharedFunctionalGroupsSequence)) {
    return EnhancedSlices(root, common, pixels.frames);
  }
  if (pixels.frames != 1) {
    return Refuse(Refusal::kFrames,
                  absl::StrCat("the file has ", pixels.frames, " frames and no functional groups"));
  }
  HILUM_ASSIGN_OR_RETURN(SliceHeader slice, ClassicSlice(root, std::move(common)));
  std::vector<SliceHeader> slices;
  slices.push_back(std::move(slice));
  return slices;
}

absl::Status CheckCt(const GateReport& report, const Header& header, const ReadOptions& options) {
  if (header.modality != "CT") {
    return Refuse(Refusal::kModality,
                  absl::StrCat("the modality is ",
                               IsModality(header.modality) ? header.modality : "another term",
                               ", CT profiles take CT"));
  }
  HILUM_RETURN_IF_ERROR(CheckComplete(report, header));
  if (header.image_type.size() > 2 && header.image_type[2] == "LOCALIZER") {
    return Refuse(Refusal::kLocalizer, "the image is a localizer, which belongs to no volume");
  }
  if (header.photometric != "MONOCHROME1" && header.photometric != "MONOCHROME2") {
    return Refuse(Refusal::kColour, "the image is not MONOCHROME1 or MONOCHROME2");
  }
  const PixelHeader& pixels = report.pixels;
  if (pixels.samples != 1 || pixels.is_float ||
      (pixels.bits_allocated != 8 && pixels.bits_allocated != 16)) {
    return Refuse(Refusal::kBits, "CT profiles take one sample of 8 or 16 bits a pixel");
  }
  // A small compressed file may claim many, and each becomes a float.
  if (pixels.rows * pixels.columns * pixels.frames > kVoxelLimit) {
    return Refuse(Refusal::kPixelSize,
                  absl::StrCat("the file has ", pixels.frames, " frames of ", pixels.rows, " x ",
                               pixels.columns, ", the limit is ", kVoxelLimit, " voxels"));
  }
  if (header.modality_lut || header.bad_lut) {
    return Refuse(Refusal::kNotHu, "the image has a Modality LUT instead of a rescale to HU");
  }
  return CheckText(header, options.reviewed_for_text);
}

// FNV-1a: tells a copy from another slice; a copy made on purpose only loses itself.
uint64_t HashOf(ByteView frame) {
  uint64_t hash = 0xCBF29CE484222325;
  for (const uint8_t byte : frame) hash = (hash ^ byte) * 0x100000001B3;
  return hash;
}

std::vector<float> ToHu(ByteView frame, const PixelHeader& pixels, const Header& header,
                        const Rescale& rescale) {
  const size_t width = static_cast<size_t>(pixels.value_bytes());
  std::vector<float> hu(frame.size() / width);
  for (size_t i = 0; i < hu.size(); ++i) {
    const uint32_t word =
        width == 1 ? frame[i] : uint32_t{frame[2 * i]} | uint32_t{frame[2 * i + 1]} << 8;
    const int64_t stored = StoredValue(word, pixels);
    hu[i] =
        IsPadding(header, stored)
            ? kPaddingHu
            : static_cast<float>(static_cast<double>(stored) * rescale.slope + rescale.intercept);
  }
  return hu;
}

}  // namespace

absl::StatusOr<CtFile> ReadCtFile(ByteView bytes, const ReadOptions& options) {
  HILUM_ASSIGN_OR_RETURN(const SafeFile safe, OpenFile(bytes, options.limits));
  HILUM_ASSIGN_OR_RETURN(const Header header, ParseHeader(safe));
  HILUM_RETURN_IF_ERROR(CheckCt(safe.report(), header, options));
  HILUM_ASSIGN_OR_RETURN(std::vector<SliceHeader> headers,
                         CatchDcmtk([&] { return SlicesOf(safe, header); }));
  HILUM_ASSIGN_OR_RETURN(const FrameReader frames, FrameReader::Create(safe));
  CtFile file{.identity = {header.patient_id, header.issuer, header.study_uid, header.series_uid,
                           header.sop_uid},
              .is_lossy = safe.report().syntax->lossy || header.lossy == "01",
              .slices = {}};
  for (size_t i = 0; i < headers.size(); ++i) {
    HILUM_ASSIGN_OR_RETURN(const Bytes frame, frames.Read(static_cast<int64_t>(i)));
    CtSlice slice{.place = std::move(headers[i].place),
                  .hu = ToHu(frame, safe.report().pixels, header, headers[i].rescale)};
    slice.place.pixel_hash = HashOf(frame);
    file.slices.push_back(std::move(slice));
  }
  return file;
}

}  // namespace hilum::dicom

#include "dicom/refusal.h"

#include <array>
#include <cstddef>

#include "absl/strings/str_cat.h"

namespace hilum::dicom {
namespace {

// In the order of the enumeration.
constexpr std::array<absl::string_view, 35> kNames = {
    "FILE",
    "FILE_SIZE",
    "NO_PREAMBLE",
    "TRANSFER_SYNTAX",
    "INFLATE",
    "NESTING",
    "ELEMENTS",
    "VALUE_SIZE",
    "LENGTH",
    "DIMENSIONS",
    "BITS",
    "PIXEL_SIZE",
    "TRUNCATED",
    "FRAGMENTS",
    "CODESTREAM",
    "DICOM",
    "MODALITY",
    "FOR_PROCESSING",
    "COLOUR",
    "VIEW",
    "BODY_PART",
    "BURNED_IN",
    "FRAMES",
    "RESCALE",
    "VOI",
    "PRESENTATION_LUT",
    "NOT_HU",
    "LOCALIZER",
    "NO_POSITION",
    "ORIENTATION",
    "AMBIGUOUS_SERIES",
    "MISSING_SLICES",
    "IRREGULAR",
    "THICKNESS",
    "WORKER",
};
static_assert(static_cast<size_t>(Refusal::kWorker) + 1 == kNames.size());

constexpr absl::string_view kDamaged =
    "export it again from the PACS; if it comes back, it is damaged";
constexpr absl::string_view kOtherKind = "another kind of image: select other series";
constexpr absl::string_view kGreyScale =
    "its grey scale does not conform: ask the maker of the device";
constexpr absl::string_view kPlaces = "ask the maker of the device where its slices lie";
constexpr absl::string_view kLarge = "larger than any image of its kind: leave it out";

// In the order of the enumeration.
constexpr std::array<absl::string_view, kNames.size()> kAdvice = {
    "look at its permissions and its disk",
    kLarge,
    "no DICOM file: leave it out, or export it from the PACS",
    "let the PACS send it in a transfer syntax of docs/dicom.md",
    kDamaged,
    kDamaged,
    kDamaged,
    kDamaged,
    kDamaged,
    kDamaged,
    kDamaged,
    kLarge,
    kDamaged,
    kDamaged,
    kDamaged,
    kDamaged,
    kOtherKind,
    "send the image for presentation, which the readers see",
    kOtherKind,
    kOtherKind,
    kOtherKind,
    "a person looks for text in its pixels; then hilum site release, or leave it out",
    kOtherKind,
    kGreyScale,
    kGreyScale,
    kGreyScale,
    "send the images that are in Hounsfield units",
    kOtherKind,
    kPlaces,
    kPlaces,
    "send one acquisition of one series",
    "send all slices of the series",
    kPlaces,
    "send the thin slices of the study",
    "keep it apart and report it: it broke the decoder, by accident or on purpose",
};

}  // namespace

absl::string_view AdviceOn(absl::string_view code) {
  for (size_t i = 0; i < kNames.size(); ++i) {
    if (kNames[i] == code) return kAdvice[i];
  }
  return "";
}

bool IsQuarantine(absl::string_view code) {
  return code == NameOf(Refusal::kBurnedIn) || code == NameOf(Refusal::kWorker);
}

absl::string_view NameOf(Refusal code) { return kNames[static_cast<size_t>(code)]; }

absl::Status Refuse(Refusal code, absl::string_view sentence) {
  return absl::InvalidArgumentError(absl::StrCat(NameOf(code), ": ", sentence));
}

absl::string_view CodeOf(const absl::Status& status) {
  const absl::string_view message = status.message();
  const size_t end = message.find(':');
  if (end == absl::string_view::npos) return "";
  for (const absl::string_view name : kNames) {
    if (name == message.substr(0, end)) return name;
  }
  return "";
}

}  // namespace hilum::dicom

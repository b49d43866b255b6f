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

}  // namespace

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

#include "dicom/deidentify.h"

#include "dicom/attributes.h"
//
#include <algorithm>
#include <array>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/civil_time.h"
#include "base/status_macros.h"
#include "dcmtk/dcmdata/dcdeftag.h"
#include "dcmtk/dcmdata/dcsequen.h"
#include "dicom/deidentify_table.h"
#include "dicom/deidentify_write.h"
#include "dicom/film.h"
#include "dicom/film_gate.h"
#include "dicom/gate.h"
#include "dicom/header.h"
#include "dicom/refusal.h"

namespace hilum::dicom {
namespace {

constexpr size_t kWordCharacters = 3;  // of a name: shorter ones would strike terms of the standard
constexpr size_t kWordLimit = 1'000;
constexpr absl::string_view kStandardRoot = "1.2.840.10008.";

std::string NameOfTag(const DcmTagKey& tag) {
  return absl::StrFormat("(%04X,%04X)", tag.getGroup(), tag.getElement());
}

uint32_t NumberOf(const DcmTagKey& tag) {
  return uint32_t{tag.getGroup()} << 16 | tag.getElement();
}

// Calls `visit` for each element of an item, in order.
template <class Visit>
void ForEach(DcmItem& item, Visit visit) {
  for (DcmObject* object = item.nextInContainer(nullptr); object != nullptr;
       object = item.nextInContainer(object)) {
    visit(static_cast<DcmElement&>(*object));
  }
}

template <class Visit>
void ForEachItem(DcmElement& element, Visit visit) {
  auto& sequence = static_cast<DcmSequenceOfItems&>(element);
  for (DcmObject* object = sequence.nextInContainer(nullptr); object != nullptr;
       object = sequence.nextInContainer(object)) {
    visit(static_cast<DcmItem&>(*object));
  }
}

bool IsSequence(DcmElement& element) { return element.ident() == EVR_SQ; }

std::vector<std::string> ValuesOf(DcmElement& element) {
  constexpr unsigned long kMostValues = 4'096;
  std::vector<std::string> values;
  for (unsigned long i = 0; i < std::min(element.getVM(), kMostValues); ++i) {
    OFString value;
    if (element.getOFString(value, i).good()) values.emplace_back(value.c_str(), value.length());
  }
  return values;
}

// Words that name somebody in this file, in lower case: parts of all person names and of the
// patient's numbers, and whole names of institutions.
class Names {
 public:
  void Collect(DcmItem& item) {
    ForEach(item, [&](DcmElement& element) {
      if (IsSequence(element)) {
        ForEachItem(element, [&](DcmItem& inner) { Collect(inner); });
        return;
      }
      const uint32_t tag = NumberOf(element.getTag());
      const bool whole = tag == 0x00080080 || tag == 0x00080081 || tag == 0x00081010;
      const bool number = tag == 0x00100020 || tag == 0x00101000 || tag == 0x00080050 ||
                          tag == 0x00101040 || tag == 0x00102154;
      if (!whole && !number && element.ident() != EVR_PN) return;
      for (const std::string& value : ValuesOf(element)) {
        if (whole) Add(value);
        if (!whole) {
          for (const absl::string_view part : absl::StrSplit(value, absl::ByAnyChar("^= ,.;/"))) {
            Add(part);
          }
        }
      }
    });
  }
  bool OccurIn(absl::string_view text) const {
    const std::string lower = absl::AsciiStrToLower(text);
    return std::any_of(words_.begin(), words_.end(),
                       [&](const std::string& word) { return absl::StrContains(lower, word); });
  }

 private:
  void Add(absl::string_view word) {
    word = absl::StripAsciiWhitespace(word);
    if (word.size() < kWordCharacters || words_.size() == kWordLimit) return;
    words_.push_back(absl::AsciiStrToLower(word));
  }
  std::vector<std::string> words_;
};

bool AllOf(absl::string_view text, absl::string_view characters) {
  return text.find_first_not_of(characters) == absl::string_view::npos;
}

// Whether a value has the form of its VR (PS3.5 table 6.2-1), so that a sentence cannot hide in it.
bool HasForm(DcmEVR vr, absl::string_view value) {
  double number = 0;
  while (!value.empty() && (value.back() == '\0' || value.back() == ' ')) value.remove_suffix(1);
  value = absl::StripLeadingAsciiWhitespace(value);
  switch (vr) {
    case EVR_CS:
      return value.size() <= 16 && AllOf(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_ ");
    case EVR_DS:
      // Many writers use more than the 16 characters of the standard.
      return value.empty() || (value.size() <= 32 && absl::SimpleAtod(value, &number) &&
                               AllOf(value, "0123456789+-.eE"));
    case EVR_IS:
      return value.size() <= 12 && AllOf(value, "0123456789+-");
    case EVR_AS:
      return value.empty() || (value.size() == 4 && AllOf(value.substr(0, 3), "0123456789") &&
                               AllOf(value.substr(3), "DWMY"));
    case EVR_UI:
      // Kept UIDs are those of the standard: any other could be made of somebody's number.
      return value.empty() || (value.size() <= 64 && absl::StartsWith(value, kStandardRoot) &&
                               AllOf(value, "0123456789."));
    case EVR_SH:
      return value.size() <= 64;  // 16 characters of any character set
    case EVR_LO:
      return value.size() <= 256;
    default:
      return false;
  }
}

bool IsNumeric(DcmEVR vr) {
  constexpr std::array kNumeric = {EVR_US, EVR_SS, EVR_UL, EVR_SL, EVR_FL, EVR_FD,
                                   EVR_AT, EVR_OW, EVR_xs, EVR_lt, EVR_ox};
  return std::find(kNumeric.begin(), kNumeric.end(), vr) != kNumeric.end();
}

bool IsText(DcmEVR vr) {
  constexpr std::array kText = {EVR_CS, EVR_DS, EVR_IS, EVR_AS, EVR_UI, EVR_SH, EVR_LO};
  return std::find(kText.begin(), kText.end(), vr) != kText.end();
}

// "20250131" or the beginning of a DT, moved; "" when it is no date.
std::string Moved(absl::string_view date, int days) {
  int number = 0;
  if (date.size() < 8 || !absl::SimpleAtoi(date.substr(0, 8), &number) || number < 10101) return "";
  const absl::CivilDay day(number / 10'000, number / 100 % 100, number % 100);
  if (day.month() != number / 100 % 100 || day.day() != number % 100) return "";
  const absl::CivilDay moved = day + days;
  return absl::StrFormat("%04d%02d%02d", moved.year(), moved.month(), moved.day());
}

// The standard's own frames of reference (PS3.6 table A-2) name atlases, not patients. Any other
// UID of an instance is somebody's, also one below the standard's root, which a writer may have
// filled up with a patient's number.
bool IsWellKnown(const DcmTagKey& tag, absl::string_view uid) {
  constexpr size_t kLongest = 24;
  return NumberOf(tag) == 0x00200052 && uid.size() <= kLongest &&
         absl::StartsWith(uid, "1.2.840.10008.1.4.") && HasForm(EVR_UI, uid);
}

class Cleaner {
 public:
  Cleaner(const Names& names, const SiteKeys& keys, Identity identity, DeidentifyReport& report)
      : names_(names), keys_(keys), identity_(std::move(identity)), report_(report) {}

  void Clean(DcmItem& from, DcmItem& to) {
    ForEach(from, [&](DcmElement& element) { CleanOne(element, to); });
  }

 private:
  void CleanOne(DcmElement& element, DcmItem& to) {
    const DcmTagKey tag = element.getTag();
    if (tag.getGroup() % 2 == 1) {
      ++report_.n_private;
      return;
    }
    if (tag.getElement() == 0) return;  // a group's length
    const std::string name = NameOfTag(tag);
    const TagAction action = ActionFor(NumberOf(tag));
    if (IsSequence(element) != (action == TagAction::kRecurse) && action != TagAction::kRemove) {
      ++report_.scrubbed[name];  // a sequence in the place of a value, or the other way round
      return;
    }
    switch (action) {
      case TagAction::kRemove:
        ++report_.removed[name];
        return;
      case TagAction::kKeep:
        return Keep(element, name, to);
      case TagAction::kRecurse:
        return Recurse(element, to);
      case TagAction::kUid:
        return Replace(element, name, to);
      case TagAction::kShiftDate:
        return Shift(element, name, to);
      case TagAction::kEmpty:
        ++report_.emptied[name];
        (void)to.insertEmptyElement(DcmTag(tag), OFTrue);
        return;
      case TagAction::kPseudonym:
        ++report_.replaced[name];
        Put(tag, Pseudonymise(identity_, keys_.pseudonym).patient.substr(0, 64), to);
        return;
    }
  }

  void Keep(DcmElement& element, const std::string& name, DcmItem& to) {
    const DcmEVR vr = element.getVR();
    const DcmTagKey key = element.getTag();  // a DcmTag would bring the file's VR along
    const DcmEVR of_standard = DcmTag(key).getEVR();
    const std::vector<std::string> values =
        IsText(vr) ? ValuesOf(element) : std::vector<std::string>();
    bool sound = IsText(of_standard) ? vr == of_standard && values.size() == element.getVM()
                                     : IsNumeric(vr) && !NamesIn(element);
    for (const std::string& value : values) {
      sound = sound && HasForm(vr, value) && !(MayName(vr) && names_.OccurIn(value));
    }
    if (!sound) {
      ++report_.scrubbed[name];
      return;
    }
    ++report_.n_kept;
    if (IsText(vr)) {
      Put(key, absl::StrJoin(values, "\\"), to);  // without what may stand behind a zero
    } else {
      Insert(static_cast<DcmElement*>(element.clone()), to);
    }
  }

  static bool MayName(DcmEVR vr) { return vr == EVR_SH || vr == EVR_LO || vr == EVR_CS; }

  // Tables are bytes, in which anything can stand.
  bool NamesIn(DcmElement& element) const {
    Uint16* words = nullptr;
    if (element.getVR() == EVR_US || element.getUint16Array(words).bad() || words == nullptr) {
      return false;
    }
    return names_.OccurIn({reinterpret_cast<const char*>(words), element.getLength()});
  }

  void Recurse(DcmElement& element, DcmItem& to) {
    auto sequence = std::make_unique<DcmSequenceOfItems>(DcmTag(element.getTag()));
    ForEachItem(element, [&](DcmItem& inner) {
      auto item = std::make_unique<DcmItem>();
      Clean(inner, *item);
      if (sequence->append(item.get()).good()) (void)item.release();
    });
    ++report_.n_kept;
    Insert(sequence.release(), to);
  }

  void Replace(DcmElement& element, const std::string& name, DcmItem& to) {
    std::vector<std::string> uids;
    for (std::string value : ValuesOf(element)) {
      while (!value.empty() && value.back() == '\0') value.pop_back();
      absl::StripAsciiWhitespace(&value);  // as the header is read, so that references agree
      if (value.empty()) continue;
      uids.push_back(IsWellKnown(element.getTag(), value) ? value : keys_.uid(value));
    }
    ++report_.replaced[name];
    Put(element.getTag(), absl::StrJoin(uids, "\\"), to);
  }

  void Shift(DcmElement& element, const std::string& name, DcmItem& to) {
    std::vector<std::string> dates;
    for (const std::string& value : ValuesOf(element)) {
      const std::string moved = Moved(value, keys_.days(identity_.patient_id));
      if (moved.empty() && !value.empty()) {
        ++report_.scrubbed[name];
        return;
      }
      dates.push_back(moved);
    }
    ++report_.shifted[name];
    Put(element.getTag(), absl::StrJoin(dates, "\\"), to);
  }

  static void Put(const DcmTagKey& tag, const std::string& value, DcmItem& to) {
    (void)to.putAndInsertString(DcmTag(tag), value.c_str());
  }
  static void Insert(DcmElement* element, DcmItem& to) {
    if (to.insert(element, OFTrue).bad()) delete element;
  }

  const Names& names_;
  const SiteKeys& keys_;
  const Identity identity_;
  DeidentifyReport& report_;
};

// PS3.16 CID 7050.
void WriteMethod(bool pixels_clean, DcmItem& root) {
  (void)root.putAndInsertString(DCM_PatientIdentityRemoved, pixels_clean ? "YES" : "NO");
  (void)root.putAndInsertString(DCM_DeidentificationMethod, "Hilum, PS3.15 annex E");
  (void)root.putAndInsertString(DCM_LongitudinalTemporalInformationModified, "MODIFIED");
  constexpr std::array<std::pair<const char*, const char*>, 5> kCodes = {{
      {"113100", "Basic Application Confidentiality Profile"},
      {"113103", "Clean Graphics Option"},
      {"113105", "Clean Descriptors Option"},
      {"113107", "Retain Longitudinal Temporal Information Modified Dates Option"},
      {"113108", "Retain Patient Characteristics Option"},
  }};
  for (const auto& [code, meaning] : kCodes) {
    DcmItem* item = nullptr;
    constexpr signed long kAppend = -2;
    if (root.findOrCreateSequenceItem(DCM_DeidentificationMethodCodeSequence, item, kAppend)
            .bad()) {
      return;
    }
    (void)item->putAndInsertString(DCM_CodeValue, code);
    (void)item->putAndInsertString(DCM_CodingSchemeDesignator, "DCM");
    (void)item->putAndInsertString(DCM_CodeMeaning, meaning);
  }
}

absl::Status CheckPixelText(const Header& header, const ReadOptions& options) {
  HILUM_RETURN_IF_ERROR(CheckText(header, options.reviewed_for_text));
  constexpr std::array<absl::string_view, 6> kOftenText = {"US", "XA", "RF", "ES", "OT", "SC"};
  const bool often =
      std::find(kOftenText.begin(), kOftenText.end(), header.modality) != kOftenText.end();
  if (header.burned_in == "NO" || options.reviewed_for_text || !often) return absl::OkStatus();
  return Refuse(Refusal::kBurnedIn,
                absl::StrCat("the modality is ", header.modality,
                             " and BurnedInAnnotation is absent: a person must look for text in "
                             "the pixels first"));
}

// Old writers kept overlays in the bits of a pixel that hold no value (PS3.5 section 8.1.1,
// retired). The pixels stay bit for bit, so such an overlay would stay too.
bool HasOverlayInPixels(DcmItem& root) {
  for (uint32_t group = 0x6000; group <= 0x60FE; group += 2) {
    const auto word = [&](uint32_t element) {
      return Word(root, DcmTagKey(static_cast<Uint16>(group), static_cast<Uint16>(element)), false);
    };
    if (word(0x0100).value_or(1) != 1 || word(0x0102).value_or(0) != 0) return true;
  }
  return false;
}

absl::StatusOr<DeidentifiedFile> Run(const SafeFile& safe, const Header& header,
                                     const SiteKeys& keys, const ReadOptions& options) {
  DcmDataset from;
  HILUM_RETURN_IF_ERROR(ParseDataSet(safe, from));
  const std::string sop_class = Text(from, DCM_SOPClassUID);
  if (sop_class.empty() || !HasForm(EVR_UI, sop_class)) {
    return Refuse(Refusal::kDicom, "the file is not of a SOP class of the standard");
  }
  if (HasOverlayInPixels(from)) {
    return Refuse(Refusal::kBurnedIn,
                  "an overlay lies in the unused bits of the pixels: let the PACS send the image "
                  "without it");
  }
  DeidentifiedFile file;
  Names names;
  names.Collect(from);
  DcmDataset to;
  Cleaner(names, keys,
          {header.patient_id, header.issuer, header.study_uid, header.series_uid, header.sop_uid},
          file.report)
      .Clean(from, to);
  file.report.pixels_clean = header.burned_in == "NO" || options.reviewed_for_text;
  WriteMethod(file.report.pixels_clean, to);
  HILUM_ASSIGN_OR_RETURN(
      file.bytes,
      WriteImage(to, safe, {.sop_class = sop_class, .sop_instance = keys.uid(header.sop_uid)}));
  // What was written is read as hostile bytes again: an image whose description was malformed, and
  // so taken out, is no image any more.
  if (OpenFile(file.bytes, options.limits).ok()) return file;
  return Refuse(Refusal::kDicom, "attributes that describe the pixels have another VR than theirs");
}

}  // namespace

absl::StatusOr<DeidentifiedFile> Deidentify(ByteView bytes, const SiteKeys& keys,
                                            const ReadOptions& options) {
  HILUM_ASSIGN_OR_RETURN(const SafeFile safe, OpenFile(bytes, options.limits));
  HILUM_ASSIGN_OR_RETURN(const Header header, ParseHeader(safe));
  HILUM_RETURN_IF_ERROR(CheckComplete(safe.report(), header));
  HILUM_RETURN_IF_ERROR(CheckPixelText(header, options));
  return CatchDcmtk([&] { return Run(safe, header, keys, options); });
}

}  // namespace hilum::dicom

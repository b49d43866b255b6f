#include "dicom/gate_scan.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/status_macros.h"
#include "dicom/refusal.h"

namespace hilum::dicom {
namespace {

constexpr uint32_t kItem = 0xFFFEE000;
constexpr uint32_t kItemEnd = 0xFFFEE00D;
constexpr uint32_t kSequenceEnd = 0xFFFEE0DD;

// All value representations of PS3.5 table 6.2-1; those with a 32-bit length come first.
constexpr absl::string_view kLongVrs = "OB OD OF OL OV OW SQ SV UC UN UR UT UV ";
constexpr absl::string_view kShortVrs =
    "AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US ";

// The pixel description that the gate checks, and what the decoders need with it.
constexpr std::array<uint32_t, 12> kKept = {
    0x00280002, 0x00280004, 0x00280006, 0x00280008, 0x00280010, 0x00280011,
    0x00280100, 0x00280101, 0x00280102, 0x00280103, 0x7FE00001, 0x7FE00002,
};

bool Listed(absl::string_view list, const char* vr) {
  for (size_t at = 0; at < list.size(); at += 3) {
    if (list[at] == vr[0] && list[at + 1] == vr[1]) return true;
  }
  return false;
}

std::string TagText(uint32_t tag) {
  return absl::StrFormat("(%04x,%04x)", tag >> 16, tag & 0xFFFF);
}

bool IsPixels(uint32_t tag) {
  return tag == kPixelData || tag == kFloatPixelData || tag == kDoublePixelData;
}

// One open sequence or item. The root is an item.
struct Level {
  uint64_t end = 0;  // one past its last byte; of an undefined length: its parent's end
  bool is_sequence = false;
  bool undefined = false;
  Encoding encoding;
};

class Walker {
 public:
  Walker(ByteView data, bool complete, const Encoding& encoding, const GateLimits& limits)
      : data_(data), complete_(complete), limits_(limits) {
    const uint64_t end = complete ? data.size() : std::numeric_limits<uint64_t>::max();
    levels_.push_back({.end = end, .encoding = encoding});
  }

  absl::StatusOr<ScanResult> Run() {
    while (!done_) {
      HILUM_RETURN_IF_ERROR(Step());
    }
    return std::move(result_);
  }

 private:
  // Ends the walk when the next `n` bytes are not there.
  absl::StatusOr<bool> Have(uint64_t n) {
    if (at_ + n <= data_.size()) return true;
    if (complete_) return LengthError("an element", n);
    result_.end = ScanEnd::kNeedMore;
    done_ = true;
    return false;
  }

  absl::Status LengthError(absl::string_view what, uint64_t length) const {
    return Refuse(Refusal::kLength,
                  absl::StrCat(what, " at byte ", at_, " of the data set needs ", length,
                               " bytes, its parent ends at byte ", levels_.back().end));
  }

  absl::Status Step() {
    Level& level = levels_.back();
    if (at_ == level.end) return Close();
    // A head takes up to 12 bytes; near the end of what is there, 8 may be all.
    const uint64_t left = data_.size() - at_;
    if (!complete_ && left < 12) return Have(12).status();
    HILUM_ASSIGN_OR_RETURN(const bool have, Have(8));
    if (!have) return absl::OkStatus();
    if (++result_.n_elements > limits_.elements) {
      return Refuse(Refusal::kElements,
                    absl::StrCat("the data set has more than ", limits_.elements, " elements"));
    }
    const uint64_t end = std::min<uint64_t>(level.end, data_.size());
    HILUM_ASSIGN_OR_RETURN(const ElementHead head, ReadHead(data_, at_, end, level.encoding));
    return level.is_sequence ? InSequence(head) : InItem(head);
  }

  // The byte position is the end of the innermost level.
  absl::Status Close() {
    if (levels_.size() == 1) {
      result_.header_bytes = at_;
      done_ = true;
      return absl::OkStatus();
    }
    if (levels_.back().undefined) {
      return Refuse(Refusal::kLength,
                    absl::StrCat("a sequence or item of undefined length has no delimiter before "
                                 "byte ",
                                 at_, " of the data set, where its parent ends"));
    }
    Pop();
    return absl::OkStatus();
  }

  absl::Status InSequence(const ElementHead& head) {
    if (head.tag == kSequenceEnd && levels_.back().undefined) return CloseDelimited(head);
    if (head.tag != kItem) {
      return Refuse(Refusal::kLength, absl::StrCat("a sequence holds ", TagText(head.tag),
                                                   " where only an item may stand"));
    }
    return Open(head, /*is_sequence=*/false, levels_.back().encoding);
  }

  absl::Status InItem(const ElementHead& head) {
    if (head.tag == kItemEnd && levels_.back().undefined) return CloseDelimited(head);
    if (head.tag >> 16 == 0xFFFE) {
      return Refuse(Refusal::kLength, absl::StrCat(TagText(head.tag), " stands at byte ", at_,
                                                   " of the data set outside a sequence"));
    }
    const bool at_root = levels_.size() == 1;
    if (at_root && IsPixels(head.tag)) {
      result_.end = ScanEnd::kPixels;
      result_.header_bytes = at_;
      result_.pixels = head;
      done_ = true;
      return absl::OkStatus();
    }
    if (head.Is("SQ")) return Open(head, /*is_sequence=*/true, levels_.back().encoding);
    if (head.length == kUndefinedLength) return OpenUnknown(head);
    HILUM_ASSIGN_OR_RETURN(const bool nested, LooksNested(head));
    if (done_) return absl::OkStatus();
    if (nested) return Open(head, /*is_sequence=*/true, levels_.back().encoding);
    return SkipValue(head, at_root);
  }

  // UN or implicit VR of undefined length is a sequence; UN's content is implicit little endian
  // (PS3.5 section 6.2.2, note 4). Nothing else may have an undefined length here.
  absl::Status OpenUnknown(const ElementHead& head) {
    const bool implicit = !levels_.back().encoding.explicit_vr;
    if (!implicit && !head.Is("UN")) {
      return Refuse(Refusal::kLength, absl::StrCat(TagText(head.tag),
                                                   " has an undefined length, which only "
                                                   "sequences and pixel data may have"));
    }
    const Encoding inside =
        implicit ? levels_.back().encoding : Encoding{.explicit_vr = false, .big_endian = false};
    return Open(head, /*is_sequence=*/true, inside);
  }

  // With implicit VR only a dictionary tells sequences from values. A value that begins with group
  // FFFE is walked as a sequence, whatever the dictionary says, and its length does not matter: a
  // reader that takes it for one reads the tag of an item or delimiter and a length, also from the
  // bytes behind a short value.
  absl::StatusOr<bool> LooksNested(const ElementHead& head) {
    const Encoding& encoding = levels_.back().encoding;
    if (encoding.explicit_vr || head.length == 0) return false;
    if (head.value_at + 2 > data_.size()) return Have(head.value_at + 2 - at_);
    return Load16(data_, head.value_at, encoding.big_endian) == 0xFFFE;
  }

  absl::Status SkipValue(const ElementHead& head, bool at_root) {
    if (head.length > limits_.value_bytes) {
      return Refuse(Refusal::kValueSize,
                    absl::StrCat(TagText(head.tag), " has ", head.length, " bytes, the limit is ",
                                 limits_.value_bytes));
    }
    const uint64_t end = head.value_at + head.length;
    if (end > levels_.back().end) return LengthError(TagText(head.tag), head.length);
    if (end > data_.size()) return Have(end - at_).status();
    if (at_root) HILUM_RETURN_IF_ERROR(Keep(head));
    at_ = end;
    return absl::OkStatus();
  }

  absl::Status Keep(const ElementHead& head) {
    for (const uint32_t tag : kKept) {
      if (tag != head.tag) continue;
      const ByteView value = data_.subspan(head.value_at, head.length);
      if (!result_.root.emplace(tag, std::string(AsText(value))).second) {
        return Refuse(Refusal::kDicom, absl::StrCat(TagText(tag), " occurs twice"));
      }
    }
    return absl::OkStatus();
  }

  absl::Status Open(const ElementHead& head, bool is_sequence, const Encoding& inside) {
    const bool undefined = head.length == kUndefinedLength;
    const uint64_t parent_end = levels_.back().end;
    const uint64_t end = undefined ? parent_end : head.value_at + head.length;
    if (end > parent_end) return LengthError(TagText(head.tag), head.length);
    const int nesting = n_sequences_ + (is_sequence ? 1 : 0);
    if (nesting > limits_.nesting) {
      return Refuse(Refusal::kNesting,
                    absl::StrCat("sequences are nested more than ", limits_.nesting, " deep"));
    }
    n_sequences_ = nesting;
    result_.deepest_nesting = std::max(result_.deepest_nesting, nesting);
    levels_.push_back(
        {.end = end, .is_sequence = is_sequence, .undefined = undefined, .encoding = inside});
    at_ = head.value_at;
    return absl::OkStatus();
  }

  absl::Status CloseDelimited(const ElementHead& head) {
    if (head.length != 0) {
      return Refuse(Refusal::kLength, absl::StrCat("the delimiter ", TagText(head.tag),
                                                   " announces ", head.length, " bytes, not 0"));
    }
    Pop();
    at_ = head.value_at;
    return absl::OkStatus();
  }

  void Pop() {
    if (levels_.back().is_sequence) --n_sequences_;
    levels_.pop_back();
  }

  ByteView data_;
  bool complete_;
  const GateLimits& limits_;
  std::vector<Level> levels_;  // at most 2 * nesting + 1
  int n_sequences_ = 0;
  uint64_t at_ = 0;
  bool done_ = false;
  ScanResult result_;
};

}  // namespace

bool IsVr(const char* vr) { return Listed(kShortVrs, vr) || Listed(kLongVrs, vr); }

uint16_t Load16(ByteView bytes, uint64_t at, bool big_endian) {
  const uint16_t low = bytes[at + (big_endian ? 1 : 0)];
  const uint16_t high = bytes[at + (big_endian ? 0 : 1)];
  return static_cast<uint16_t>(high << 8 | low);
}

uint32_t Load32(ByteView bytes, uint64_t at, bool big_endian) {
  const uint32_t first = Load16(bytes, at, big_endian);
  const uint32_t second = Load16(bytes, at + 2, big_endian);
  return big_endian ? first << 16 | second : second << 16 | first;
}

absl::StatusOr<ElementHead> ReadHead(ByteView data, uint64_t at, uint64_t end,
                                     const Encoding& encoding) {
  const auto too_short = [&] {
    return Refuse(Refusal::kLength,
                  absl::StrCat("the element at byte ", at, " does not fit before byte ", end));
  };
  if (end - at < 8) return too_short();
  ElementHead head;
  head.tag = uint32_t{Load16(data, at, encoding.big_endian)} << 16 |
             Load16(data, at + 2, encoding.big_endian);
  head.value_at = at + 8;
  if (head.tag >> 16 == 0xFFFE || !encoding.explicit_vr) {
    head.length = Load32(data, at + 4, encoding.big_endian);
    return head;
  }
  std::memcpy(head.vr, data.data() + at + 4, 2);
  if (Listed(kShortVrs, head.vr)) {
    head.length = Load16(data, at + 6, encoding.big_endian);
    return head;
  }
  if (!Listed(kLongVrs, head.vr)) {
    return Refuse(Refusal::kDicom, absl::StrCat(TagText(head.tag),
                                                " has a value representation "
                                                "that DICOM does not know"));
  }
  if (end - at < 12) return too_short();
  head.length = Load32(data, at + 8, encoding.big_endian);
  head.value_at = at + 12;
  return head;
}

absl::StatusOr<ScanResult> Scan(ByteView data, bool complete, const Encoding& encoding,
                                const GateLimits& limits) {
  return Walker(data, complete, encoding, limits).Run();
}

}  // namespace hilum::dicom

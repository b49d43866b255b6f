#include "dicom/worker_messages.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "dicom/refusal.h"

namespace hilum::dicom {
namespace {

constexpr uint8_t kVersion = 1;
constexpr uint8_t kIsRefusal = 0;
constexpr uint8_t kIsFilm = 1;
constexpr double kMostYears = 150;
constexpr double kMostMillimetres = 1e6;

// Reads from the front; once it ran out, everything reads as zero and ok() is false.
class Reader {
 public:
  explicit Reader(ByteView bytes) : bytes_(bytes) {}
  ByteView Take(size_t n) {
    if (n > bytes_.size()) {
      ok_ = false;
      bytes_ = {};
      return {};
    }
    const ByteView taken = bytes_.first(n);
    bytes_ = bytes_.subspan(n);
    return taken;
  }
  uint64_t Number(size_t n_bytes) {
    uint64_t number = 0;
    for (const uint8_t byte : Take(n_bytes)) number = number << 8 | byte;
    return number;
  }
  double Double() { return std::bit_cast<double>(Number(8)); }
  std::string Text(size_t limit) {
    const size_t n = Number(2);
    if (n > limit) ok_ = false;
    return ok_ ? std::string(AsText(Take(n))) : "";
  }
  // A member of an enumeration that ends with `last`.
  template <class Enum>
  Enum Term(Enum last) {
    const uint64_t value = Number(1);
    if (value > static_cast<uint64_t>(last)) ok_ = false;
    return ok_ ? static_cast<Enum>(value) : Enum{};
  }
  // A number in low … high, or its absence.
  std::optional<double> Optional(double low, double high) {
    const bool present = Flag();
    const double value = Double();
    if (!present) return std::nullopt;
    if (!(value >= low && value <= high)) ok_ = false;
    return value;
  }
  bool Flag() {
    const uint64_t value = Number(1);
    if (value > 1) ok_ = false;
    return value == 1;
  }
  void Check(bool condition) { ok_ = ok_ && condition; }
  bool ok() const { return ok_; }
  bool at_end() const { return ok_ && bytes_.empty(); }
  ByteView rest() const { return bytes_; }

 private:
  ByteView bytes_;
  bool ok_ = true;
};

void AppendShortText(Bytes& out, const std::string& text) {
  AppendU16(out, static_cast<uint16_t>(text.size()));
  AppendText(out, text);
}

void AppendOptional(Bytes& out, const std::optional<double>& value) {
  AppendU8(out, value.has_value());
  AppendF64(out, value.value_or(0));
}

template <class Call>
void ForEachText(Identity& identity, Call call) {
  for (std::string* text : {&identity.patient_id, &identity.issuer, &identity.study_uid,
                            &identity.series_uid, &identity.sop_uid}) {
    call(*text);
  }
}

// The flags of a branch record, in the order of the message.
template <class Record>
auto FlagsOf(Record& b) {
  return std::array{&b.inverted,
                    &b.shape_overrides,
                    &b.padded,
                    &b.monochrome1,
                    &b.lossy,
                    &b.reoriented,
                    &b.orientation_absent,
                    &b.view_absent,
                    &b.body_part_absent,
                    &b.age_absent,
                    &b.spacing_calibrated};
}

template <class Limits>
auto NumbersOf(Limits& l) {
  return std::array{&l.file_bytes,    &l.value_bytes,    &l.pixel_bytes,
                    &l.surplus_bytes, &l.inflated_bytes, &l.inflate_ratio};
}

template <class Limits>
auto CountsOf(Limits& l) {
  return std::array{&l.elements, &l.rows_or_columns, &l.frames, &l.extra_fragments};
}

Bytes EncodeRefusal(const absl::Status& status) {
  Bytes out;
  AppendU8(out, kIsRefusal);
  AppendU8(out, static_cast<uint8_t>(status.code()));
  std::string sentence(status.message().substr(0, kSentenceLimitBytes));
  AppendShortText(out, sentence);
  return out;
}

// Only what Refuse makes, and an exhausted memory, come from an honest worker.
absl::Status DecodeRefusal(Reader& reader) {
  const auto code = static_cast<absl::StatusCode>(reader.Number(1));
  const std::string sentence = reader.Text(kSentenceLimitBytes);
  reader.Check(
      std::all_of(sentence.begin(), sentence.end(), [](char c) { return c >= ' ' && c <= '~'; }));
  const absl::Status status(code, sentence);
  const bool is_refusal = absl::IsInvalidArgument(status) && !CodeOf(status).empty();
  reader.Check(is_refusal || absl::IsResourceExhausted(status) || absl::IsInternal(status));
  return status;
}

ReadyFilm ReadFilmMessage(Reader& reader, int size_px) {
  ReadyFilm film;
  ForEachText(film.identity, [&](std::string& text) { text = reader.Text(kIdentifierLimitBytes); });
  film.facts.modality = reader.Term(Modality::kDx);
  film.facts.view = reader.Term(View::kAp);
  film.facts.sex = reader.Term(Sex::kOther);
  film.facts.age_years = reader.Optional(0, kMostYears * 10);
  film.branches.voi = reader.Term(VoiBranch::kFullRange);
  film.branches.intensity = reader.Term(Intensity::kOther);
  for (bool* flag : FlagsOf(film.branches)) *flag = reader.Flag();
  const std::optional<double> rows_mm = reader.Optional(0, kMostMillimetres);
  const std::optional<double> columns_mm = reader.Optional(0, kMostMillimetres);
  if (rows_mm && columns_mm) film.spacing_mm = {*rows_mm, *columns_mm};
  film.fitted.scale = reader.Double();
  reader.Check(std::isfinite(film.fitted.scale) && film.fitted.scale > 0);
  const size_t plane = static_cast<size_t>(size_px) * static_cast<size_t>(size_px);
  const ByteView values = reader.Take(plane * sizeof(float));
  const ByteView padding = reader.Take(plane);
  reader.Check(reader.at_end());
  if (!reader.ok()) return film;
  film.fitted.values.resize(3 * plane);
  for (size_t i = 0; i < plane; ++i) {
    const uint32_t bits = uint32_t{values[4 * i]} << 24 | uint32_t{values[4 * i + 1]} << 16 |
                          uint32_t{values[4 * i + 2]} << 8 | values[4 * i + 3];
    const float value = std::bit_cast<float>(bits);
    reader.Check(value >= 0 && value <= 1 && padding[i] <= 1);
    for (size_t channel = 0; channel < 3; ++channel) {
      film.fitted.values[channel * plane + i] = value;
    }
  }
  film.fitted.padding.assign(padding.begin(), padding.end());
  return film;
}

}  // namespace

Bytes EncodeRequest(const FilmRequest& request) {
  Bytes out;
  AppendU8(out, kVersion);
  AppendU8(out, request.options.reviewed_for_text);
  const GateLimits& limits = request.options.limits;
  AppendU32(out, static_cast<uint32_t>(limits.nesting));
  for (const uint64_t* number : NumbersOf(limits)) AppendU64(out, *number);
  for (const int64_t* count : CountsOf(limits)) AppendU64(out, static_cast<uint64_t>(*count));
  AppendShortText(out, request.profile);
  return out;
}

absl::StatusOr<FilmRequest> DecodeRequest(ByteView bytes) {
  Reader reader(bytes);
  FilmRequest request;
  reader.Check(reader.Number(1) == kVersion);
  request.options.reviewed_for_text = reader.Flag();
  GateLimits& limits = request.options.limits;
  limits.nesting = static_cast<int>(std::min<uint64_t>(reader.Number(4), 1 << 10));
  for (uint64_t* number : NumbersOf(limits)) *number = reader.Number(8);
  for (int64_t* count : CountsOf(limits)) *count = static_cast<int64_t>(reader.Number(8));
  request.profile = reader.Text(64);
  if (reader.at_end()) return request;
  return absl::InvalidArgumentError("the DICOM worker got a request of another version");
}

size_t AnswerLimitBytes(int size_px) {
  const size_t plane = static_cast<size_t>(size_px) * static_cast<size_t>(size_px);
  return plane * (sizeof(float) + 1) + 5 * kIdentifierLimitBytes + 256;
}

Bytes EncodeAnswer(const absl::StatusOr<ReadyFilm>& read) {
  if (!read.ok()) return EncodeRefusal(read.status());
  ReadyFilm film = *read;
  bool fits = true;
  ForEachText(film.identity,
              [&](std::string& text) { fits = fits && text.size() <= kIdentifierLimitBytes; });
  if (!fits) {
    return EncodeRefusal(Refuse(Refusal::kDicom, absl::StrCat("an identifier is longer than ",
                                                              kIdentifierLimitBytes, " bytes")));
  }
  Bytes out;
  AppendU8(out, kIsFilm);
  ForEachText(film.identity, [&](std::string& text) { AppendShortText(out, text); });
  AppendU8(out, static_cast<uint8_t>(film.facts.modality));
  AppendU8(out, static_cast<uint8_t>(film.facts.view));
  AppendU8(out, static_cast<uint8_t>(film.facts.sex));
  AppendOptional(out, film.facts.age_years);
  AppendU8(out, static_cast<uint8_t>(film.branches.voi));
  AppendU8(out, static_cast<uint8_t>(film.branches.intensity));
  for (const bool* flag : FlagsOf(film.branches)) AppendU8(out, *flag);
  for (size_t axis = 0; axis < 2; ++axis) {
    AppendOptional(out, film.spacing_mm ? std::optional((*film.spacing_mm)[axis]) : std::nullopt);
  }
  AppendF64(out, film.fitted.scale);
  const size_t plane = film.fitted.padding.size();
  for (size_t i = 0; i < plane; ++i) AppendU32(out, std::bit_cast<uint32_t>(film.fitted.values[i]));
  AppendBytes(out, film.fitted.padding);
  return out;
}

absl::StatusOr<ReadyFilm> DecodeAnswer(ByteView bytes, int size_px) {
  Reader reader(bytes);
  const uint64_t kind = reader.Number(1);
  reader.Check(kind <= kIsFilm);
  if (reader.ok() && kind == kIsRefusal) {
    absl::Status refusal = DecodeRefusal(reader);
    if (reader.at_end()) return refusal;
  } else if (reader.ok()) {
    ReadyFilm film = ReadFilmMessage(reader, size_px);
    if (reader.ok()) return film;
  }
  return Refuse(Refusal::kWorker, "the decoder's answer is not a film of the profile");
}

}  // namespace hilum::dicom

#include "dicom/frames.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "dicom/codestream.h"
#include "dicom/decoders.h"
#include "dicom/gate_scan.h"
#include "dicom/native.h"
#include "dicom/refusal.h"

namespace hilum::dicom {
namespace {

// The fragment that begins at `offset`, counted from the first fragment's item (PS3.5 annex A.4);
// its size when there is none.
size_t FragmentAt(const std::vector<Extent>& fragments, uint64_t offset) {
  constexpr uint64_t kItemHead = 8;
  const uint64_t target = fragments.front().offset - kItemHead + offset;
  const auto found = std::lower_bound(
      fragments.begin(), fragments.end(), target,
      [](const Extent& fragment, uint64_t at) { return fragment.offset - kItemHead < at; });
  const bool hit = found != fragments.end() && found->offset - kItemHead == target;
  return hit ? static_cast<size_t>(found - fragments.begin()) : fragments.size();
}

bool StartsFrame(ByteView data, const Extent& fragment) {
  if (fragment.size_bytes < 4) return false;
  const uint16_t start = Load16(data, fragment.offset, true);
  return start == 0xFFD8 || start == 0xFF4F;
}

absl::Status CannotMap() {
  return Refuse(Refusal::kFragments,
                "neither an offset table nor start markers tell which fragments make a frame");
}

}  // namespace

absl::StatusOr<FrameReader> FrameReader::Create(const SafeFile& file) {
  HILUM_CHECK(file.report().has_pixels);
  FrameReader reader(file);
  if (file.report().syntax->codec != Codec::kNative) {
    HILUM_RETURN_IF_ERROR(reader.MapFragments());
  }
  return reader;
}

absl::Status FrameReader::MapFragments() {
  const GateReport& report = file_->report();
  const size_t n_frames = static_cast<size_t>(report.pixels.frames);
  const size_t n_fragments = report.fragments.size();
  first_fragment_.clear();
  if (n_frames == 1) {
    first_fragment_ = {0, n_fragments};
    return absl::OkStatus();
  }
  if (n_fragments == n_frames) {
    for (size_t i = 0; i <= n_frames; ++i) first_fragment_.push_back(i);
    return absl::OkStatus();
  }
  if (!report.offsets.empty()) {
    for (const uint64_t offset : report.offsets) {
      first_fragment_.push_back(FragmentAt(report.fragments, offset));
    }
  } else {
    for (size_t i = 0; i < n_fragments; ++i) {
      if (StartsFrame(file_->data_set(), report.fragments[i])) first_fragment_.push_back(i);
    }
  }
  first_fragment_.push_back(n_fragments);
  // Each frame must own at least one fragment, in order, and the first frame the first one.
  if (first_fragment_.size() != n_frames + 1 || first_fragment_.front() != 0) return CannotMap();
  for (size_t i = 0; i < n_frames; ++i) {
    if (first_fragment_[i] >= first_fragment_[i + 1]) return CannotMap();
  }
  return absl::OkStatus();
}

Bytes FrameReader::Gather(int64_t index) const {
  const GateReport& report = file_->report();
  Bytes stream;
  for (size_t i = first_fragment_[index]; i < first_fragment_[index + 1]; ++i) {
    const Extent& fragment = report.fragments[i];
    AppendBytes(stream, file_->data_set().subspan(fragment.offset, fragment.size_bytes));
  }
  return stream;
}

absl::StatusOr<Bytes> FrameReader::Read(int64_t index) const {
  const GateReport& report = file_->report();
  const PixelHeader& pixels = report.pixels;
  HILUM_CHECK(index >= 0 && index < pixels.frames);
  if (report.syntax->codec == Codec::kNative) {
    const ByteView native =
        file_->data_set().subspan(report.native.offset, report.native.size_bytes);
    return ReadNativeFrame(native, pixels, report.syntax->big_endian, index);
  }
  const Bytes gathered = Gather(index);
  if (report.syntax->codec == Codec::kRle) return DecodeRle(gathered, pixels);
  const ByteView stream = Jp2Codestream(gathered);
  HILUM_ASSIGN_OR_RETURN(const CodestreamHeader header, ReadCodestreamHeader(stream));
  HILUM_RETURN_IF_ERROR(CheckCodestream(header, pixels, *report.syntax));
  switch (report.syntax->codec) {
    case Codec::kJpeg:
      return DecodeJpeg(stream, header, pixels);
    case Codec::kJpegLs:
      return DecodeJpegLs(stream, header, pixels);
    default:
      return DecodeJpeg2000(stream, header, pixels);
  }
}

}  // namespace hilum::dicom

#include "dicom/gate_inflate.h"

#include <zlib.h>

#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "dicom/gate_pixels.h"
#include "dicom/gate_scan.h"
#include "dicom/refusal.h"

namespace hilum::dicom {
namespace {

constexpr uint64_t kFirstBytes = 1 << 20;  // the ratio is not judged before
constexpr uint64_t kStepBytes = 1 << 18;   // memory grows by what was inflated, step by step

class Inflater {
 public:
  Inflater(ByteView deflated, const GateLimits& limits) : deflated_(deflated), limits_(limits) {}
  ~Inflater() {
    if (ready_) inflateEnd(&stream_);
  }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // Inflates until `target` bytes are there or the stream ends.
  absl::Status GrowTo(uint64_t target) {
    if (!ready_) HILUM_RETURN_IF_ERROR(Start());
    while (out_.size() < target && !ended_) {
      HILUM_RETURN_IF_ERROR(Step(std::min(kStepBytes, target - out_.size())));
    }
    return absl::OkStatus();
  }

  const Bytes& out() const { return out_; }
  bool ended() const { return ended_; }
  Bytes Take() && { return std::move(out_); }

 private:
  absl::Status Start() {
    constexpr int kRawDeflate = -15;
    if (inflateInit2(&stream_, kRawDeflate) != Z_OK) {
      return absl::ResourceExhaustedError("zlib cannot start: not enough memory");
    }
    ready_ = true;
    return absl::OkStatus();
  }

  absl::Status Step(uint64_t n) {
    const uint64_t before = out_.size();
    if (before + n > limits_.inflated_bytes) {
      return Refuse(Refusal::kInflate, absl::StrCat("the data set inflates to more than ",
                                                    limits_.inflated_bytes, " bytes"));
    }
    out_.resize(before + n);
    stream_.next_out = out_.data() + before;
    stream_.avail_out = static_cast<uInt>(n);
    const uint64_t input = std::min<uint64_t>(deflated_.size() - read_, kStepBytes);
    stream_.next_in = const_cast<Bytef*>(deflated_.data() + read_);
    stream_.avail_in = static_cast<uInt>(input);
    const int result = inflate(&stream_, Z_NO_FLUSH);
    read_ += input - stream_.avail_in;
    out_.resize(before + n - stream_.avail_out);
    ended_ = result == Z_STREAM_END;
    const bool stuck = !ended_ && out_.size() == before && read_ == deflated_.size();
    if ((result != Z_OK && result != Z_STREAM_END) || stuck) {
      return Refuse(Refusal::kInflate, absl::StrCat("the deflated data set breaks off or is "
                                                    "corrupt after ",
                                                    out_.size(), " inflated bytes"));
    }
    if (out_.size() > kFirstBytes && out_.size() / limits_.inflate_ratio > read_) {
      return Refuse(Refusal::kInflate, absl::StrCat(read_, " deflated bytes give more than ",
                                                    limits_.inflate_ratio, " times as many"));
    }
    return absl::OkStatus();
  }

  ByteView deflated_;
  const GateLimits& limits_;
  z_stream stream_{};
  uint64_t read_ = 0;
  Bytes out_;
  bool ready_ = false;
  bool ended_ = false;
};

}  // namespace

absl::StatusOr<Bytes> InflateDataSet(ByteView deflated, const Syntax& syntax,
                                     const GateLimits& limits) {
  Inflater inflater(deflated, limits);
  ScanResult scan;
  // Twice as much each time, so that scanning again costs no more than one scan of the whole.
  for (uint64_t target = kFirstBytes;; target *= 2) {
    HILUM_RETURN_IF_ERROR(inflater.GrowTo(target));
    HILUM_ASSIGN_OR_RETURN(scan, Scan(inflater.out(), inflater.ended(), {}, limits));
    if (scan.end != ScanEnd::kNeedMore) break;
  }
  if (scan.end == ScanEnd::kPixels) {
    GateReport report;
    report.syntax = &syntax;
    HILUM_RETURN_IF_ERROR(DescribePixels(scan, limits, report));
    HILUM_RETURN_IF_ERROR(CheckNativeLength(scan, limits, report));
    HILUM_RETURN_IF_ERROR(inflater.GrowTo(scan.pixels.value_at + scan.pixels.length));
  }
  return std::move(inflater).Take();
}

}  // namespace hilum::dicom

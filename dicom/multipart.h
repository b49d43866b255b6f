// multipart/related, as DICOMweb sends objects (RFC 2046 section 5.1, RFC 2387; DICOM PS3.18
// section 8.7.1): parsed as it comes, in bounded memory, from a server that may be hostile.
#ifndef HILUM_DICOM_MULTIPART_H_
#define HILUM_DICOM_MULTIPART_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace hilum::dicom {

struct MultipartLimits {
  size_t head_bytes = 8 << 10;  // of one part
  int parts = 10'000;
};

// The boundary of a Content-Type. InvalidArgument: not multipart/related, no boundary, or one
// that RFC 2046 does not permit (1 to 70 characters of its alphabet).
absl::StatusOr<std::string> BoundaryOf(absl::string_view content_type);

// Fed with the body in pieces of any size. Not thread-safe.
class MultipartParser {
 public:
  struct Sink {
    // The Content-Type of the part that begins; empty: it has none.
    std::function<absl::Status(absl::string_view content_type)> on_part;
    std::function<absl::Status(absl::string_view bytes)> on_bytes;
    std::function<absl::Status()> on_end;  // of the part
  };
  MultipartParser(absl::string_view boundary, Sink sink, const MultipartLimits& limits = {});

  // InvalidArgument: no multipart of that boundary, a head longer than the limit or no head.
  // ResourceExhausted: more parts than the limit. Errors of the sink are passed on. After an error
  // the parser is of no more use.
  absl::Status Feed(absl::string_view bytes);
  // After the last piece. DataLoss: the body ended before its closing boundary.
  absl::Status Finish() const;

 private:
  enum class State { kStart, kAfterBoundary, kHead, kBody, kDone };
  absl::Status Step(bool* more);
  absl::Status BeginPart(absl::string_view head);
  absl::Status TakeBody(bool* more);

  const std::string delimiter_;  // CRLF, two dashes, boundary
  const Sink sink_;
  const MultipartLimits limits_;
  State state_ = State::kStart;
  std::string buffer_ = "\r\n";  // the first boundary may stand at the very beginning
  int n_parts_ = 0;
};

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_MULTIPART_H_

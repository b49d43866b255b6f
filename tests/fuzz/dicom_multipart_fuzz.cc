// multipart/related from a DICOMweb server: any bytes, in any pieces, give the same parts, and none
// of them holds what was not sent. The first byte is the size of the pieces.
#include <cstddef>
#include <cstdint>
#include <string>

#include "base/check.h"
#include "dicom/multipart.h"

namespace {

namespace dicom = hilum::dicom;

constexpr dicom::MultipartLimits kLimits = {.head_bytes = 64, .parts = 8};

// All that the parser said, or that it refused.
std::string Parse(absl::string_view body, size_t piece) {
  std::string said;
  size_t n_bytes = 0;
  dicom::MultipartParser parser("b",
                                {.on_part =
                                     [&](absl::string_view type) {
                                       said += "[" + std::string(type) + "|";
                                       return absl::OkStatus();
                                     },
                                 .on_bytes =
                                     [&](absl::string_view bytes) {
                                       n_bytes += bytes.size();
                                       said += std::string(bytes);
                                       return absl::OkStatus();
                                     },
                                 .on_end =
                                     [&] {
                                       said += "]";
                                       return absl::OkStatus();
                                     }},
                                kLimits);
  for (size_t at = 0; at < body.size(); at += piece) {
    if (!parser.Feed(body.substr(at, piece)).ok()) return "refused";
  }
  HILUM_CHECK(n_bytes <= body.size());
  return parser.Finish().ok() ? said : "cut off";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const absl::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  (void)dicom::BoundaryOf(body);
  const std::string in_pieces = Parse(body, data[0] + size_t{1});
  const std::string byte_by_byte = Parse(body, 1);
  // A head at the limit may be whole in one piece and too long byte by byte; nothing else differs.
  HILUM_CHECK(in_pieces == byte_by_byte || in_pieces == "refused" || byte_by_byte == "refused");
  return 0;
}

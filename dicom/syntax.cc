#include "dicom/syntax.h"

#include <array>

namespace hilum::dicom {
namespace {

constexpr std::array kSyntaxes = {
    Syntax{.uid = "1.2.840.10008.1.2", .name = "implicit", .explicit_vr = false},
    Syntax{.uid = "1.2.840.10008.1.2.1", .name = "explicit"},
    Syntax{.uid = "1.2.840.10008.1.2.2", .name = "big-endian", .big_endian = true},
    Syntax{.uid = "1.2.840.10008.1.2.1.99", .name = "deflated", .deflated = true},
    Syntax{.uid = "1.2.840.10008.1.2.5", .name = "rle", .codec = Codec::kRle},
    Syntax{.uid = "1.2.840.10008.1.2.4.50",
           .name = "jpeg-baseline",
           .codec = Codec::kJpeg,
           .lossy = true},
    Syntax{.uid = "1.2.840.10008.1.2.4.51",
           .name = "jpeg-extended",
           .codec = Codec::kJpeg,
           .lossy = true},
    Syntax{.uid = "1.2.840.10008.1.2.4.57", .name = "jpeg-lossless", .codec = Codec::kJpeg},
    Syntax{.uid = "1.2.840.10008.1.2.4.70", .name = "jpeg-lossless-sv1", .codec = Codec::kJpeg},
    Syntax{.uid = "1.2.840.10008.1.2.4.80", .name = "jpeg-ls", .codec = Codec::kJpegLs},
    Syntax{.uid = "1.2.840.10008.1.2.4.81",
           .name = "jpeg-ls-near",
           .codec = Codec::kJpegLs,
           .lossy = true},
    Syntax{.uid = "1.2.840.10008.1.2.4.90", .name = "jpeg2000-lossless", .codec = Codec::kJpeg2000},
    Syntax{.uid = "1.2.840.10008.1.2.4.91",
           .name = "jpeg2000",
           .codec = Codec::kJpeg2000,
           .lossy = true},
    Syntax{.uid = "1.2.840.10008.1.2.4.201", .name = "htj2k-lossless", .codec = Codec::kJpeg2000},
    Syntax{
        .uid = "1.2.840.10008.1.2.4.202", .name = "htj2k-rpcl-lossless", .codec = Codec::kJpeg2000},
    Syntax{.uid = "1.2.840.10008.1.2.4.203",
           .name = "htj2k",
           .codec = Codec::kJpeg2000,
           .lossy = true},
};

}  // namespace

std::span<const Syntax> AllSyntaxes() { return kSyntaxes; }

const Syntax* FindSyntax(absl::string_view uid) {
  for (const Syntax& syntax : kSyntaxes) {
    if (syntax.uid == uid) return &syntax;
  }
  return nullptr;
}

}  // namespace hilum::dicom

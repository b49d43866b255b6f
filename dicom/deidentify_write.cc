#include "dicom/deidentify_write.h"

#include "dicom/dcmtk_status.h"
//
#include "absl/strings/string_view.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "dcmtk/dcmdata/dcostrmb.h"
#include "dicom/gate_scan.h"
#include "dicom/refusal.h"

namespace hilum::dicom {
namespace {

// Made once for this program (PS3.5 annex B.2).
constexpr absl::string_view kImplementation = "2.25.94523741263459182734650918273465091827";
constexpr absl::string_view kVersion = "HILUM";

// How the copy is encoded.
struct Form {
  absl::string_view uid;
  E_TransferSyntax header = EXS_LittleEndianExplicit;
  Encoding encoding;
};

absl::StatusOr<Form> FormOf(const GateReport& report) {
  const Syntax& syntax = *report.syntax;
  Form form{.uid = syntax.uid,
            .encoding = {.explicit_vr = report.explicit_vr, .big_endian = syntax.big_endian}};
  const bool native = syntax.codec == Codec::kNative;
  if (!report.explicit_vr && (!native || syntax.big_endian)) {
    return Refuse(Refusal::kDicom,
                  "the data set has implicit VR, which its transfer syntax does not allow");
  }
  if (syntax.big_endian) {
    form.header = EXS_BigEndianExplicit;
  } else if (!report.explicit_vr) {
    form.header = EXS_LittleEndianImplicit;
    form.uid = "1.2.840.10008.1.2";
  } else if (syntax.deflated) {
    form.uid = "1.2.840.10008.1.2.1";
  }
  return form;
}

void Append16Little(Bytes& out, uint32_t value) {
  out.push_back(static_cast<uint8_t>(value));
  out.push_back(static_cast<uint8_t>(value >> 8));
}

void Append32(Bytes& out, uint32_t value, bool big_endian) {
  if (big_endian) {
    AppendU32(out, value);
    return;
  }
  Append16Little(out, value);
  Append16Little(out, value >> 16);
}

// An element of the meta information with a 16-bit length, padded to even.
void AppendMeta(Bytes& out, uint32_t element, absl::string_view vr, absl::string_view value) {
  const size_t padded = value.size() + value.size() % 2;
  Append16Little(out, 2);
  Append16Little(out, element);
  AppendText(out, vr);
  Append16Little(out, static_cast<uint32_t>(padded));
  AppendText(out, value);
  if (padded != value.size()) out.push_back(vr == "UI" ? 0 : ' ');
}

Bytes MetaBytes(const FileMeta& meta, absl::string_view transfer_syntax) {
  Bytes elements = {2, 0, 1, 0, 'O', 'B', 0, 0, 2, 0, 0, 0, 0, 1};  // version 1
  AppendMeta(elements, 0x02, "UI", meta.sop_class);
  AppendMeta(elements, 0x03, "UI", meta.sop_instance);
  AppendMeta(elements, 0x10, "UI", transfer_syntax);
  AppendMeta(elements, 0x12, "UI", kImplementation);
  AppendMeta(elements, 0x13, "SH", kVersion);
  Bytes out(128, 0);
  AppendText(out, "DICM");
  AppendBytes(out, Bytes{2, 0, 0, 0, 'U', 'L', 4, 0});
  Append32(out, static_cast<uint32_t>(elements.size()), /*big_endian=*/false);
  AppendBytes(out, elements);
  return out;
}

absl::StatusOr<Bytes> HeaderBytes(DcmDataset& header, E_TransferSyntax syntax) {
  constexpr size_t kSlack = 1 << 10;
  Bytes buffer(size_t{header.getLength(syntax, EET_ExplicitLength)} + kSlack);
  DcmOutputBufferStream stream(buffer.data(), static_cast<offile_off_t>(buffer.size()));
  header.transferInit();
  const OFCondition written =
      header.write(stream, syntax, EET_ExplicitLength, nullptr, EGL_withoutGL);
  header.transferEnd();
  HILUM_RETURN_IF_ERROR(
      FromDcmtk(written, Refusal::kDicom, "the de-identified header cannot be written"));
  void* start = nullptr;
  offile_off_t size = 0;
  stream.flushBuffer(start, size);
  HILUM_CHECK(start == buffer.data() && static_cast<size_t>(size) <= buffer.size());
  buffer.resize(static_cast<size_t>(size));
  return buffer;
}

// The pixel data element, its head included.
absl::Status AppendPixels(const SafeFile& source, const Encoding& encoding, Bytes& out) {
  const GateReport& report = source.report();
  const ByteView data = source.data_set();
  const bool native = report.syntax->codec == Codec::kNative;
  HILUM_ASSIGN_OR_RETURN(const ElementHead head,
                         ReadHead(data, report.header_bytes, data.size(), encoding));
  const size_t head_bytes = head.value_at - report.header_bytes;
  HILUM_CHECK(head_bytes >= 8);
  AppendBytes(out, data.subspan(report.header_bytes, head_bytes - 4));
  if (native) {
    // A frame with an odd number of bytes: the padding may be missing at the end of the file.
    const ByteView pixels = data.subspan(report.native.offset, report.native.size_bytes);
    const size_t padded = pixels.size() + pixels.size() % 2;
    Append32(out, static_cast<uint32_t>(padded), encoding.big_endian);
    AppendBytes(out, pixels);
    if (padded != pixels.size()) out.push_back(0);
    return absl::OkStatus();
  }
  const Extent& last = report.fragments.back();
  const uint64_t end = last.offset + last.size_bytes;
  Append32(out, kUndefinedLength, encoding.big_endian);
  AppendBytes(out, data.subspan(head.value_at, end - head.value_at));
  AppendBytes(out, Bytes{0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0});
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Bytes> WriteImage(DcmDataset& header, const SafeFile& source, const FileMeta& meta) {
  HILUM_ASSIGN_OR_RETURN(const Form form, FormOf(source.report()));
  Bytes out = MetaBytes(meta, form.uid);
  HILUM_ASSIGN_OR_RETURN(const Bytes head, HeaderBytes(header, form.header));
  AppendBytes(out, head);
  HILUM_RETURN_IF_ERROR(AppendPixels(source, form.encoding, out));
  return out;
}

}  // namespace hilum::dicom

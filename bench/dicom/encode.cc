#include "bench/dicom/encode.h"

#include "dcmtk/config/osconfig.h"
//
#include <charls/charls.h>
#include <unistd.h>

#include <cmath>
#include <filesystem>
#include <string>

#include "base/file.h"
#include "dcmtk/dcmdata/dcrleerg.h"
#include "dcmtk/dcmdata/dctk.h"
#include "dcmtk/dcmjpeg/djencode.h"
#include "dcmtk/dcmjpeg/djrplol.h"
#include "dcmtk/dcmjpeg/djrploss.h"
#include "tests/dicom/film_builder.h"

namespace hilum::bench {
namespace {

void RegisterEncoders() {
  static const bool once = [] {
    DJEncoderRegistration::registerCodecs();
    DcmRLEEncoderRegistration::registerCodecs();
    return true;
  }();
  (void)once;
}

std::vector<Uint16> Words(int bits) {
  const double white = (1 << bits) - 1;
  std::vector<Uint16> words(size_t{kRows} * kColumns);
  uint32_t noise = 1;
  for (int row = 0; row < kRows; ++row) {
    for (int column = 0; column < kColumns; ++column) {
      noise = noise * 1'664'525 + 1'013'904'223;
      const double shape = 0.5 + 0.25 * std::sin(row * 0.004) + 0.2 * std::cos(column * 0.006);
      const double grey = shape * white + static_cast<double>(noise >> 29) - 3.5;
      words[static_cast<size_t>(row) * kColumns + static_cast<size_t>(column)] =
          static_cast<Uint16>(std::min(white, std::max(0.0, grey)));
    }
  }
  return words;
}

void FillHeader(DcmDataset& data_set, int bits) {
  data_set.putAndInsertString(DCM_SOPClassUID, UID_ComputedRadiographyImageStorage);
  data_set.putAndInsertString(DCM_SOPInstanceUID, "1.2.3.4");
  data_set.putAndInsertString(DCM_StudyInstanceUID, "1.2.3.1");
  data_set.putAndInsertString(DCM_SeriesInstanceUID, "1.2.3.2");
  data_set.putAndInsertString(DCM_Modality, "CR");
  data_set.putAndInsertString(DCM_PhotometricInterpretation, "MONOCHROME2");
  data_set.putAndInsertUint16(DCM_SamplesPerPixel, 1);
  data_set.putAndInsertUint16(DCM_Rows, kRows);
  data_set.putAndInsertUint16(DCM_Columns, kColumns);
  data_set.putAndInsertUint16(DCM_BitsAllocated, bits == 8 ? 8 : 16);
  data_set.putAndInsertUint16(DCM_BitsStored, static_cast<Uint16>(bits));
  data_set.putAndInsertUint16(DCM_HighBit, static_cast<Uint16>(bits - 1));
  data_set.putAndInsertUint16(DCM_PixelRepresentation, 0);
}

void FillPixels(DcmDataset& data_set, int bits) {
  const std::vector<Uint16> words = Words(bits);
  if (bits > 8) {
    data_set.putAndInsertUint16Array(DCM_PixelData, words.data(), words.size());
    return;
  }
  const std::vector<Uint8> bytes(words.begin(), words.end());
  data_set.putAndInsertUint8Array(DCM_PixelData, bytes.data(), bytes.size());
}

// By CharLS itself: DCMTK's own, older copy of it cannot live in one process with it.
Bytes EncodeJpegLs(const dicom::Syntax& syntax) {
  const std::vector<Uint16> words = Words(12);
  charls::jpegls_encoder encoder;
  encoder.frame_info({kColumns, kRows, 12, 1}).near_lossless(syntax.lossy ? 2 : 0);
  Bytes stream(encoder.estimated_destination_size());
  encoder.destination(stream);
  stream.resize(encoder.encode(words));
  dicom::Film film(kRows, kColumns, 16, {});
  film.Short(0x00280101, {12}).Short(0x00280102, {11});
  return film.BuildCompressed(std::string(syntax.uid), {stream});
}

}  // namespace

Bytes EncodeFilm(const dicom::Syntax& syntax) {
  if (syntax.codec == dicom::Codec::kJpegLs) return EncodeJpegLs(syntax);
  RegisterEncoders();
  const int bits = syntax.name == "jpeg-baseline" ? 8 : 12;
  DcmFileFormat file;
  DcmDataset& data_set = *file.getDataset();
  FillHeader(data_set, bits);
  FillPixels(data_set, bits);
  const E_TransferSyntax xfer = DcmXfer(std::string(syntax.uid).c_str()).getXfer();
  const DJ_RPLossless lossless;
  const DJ_RPLossy lossy(90);
  const DcmRepresentationParameter* parameters =
      syntax.lossy ? static_cast<const DcmRepresentationParameter*>(&lossy) : &lossless;
  if (syntax.codec != dicom::Codec::kJpeg) parameters = nullptr;
  if (data_set.chooseRepresentation(xfer, parameters).bad() || !data_set.canWriteXfer(xfer)) {
    return {};
  }
  const fs::path path =
      fs::temp_directory_path() / ("hilum_dicom_bench_" + std::to_string(getpid()));
  const bool written = file.saveFile(path.c_str(), xfer).good();
  const Bytes bytes = written ? ReadFile(path, uint64_t{1} << 30).value_or(Bytes{}) : Bytes{};
  fs::remove(path);
  return bytes;
}

}  // namespace hilum::bench

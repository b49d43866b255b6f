// Answers of a DICOM worker that hostile bytes have taken over; and requests.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "dicom/worker_messages.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  namespace dicom = hilum::dicom;
  constexpr int kSize = 4;
  const hilum::ByteView message(bytes, size);
  const absl::StatusOr<dicom::ReadyFilm> film = dicom::DecodeAnswer(message, kSize);
  if (film.ok()) {
    HILUM_CHECK(film->fitted.values.size() == 3 * kSize * kSize);
    HILUM_CHECK(film->fitted.padding.size() == kSize * kSize);
    HILUM_CHECK(dicom::DecodeAnswer(dicom::EncodeAnswer(film), kSize).ok());
  } else {
    HILUM_CHECK(!film.status().message().empty() || size > 0);
  }
  (void)dicom::DecodeRequest(message);
  return 0;
}

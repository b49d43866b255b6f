// A transcript from a hostile server: read, and written back as it came.
#include <cstddef>
#include <cstdint>

#include "base/check.h"
#include "privacy/transcript.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const hilum::ByteView bytes(data, size);
  const auto transcript = hilum::privacy::DecodeTranscript(bytes);
  if (transcript.ok()) {
    HILUM_CHECK(hilum::privacy::EncodeTranscript(*transcript) ==
                hilum::Bytes(bytes.begin(), bytes.end()));
  }
  return 0;
}

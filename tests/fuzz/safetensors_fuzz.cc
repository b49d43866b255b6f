// A safetensors file from anywhere. What is accepted must be writable again with the same meaning.
#include "proto/safetensors.h"

#include "base/check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hilum;
  const auto file = proto::ParseSafetensors(ByteView(data, size));
  if (!file.ok()) return 0;
  HILUM_CHECK(proto::CheckModelSpec(file->spec).ok());
  HILUM_CHECK(static_cast<int64_t>(file->flat.size()) == file->spec.n_params());
  const auto again = proto::EncodeSafetensors(file->spec, file->flat, file->metadata);
  if (!again.ok()) return 0;  // a header that only fits without our padding
  const auto reread = proto::ParseSafetensorsAs(*again, file->spec);
  HILUM_CHECK(reread.ok());
  HILUM_CHECK(reread->flat == file->flat && reread->metadata == file->metadata);
  return 0;
}

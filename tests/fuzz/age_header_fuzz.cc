// Headers of age files, and whole files up to the payload.
#include <algorithm>
#include <cstdint>

#include "base/check.h"
#include "crypto/age.h"
#include "crypto/age_header.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace hilum;
  using namespace hilum::crypto;
  const ByteView bytes(data, size);
  const absl::StatusOr<AgeHeader> header = ParseAgeHeader(AsText(bytes));
  if (header.ok()) {
    HILUM_CHECK(FormatAgeHeader(*header) == AsText(bytes));
    HILUM_CHECK(!header->stanzas.empty() && header->stanzas.size() <= kAgeRecipientLimit);
  }
  const absl::StatusOr<AgeIdentity> identity = AgeIdentity::Parse(
      "AGE-SECRET-KEY-1XMWWC06LY3EE5RYTXM9MFLAZ2U56JJJ36S0MYPDRWSVLUL66MV4QX3S7F6");
  uint64_t n_bytes = 0;
  AgeReader reader(&*identity, [&n_bytes](ByteView plain) {
    n_bytes += plain.size();
    return absl::OkStatus();
  });
  const size_t half = size / 2;
  (void)reader.Append(bytes.first(half));
  (void)reader.Append(bytes.subspan(half));
  HILUM_CHECK(!reader.Finish().ok() || n_bytes <= size);
  (void)ParseAgeRecipient(AsText(bytes));
  return 0;
}

// FHIR Consent files come from other systems: whatever they hold, the answer is a value.
#include <cstdint>

#include "base/check.h"
#include "client/consent.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<hilum::client::Consent> consent = hilum::client::ParseConsent(text);
  if (!consent.ok()) return 0;
  HILUM_CHECK(!consent->patient.empty());
  HILUM_CHECK(consent->permits == consent->reason.empty());
  return 0;
}

// What a FHIR R4 Consent says about training on a patient's films. Default deny: only what is
// understood as a whole, and permits, permits (ledger.md, section 9).
#ifndef HILUM_CLIENT_CONSENT_H_
#define HILUM_CLIENT_CONSENT_H_

#include <cstdint>
#include <limits>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace hilum::client {

inline constexpr size_t kConsentLimitBytes = 256 << 10;
inline constexpr int kConsentDepthLimit = 32;

// One document, as far as it concerns training.
struct Consent {
  std::string patient;   // patient.identifier.value, else the id in patient.reference "Patient/ID"
  bool permits = false;  // within its period
  std::string reason;    // why not: a few words for the table; empty when it permits
  int64_t given_at_s = 0;                                  // dateTime; 0: not stated
  int64_t given_until_s = 0;                               // one past its span: "2026-11" is long
  int64_t starts_s = std::numeric_limits<int64_t>::min();  // of provision.period
  int64_t ends_s = std::numeric_limits<int64_t>::max();    // first second after the period
};

// Reads one document. It permits when all of these hold, and otherwise says which did not:
//   status is active; scope names research; provision.type is permit; provision.purpose, where
//   stated, names HRESCH; provision.action, where stated, names `use`; no nested provision denies
//   research use; there is no modifierExtension or implicitRules, and nothing in a provision that
//   could narrow it in a way this reader does not know (actor, class, code, data, dataPeriod,
//   securityLabel).
// FHIR R4 (4.0.1), resource Consent; times without a zone are UTC, a date lasts to its end.
// InvalidArgument: over kConsentLimitBytes or kConsentDepthLimit, not JSON, a key twice in one
// object, not a Consent, or no patient: it cannot be said whom it concerns.
absl::StatusOr<Consent> ParseConsent(absl::string_view json);

// The span of seconds that a FHIR date or dateTime covers: [first, end).
struct FhirTime {
  int64_t first_s = 0;
  int64_t end_s = 0;
};
// InvalidArgument: not YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm[:ss[.fff]](Z|+hh:mm|-hh:mm).
absl::StatusOr<FhirTime> ParseFhirTime(absl::string_view text);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_CONSENT_H_

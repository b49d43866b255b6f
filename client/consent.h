// What a FHIR Consent, R4 or R5, says about training on a patient's films. Default deny: only what
// is understood as a whole, and permits, permits (docs/site.md, section 3).
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
  // identifier.value of `patient` (R4) or `subject` (R5), else the id in its reference
  // "Patient/ID".
  std::string patient;
  bool permits = false;       // within its period
  std::string reason;         // why not: a few words for the table; empty when it permits
  int64_t given_at_s = 0;     // dateTime (R4), date (R5); 0: not stated
  int64_t given_until_s = 0;  // one past its span: a date covers a day
  int64_t starts_s = std::numeric_limits<int64_t>::min();  // of provision.period, period
  int64_t ends_s = std::numeric_limits<int64_t>::max();    // first second after the period
};

// Reads one document of FHIR R4 (4.0.1) or R5 (5.0.0), resource Consent; a parser for each, chosen
// by the elements that only one of them has. It permits when all of these hold, and otherwise says
// which did not:
//   in both: status is active; there is no modifierExtension or implicitRules.
//   R4: scope names research; provision.type is permit; provision.purpose, where stated, names
//     HRESCH; provision.action, where stated, names `use`; no nested provision denies research use;
//     nothing in a provision could narrow it in a way this reader does not know (actor, class,
//     code, data, dataPeriod, securityLabel).
//   R5: category names research; there is no grantee. With decision permit, no provision (each is
//     an exception, so it denies) could touch research. With decision deny, one provision permits
//     by itself: its purposes name HRESCH and its actions `use`, it has no other narrowing part,
//     and none of its own exceptions could touch research.
// A document with elements of both versions does not permit. Times without a zone are UTC, a date
// lasts to its end.
// InvalidArgument: over kConsentLimitBytes or kConsentDepthLimit, not JSON, a key twice in one
// object, not a Consent, or no patient, or two: it cannot be said whom it concerns.
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

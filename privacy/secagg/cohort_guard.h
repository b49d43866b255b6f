// Refuses sums that, beside earlier ones, would show a single member's vector
// (docs/secure_aggregation.md, section 11). Own construction: a conservative policy, not a proof.
#ifndef HILUM_PRIVACY_SECAGG_COHORT_GUARD_H_
#define HILUM_PRIVACY_SECAGG_COHORT_GUARD_H_

#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "crypto/sign.h"
#include "privacy/secagg/context.h"

namespace hilum::privacy::secagg {

// One sum that was, or may have been, opened: every transcript that a site signed and every sum in
// the ledger. Members by key, so that rows of different rosters compare.
struct SumRow {
  Digest model_hash{};
  std::vector<crypto::PublicKey> cohort;  // ascending
};
SumRow RowOf(const RoundConfig& config, const Indices& u3);

// PermissionDenied, one sentence: among sums on one model, (1) `next` has another cohort than an
// earlier one, but in fewer than u_min members; or (2) a combination of the sums, `next` among
// them, is one member's vector alone (the rows over F_p, p = 2^61 - 1, span a unit vector).
absl::Status CheckCohort(std::span<const SumRow> earlier, const SumRow& next, uint16_t u_min);

// The members whose unit vector the rows span, whatever their models: for the log. Across models
// one ordinary drop-out already gives one, so nothing is refused for it.
std::vector<crypto::PublicKey> ExposedMembers(std::span<const SumRow> rows);

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_COHORT_GUARD_H_

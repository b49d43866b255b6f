// What a round puts on record: its configuration and `round-open`, its model, record and
// `round-close`. Everything is fixed here before it is logged; nothing is logged here. The release
// of a job's last model is in release.h.
#ifndef HILUM_AGGREGATOR_PUBLISH_H_
#define HILUM_AGGREGATOR_PUBLISH_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "aggregator/masked_attempt.h"
#include "aggregator/outcome.h"
#include "aggregator/round.h"
#include "aggregator/state.h"
#include "base/bytes.h"
#include "crypto/age_keys.h"
#include "crypto/sign.h"
#include "ledger_anchor/chain.h"
#include "ledger_anchor/checkpoint.h"
#include "ledger_anchor/entry.h"
#include "ledger_anchor/store.h"
#include "privacy/round_config.h"
#include "privacy/unmask.h"
#include "proto/round_plan.h"

namespace hilum::aggregator {

// Who signs, and in whose name.
struct Publisher {
  const ledger_anchor::Store& store;
  const crypto::SigningKey& entry_key;
  std::string origin;
  std::array<uint8_t, 16> federation_id{};
  Digest build{};
  std::string release_key_pem;  // P-256: signs released models (release.h)
  // Null: models are not sealed. Else where sealed copies go, and for whom (seal.h).
  const ledger_anchor::Store* sealed = nullptr;
  std::vector<crypto::AgeRecipient> recipients{};
  std::vector<RoundRow> rounds{};  // of the job, where it has differential privacy (spending.h)
};

struct OpeningInputs {
  const proto::RoundPlan& plan;
  absl::string_view plan_bytes;  // canonical
  RoundId round;
  Digest base_model{};
  std::vector<RosterSite> roster;  // ascending by name
  Digest ledger_head{};            // root of the last checkpoint
  Digest previous{};               // leaf hash of the last round-close, or of genesis
  Digest optimiser_state{};        // StateAfter of the job's last round with a result
  uint16_t audit_days = 0;
  int64_t now_s = 0;
  std::optional<ledger_anchor::ConsentPin> consent{};  // PinConsents
};

// The moments that a closed round left (strategy.h), by its round-close; zeros: it left none.
// DataLoss, NotFound: its record cannot be read.
absl::StatusOr<Digest> StateAfter(const ledger_anchor::Store& store,
                                  const std::string& close_entry);

// What the round-open says of each site's active set: what the site's newest consent-batch says, as
// it stands in the log. Nobody is asked: the sites have signed it. Absent: the roster is longer
// than an entry's list (kListLimit); consents then count up to the round-open itself.
//   study  of the state that the round-open will be checked against
//   head   a signed checkpoint that covers these batches
std::optional<ledger_anchor::ConsentPin> PinConsents(const ledger_anchor::StudyState& study,
                                                     const ledger_anchor::Checkpoint& head,
                                                     const std::vector<RosterSite>& roster);

// Stores cfg and plan, and fills a row with cfg and the signed round-open.
// Errors as MakeRoundConfig (outcome.h) and Store::Put.
absl::StatusOr<RoundRow> PrepareOpening(const Publisher& publisher, const OpeningInputs& inputs);

// MaskedTotal -> RingTotal -> MeanDelta -> model v+1 -> record -> round-close. Stores model, its
// sealed copy where copies are made, and record; returns the row with the signed entry, model,
// weight and loss filled in. DataLoss: the sum or the base model contradicts the round; the
// sentence says how.
absl::StatusOr<RoundRow> PrepareClose(const Publisher& publisher, RoundRow row,
                                      const Closing& closing, privacy::MaskedTotal total,
                                      int64_t now_s);

// The same for a masked round: RingTotal -> MeanDelta -> model v+1, with the evidence in the
// record.
//   sum_object  where S is in the store
absl::StatusOr<RoundRow> PrepareMaskedClose(const Publisher& publisher, RoundRow row,
                                            const Closing& closing, const AttemptEvidence& evidence,
                                            privacy::secagg::OpenedRound opened,
                                            const Digest& sum_object, int64_t now_s);

// The round-close of a round without result: model = base model, everybody dropped.
absl::StatusOr<RoundRow> PrepareAbort(const Publisher& publisher, RoundRow row,
                                      const std::string& reason, int64_t now_s);

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_PUBLISH_H_

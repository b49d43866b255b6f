// What follows from a round's configuration and updates, and nothing else: the server computes it
// once, every auditor again. Pure; same bits everywhere.
#ifndef HILUM_AGGREGATOR_OUTCOME_H_
#define HILUM_AGGREGATOR_OUTCOME_H_

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "aggregator/round.h"
#include "aggregator/strategy.h"
#include "base/bytes.h"
#include "ledger_anchor/entry.h"
#include "privacy/round_config.h"
#include "privacy/transcript.h"
#include "privacy/unmask.h"
#include "proto/round_plan.h"
#include "proto/safetensors.h"

namespace hilum::aggregator {

struct ConfigInputs {
  const proto::RoundPlan& plan;
  absl::string_view plan_bytes;  // canonical
  RoundId round;
  Digest base_model{};
  const std::vector<RosterSite>& roster;  // ascending by name
  std::array<uint8_t, 16> federation_id{};
  Digest ledger_head{};      // root of the last checkpoint before the round
  Digest optimiser_state{};  // of the server's moments before the round; zeros: none
  uint16_t audit_days = 0;
  double epsilon_before = 0.0;  // what the job's earlier rounds spent (spending.h)
};

// cfg of a round. InvalidArgument: the plan's ring cannot hold the roster's sum, or the round is
// masked and the roster has too few sites for its quorum and u_min.
absl::StatusOr<privacy::RoundConfig> MakeRoundConfig(const ConfigInputs& inputs);

// Gives a counted site's vector, as it was signed.
using ReadVector = std::function<absl::StatusOr<Bytes>(const CountedUpdate&)>;

struct OutcomeInputs {
  const privacy::RoundConfig& config;
  uint8_t attempt = 0;
  const std::vector<CountedUpdate>& counted;  // ascending by index
  ReadVector read{};                          // for robust rules, which look at each update
};

// What stands before the masks, if any, are out of the sum.
struct RingOutcomeInputs {
  const privacy::RoundConfig& config;
  uint8_t attempt = 0;
  const privacy::Transcript& transcript;
};

struct RoundOutcome {
  privacy::Transcript transcript;
  Digest transcript_hash{};  // H(T)
  Digest ring_root{};        // root(z)
  GlobalModel model;
  uint64_t total_weight = 0;
  double mean_loss = 0.0;
  ledger_anchor::List<ledger_anchor::Metric> metrics;
};

// MaskedTotal -> RingTotal -> MeanDelta -> GlobalModel; with a robust rule the model follows from
// the updates, one by one, and the sum gives weight and loss only.
// DataLoss: the sum is not one that these members can have sent, an update is not one that a site
// can have sent, or the step left float32's range. Others as ReadVector.
absl::StatusOr<RoundOutcome> ComputeOutcome(const OutcomeInputs& inputs, privacy::MaskedTotal total,
                                            proto::SafetensorsFile base,
                                            const StepContext& context);

// The same from z, the sum without masks. DataLoss also: the sum of weights or losses is not one
// that these members can have sent.
absl::StatusOr<RoundOutcome> OutcomeOfRing(const RingOutcomeInputs& inputs, privacy::RingTotal ring,
                                           proto::SafetensorsFile base, const StepContext& context);

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_OUTCOME_H_

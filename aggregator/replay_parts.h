// What open and masked rounds have in common when they are computed again. Private to
// aggregator/replay*.
#ifndef HILUM_AGGREGATOR_REPLAY_PARTS_H_
#define HILUM_AGGREGATOR_REPLAY_PARTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "aggregator/outcome.h"
#include "aggregator/replay.h"
#include "ledger_anchor/entry.h"
#include "ledger_anchor/round_record.h"
#include "privacy/round_config.h"
#include "privacy/transcript.h"
#include "proto/round_plan.h"
#include "proto/safetensors.h"

namespace hilum::aggregator {

using ledger_anchor::RoundClose;
using ledger_anchor::RoundOpen;

// Reads objects and counts their bytes; what comes is hashed before it is used.
class Objects {
 public:
  explicit Objects(const FetchObject& fetch) : fetch_(fetch) {}

  absl::StatusOr<Bytes> Get(absl::string_view what, const Digest& digest, uint64_t limit_bytes);
  absl::StatusOr<std::vector<std::string>> Names(absl::string_view what,
                                                 const ledger_anchor::NameList& list);
  uint64_t read_bytes() const { return read_bytes_; }

 private:
  const FetchObject& fetch_;
  uint64_t read_bytes_ = 0;
};

struct Pair {
  const RoundOpen& open;
  const RoundClose& close;
};

struct Recipe {
  std::vector<RosterSite> roster;
  privacy::RoundConfig config;
  proto::RoundPlan plan;
};

// "round 3: <what>": the sentence of every failure. DataLoss.
absl::Status Differs(const RoundClose& close, absl::string_view what);
absl::Status CompareDigests(const RoundClose& close, absl::string_view what, const Digest& computed,
                            const Digest& recorded);

void Tell(const ReplayInputs& inputs, absl::string_view what, uint64_t n_done, uint64_t n_total);

absl::StatusOr<Pair> CheckPair(const ledger_anchor::Entry& open_entry,
                               const ledger_anchor::Entry& close_entry);
absl::StatusOr<RoundRecord> GetRecord(Objects& objects, const Pair& pair, absl::string_view study);
// cfg as stored is exactly what plan, roster and ledger make of it.
absl::StatusOr<Recipe> GetRecipe(Objects& objects, const ReplayInputs& inputs, const Pair& pair,
                                 const RoundRecord& record);
// Cohort and dropped lists of the close against the record, and updates.root.
absl::Status CheckCounted(Objects& objects, const Pair& pair, const RoundRecord& record,
                          const Recipe& recipe);
absl::Status CheckServerSignature(const ReplayInputs& inputs, const Pair& pair,
                                  const RoundRecord& record, const Recipe& recipe);
// H(T) of the record's transcript, in record and close.
absl::Status CheckTranscriptHash(const Pair& pair, const RoundRecord& record, const Recipe& recipe,
                                 const privacy::Transcript& transcript);
// The moments that the round starts from: those that the last round left. Empty: none.
absl::StatusOr<Bytes> GetMoments(Objects& objects, const ReplayInputs& inputs, const Pair& pair,
                                 const RoundRecord& record, const Recipe& recipe);
absl::Status CompareOutcome(const Pair& pair, const RoundRecord& record,
                            const proto::RoundPlan& plan, const RoundOutcome& outcome);
// Training films; 0 with differential privacy, where weights say nothing about films.
uint64_t FilmsOf(const privacy::RoundConfig& config, const RoundOutcome& outcome);
absl::StatusOr<proto::SafetensorsFile> GetBase(Objects& objects, const Pair& pair,
                                               const ModelSpec& spec);

// replay_masked.cc: the same for a masked round.
absl::Status ReplayMaskedRound(Objects& objects, const ReplayInputs& inputs, const Pair& pair,
                               ReplayResult& result);

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_REPLAY_PARTS_H_

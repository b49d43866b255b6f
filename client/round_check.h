// A round that is over, as one site judges it: whether it counted this site, and whether what was
// published is what the sites sent (docs/secure_aggregation.md, section 8, mode A and its cheaper
// form).
#ifndef HILUM_CLIENT_ROUND_CHECK_H_
#define HILUM_CLIENT_ROUND_CHECK_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "client/checked_round.h"
#include "client/participate.h"
#include "client/state.h"

namespace hilum::client {

// The round's CheckRecord: made and stored once, and once more when [policy] verify asks for more
// than it did then. Both entries by their proofs; the round record that the round-close pins; who
// is counted, and of this site also that the counted update is the one that it sent, with its
// receipt; of a masked round, by [policy] verify:
//   full  every signature, vote, complaint and tag, S against the tags, every opened secret, the
//         masks out of S, and the new model from the result, which is kept in models/. Where the
//         server's optimizer keeps moments the model is not derived: `verified` is then "sum"
//   sampled  the same, but the masks out of some chunks of S only, drawn afresh, and the published
//         model's parameters there; full where the server's optimizer keeps moments
//   tags  the same up to S against the tags and the opened secrets
//   none  nothing more
// T must be the one that this site voted for. A contradiction is no error: `verified` is "failed",
// the job is halted at this site, and the ledger gets an incident (bad-sum), if it can be reached.
// Errors mean that nothing was decided and nothing is stored. FailedPrecondition: the round has no
// round-close yet, a vector of it is past its retention, or this computer has no instructions for
// its masks. Internal: this site's own database or ledger folder is damaged.
// Cancelled: the flag of `context` was set. Others: as the edges
// of `context`, PermissionDenied of the gate among them.
absl::StatusOr<CheckRecord> CheckClosedRound(const RoundContext& context, const std::string& job,
                                             uint64_t round);

// OK when the model that `round` trains on is one that this site has verified: the newest round
// before it that made a model passed CheckClosedRound. Rounds in open mode, and sites with
// verify = "none", believe the ledger's proof, as does who was resumed after a failure.
// PermissionDenied: the job is halted. Others: as CheckClosedRound. DataLoss: the round starts from
// another model than that round made.
absl::Status RequireVerified(const RoundContext& context, const CheckedRound& round);

// Why this site takes no further part in the job until its operator says so; empty: it does.
absl::StatusOr<std::string> HaltReason(State& state, const std::string& job);

// `hilum site resume`: the operator goes on with what failed; the records keep the reason.
// NotFound: the job is not halted here.
absl::Status ResumeJob(State& state, const std::string& job);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_ROUND_CHECK_H_

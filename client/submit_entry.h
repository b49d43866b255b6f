// Sends an entry that this site signed to the sequencer, and believes the answer's proof only.
#ifndef HILUM_CLIENT_SUBMIT_ENTRY_H_
#define HILUM_CLIENT_SUBMIT_ENTRY_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "client/ledger_gate.h"
#include "client/rpc.h"
#include "crypto/sign.h"

namespace hilum::client {

// The index at which the pinned ledger holds `entry`, by its tlog-proof under the pinned policy.
// Unavailable: the server cannot be reached, or the witnesses have not cosigned the entry yet (send
// the same bytes again). DataLoss, PermissionDenied: as LedgerGate::CheckEntry; also when the proof
// is of another entry. Others: the server refuses the entry, with its sentence.
absl::StatusOr<uint64_t> SubmitProven(Connection& connection, LedgerGate& gate,
                                      const crypto::PublicKey& signer, const std::string& entry,
                                      int64_t now_s);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_SUBMIT_ENTRY_H_

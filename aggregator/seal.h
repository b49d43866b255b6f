// Sealed copies of models: what may leave the server's disk (docs/decisions/014-store.md).
#ifndef HILUM_AGGREGATOR_SEAL_H_
#define HILUM_AGGREGATOR_SEAL_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "crypto/age_keys.h"
#include "ledger_anchor/members.h"
#include "ledger_anchor/store.h"

namespace hilum::aggregator {

// Whom copies are sealed for: the recipient of each active member whose `join` names one, and
// `configured`; each once, ascending. FailedPrecondition: nobody.
absl::StatusOr<std::vector<crypto::AgeRecipient>> SealRecipients(
    const ledger_anchor::Members& members, const std::vector<crypto::AgeRecipient>& configured);

// The recipients of a configuration. InvalidArgument: one is none (crypto/age_keys.h).
absl::StatusOr<std::vector<crypto::AgeRecipient>> ParseRecipients(
    const std::vector<std::string>& texts);

// Encrypts `bytes` as an age v1 file into `store` and returns the address: the SHA-256 of the
// ciphertext. A second call makes another file. Errors as AgeWriter::Create and StoreWriter.
absl::StatusOr<Digest> Seal(const ledger_anchor::Store& store,
                            const std::vector<crypto::AgeRecipient>& recipients, ByteView bytes);

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_SEAL_H_

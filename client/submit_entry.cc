#include "client/submit_entry.h"

#include "base/status_macros.h"
#include "crypto/tree.h"
#include "ledger_anchor/entry.h"

namespace hilum::client {

absl::StatusOr<uint64_t> SubmitProven(Connection& connection, LedgerGate& gate,
                                      const crypto::PublicKey& signer, const std::string& text,
                                      int64_t now_s) {
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::Entry entry, ledger_anchor::ParseEntry(text));
  HILUM_ASSIGN_OR_RETURN(const EntryReceipt receipt, connection.SubmitEntry(text));
  if (receipt.proof.empty()) {
    return absl::UnavailableError(
        "the witnesses have not cosigned this site's ledger entry yet; it is sent again");
  }
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::ProvenEntry proven,
                         gate.CheckEntry(
                             receipt.proof,
                             {.type = std::string(ledger_anchor::EntryType(entry)),
                              .study = entry.study,
                              .round = {},
                              .signer = signer},
                             [&connection](uint64_t old_size, uint64_t new_size) {
                               return connection.ProveConsistency(old_size, new_size);
                             },
                             now_s));
  if (proven.place().leaf_hash == crypto::LeafHash(AsBytes(text))) return proven.place().index;
  return absl::DataLossError("the server proves another entry than the one that was sent");
}

}  // namespace hilum::client

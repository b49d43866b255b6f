// `hilum-ledger verify` and `fsck`.
#ifndef HILUM_CLI_LEDGER_VERIFY_H_
#define HILUM_CLI_LEDGER_VERIFY_H_

#include "absl/status/status.h"
#include "cli/ledger_source.h"

namespace hilum::cli {

// Verifies the whole log; with `hashes_only` the tree, the tiles and the encoding. Where the store
// lies beside the log, the models and round records that entries name are hashed too; a damaged one
// is DataLoss, missing ones are counted.
absl::Status RunVerify(const LedgerFlags& flags, bool hashes_only);

// Verifies, then compares every served file and every stored object. DataLoss: at least one fault;
// they are listed on standard output.
absl::Status RunFsck(const LedgerFlags& flags);

}  // namespace hilum::cli

#endif  // HILUM_CLI_LEDGER_VERIFY_H_

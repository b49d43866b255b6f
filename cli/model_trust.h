// The flags that say which ledger a released model is checked against.
#ifndef HILUM_CLI_MODEL_TRUST_H_
#define HILUM_CLI_MODEL_TRUST_H_

#include <string>

#include "absl/status/statusor.h"
#include "cli/cli11_status.h"
#include "client/ledger_gate.h"
#include "client/pins.h"

namespace hilum::cli {

// Adds --site, --policy, --trust-log and --entry-key.
void AddTrust(CLI::App* verb, client::PinSource& source);

// The model of a released folder, past the ledger gate. DataLoss: it does not verify.
absl::StatusOr<client::VerifiedModel> ReadRelease(const std::string& folder,
                                                  const client::PinSource& source);

}  // namespace hilum::cli

#endif  // HILUM_CLI_MODEL_TRUST_H_

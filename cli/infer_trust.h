// The flags that say which ledger a released model is checked against.
#ifndef HILUM_CLI_INFER_TRUST_H_
#define HILUM_CLI_INFER_TRUST_H_

#include <string>

#include "absl/status/statusor.h"
#include "cli/cli11_status.h"
#include "client/ledger_gate.h"
#include "client/pins.h"

namespace hilum::cli {

// Adds --site, --policy, --trust-log and --entry-key, a group of their own in the verb's help.
// `when`: what begins the group's title, where the verb does not always need a ledger.
void AddTrust(CLI::App* verb, client::PinSource& source, const std::string& when = "");

// The model of a released folder, past the ledger gate. Where no flag names a ledger, the policy
// file is $HILUM_POLICY. InvalidArgument: nothing, or several flags, say which ledger to believe.
// DataLoss: the model does not verify.
absl::StatusOr<client::VerifiedModel> ReadRelease(const std::string& folder,
                                                  client::PinSource source);

}  // namespace hilum::cli

#endif  // HILUM_CLI_INFER_TRUST_H_

#include "cli/model_trust.h"

#include "base/clock.h"
#include "base/status_macros.h"

namespace hilum::cli {

void AddTrust(CLI::App* verb, client::PinSource& source) {
  verb->add_option("--site", source.site, "Believe the ledger that this site's folder has pinned");
  verb->add_option("--policy", source.policy,
                   "Believe this tlog-policy file (default: $HILUM_POLICY)")
      ->envname("HILUM_POLICY");
  verb->add_option("--trust-log", source.trust_log, "Believe the log of this vkey");
  verb->add_option("--entry-key", source.entry_key,
                   "The aggregator's entry key, base64; with --policy or --trust-log");
}

absl::StatusOr<client::VerifiedModel> ReadRelease(const std::string& folder,
                                                  const client::PinSource& source) {
  HILUM_ASSIGN_OR_RETURN(const client::ReleasePins pins, client::ReadPins(source));
  return client::LedgerGate::AdmitRelease(folder, pins, SystemClock().NowSeconds());
}

}  // namespace hilum::cli

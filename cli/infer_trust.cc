#include "cli/infer_trust.h"

#include <cstdlib>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace hilum::cli {

void AddTrust(CLI::App* verb, client::PinSource& source, const std::string& when) {
  const std::string group =
      when + "Which ledger to believe: exactly one of --site, --policy, --trust-log";
  verb->add_option("--site", source.site, "The one that this site's folder pinned when it joined")
      ->group(group);
  verb->add_option("--policy", source.policy,
                   "The one of this tlog-policy file, from somebody you trust (default: "
                   "$HILUM_POLICY)")
      ->group(group);
  verb->add_option("--trust-log", source.trust_log, "The one of this vkey (name+id+key)")
      ->group(group);
  verb->add_option("--entry-key", source.entry_key,
                   "The aggregator's entry key, base64; with --policy or --trust-log")
      ->group(group);
  verb->add_option("--release-key", source.release_key,
                   "PEM file of the key that signs releases (release.pub of the ML lead's "
                   "credentials); without it the ledger alone says which model.sig is right")
      ->group(group);
}

absl::StatusOr<client::VerifiedModel> ReadRelease(const std::string& folder,
                                                  client::PinSource source) {
  const char* const policy = std::getenv("HILUM_POLICY");
  if (policy != nullptr && source.site.empty() && source.policy.empty() &&
      source.trust_log.empty()) {
    source.policy = policy;
  }
  std::error_code error;
  const fs::path pinned = fs::path(source.site) / "ledger" / "policy";
  if (!source.site.empty() && source.policy.empty() && source.trust_log.empty() &&
      !fs::exists(pinned, error)) {
    return absl::NotFoundError(absl::StrCat("--site ", source.site,
                                            " is not the folder of a site that has joined: there ",
                                            "is no ", pinned.string()));
  }
  HILUM_ASSIGN_OR_RETURN(const client::ReleasePins pins, client::ReadPins(source));
  return client::LedgerGate::AdmitRelease(folder, pins, SystemClock().NowSeconds());
}

}  // namespace hilum::cli

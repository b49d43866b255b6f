#include "client/pins.h"

#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/certificate.h"
#include "ledger_anchor/note.h"
#include "ledger_anchor/policy.h"

namespace hilum::client {
namespace {

absl::StatusOr<crypto::PublicKey> ParseKey(absl::string_view text) {
  return crypto::PublicKeyFromBase64(absl::StripAsciiWhitespace(text));
}

absl::StatusOr<ReleasePins> OfFile(const fs::path& policy, const std::string& entry_key) {
  ReleasePins pins;
  HILUM_ASSIGN_OR_RETURN(const std::string text,
                         ReadTextFile(policy, ledger_anchor::kPolicyLimitBytes));
  HILUM_ASSIGN_OR_RETURN(pins.policy, ledger_anchor::ParsePolicy(text));
  if (!entry_key.empty()) {
    HILUM_ASSIGN_OR_RETURN(pins.entry_key, ParseKey(entry_key));
    return pins;
  }
  const absl::StatusOr<std::string> key =
      ReadTextFile(policy.parent_path() / "aggregator.key", 1024);
  if (key.ok()) {
    HILUM_ASSIGN_OR_RETURN(pins.entry_key, ParseKey(*key));
  }
  return pins;
}

absl::StatusOr<ReleasePins> OfLog(const std::string& vkey, const std::string& entry_key) {
  ReleasePins pins;
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::VerifierKey log,
                         ledger_anchor::ParseVerifierKey(vkey));
  HILUM_ASSIGN_OR_RETURN(
      pins.policy, ledger_anchor::ParsePolicy(ledger_anchor::MakePolicyWithoutWitnesses(log)));
  if (!entry_key.empty()) {
    HILUM_ASSIGN_OR_RETURN(pins.entry_key, ParseKey(entry_key));
  }
  return pins;
}

}  // namespace

absl::StatusOr<ReleasePins> ReadPins(const PinSource& source) {
  const int n_set = !source.site.empty() + !source.policy.empty() + !source.trust_log.empty();
  if (n_set != 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        n_set == 0 ? "nothing says which ledger to believe" : "several ledgers are named",
        ": give one of --site FOLDER (a site that has joined), --policy FILE (a "
        "tlog-policy; or set HILUM_POLICY) or --trust-log VKEY."));
  }
  ReleasePins pins;
  if (!source.trust_log.empty()) {
    HILUM_ASSIGN_OR_RETURN(pins, OfLog(source.trust_log, source.entry_key));
  } else {
    const fs::path policy =
        source.site.empty() ? fs::path(source.policy) : fs::path(source.site) / "ledger" / "policy";
    HILUM_ASSIGN_OR_RETURN(pins, OfFile(policy, source.entry_key));
  }
  if (!source.release_key.empty()) {
    HILUM_ASSIGN_OR_RETURN(pins.release_key,
                           ReadTextFile(source.release_key, crypto::kCertificateLimitBytes));
  }
  pins.max_cosignature_age_s = std::numeric_limits<uint32_t>::max();
  return pins;
}

}  // namespace hilum::client

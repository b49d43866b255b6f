// `hilum-site receipt`, `disclose` and `rotate-key`.
#ifndef HILUM_CLI_SITE_CONSENT_H_
#define HILUM_CLI_SITE_CONSENT_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace hilum::cli {

struct SiteConsentFlags {
  std::string dir;
  bool json = false;
  std::string patient;  // receipt: the patient's id
  std::string study;    // receipt, disclose: the job
  std::string verify;   // receipt: verifies this file instead
  std::string out;      // file to write
  uint64_t round = 0;   // disclose
  std::string seed;
  uint64_t n_samples = 20;
};

absl::Status RunReceipt(const SiteConsentFlags& flags);
absl::Status RunDisclose(const SiteConsentFlags& flags);
absl::Status RunRotateKey(const SiteConsentFlags& flags);

}  // namespace hilum::cli

#endif  // HILUM_CLI_SITE_CONSENT_H_

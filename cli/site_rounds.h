// `hilum-site round-receipt` and `resume`.
#ifndef HILUM_CLI_SITE_ROUNDS_H_
#define HILUM_CLI_SITE_ROUNDS_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"

namespace hilum::cli {

struct SiteRoundFlags {
  std::string dir;
  bool json = false;
  uint64_t round = 0;  // round-receipt; 0: none was given
  std::string job;     // resume; round-receipt: --study
  std::string verify;  // round-receipt: verifies this file instead
  std::string out;     // file to write
};

absl::Status RunRoundReceipt(const SiteRoundFlags& flags);
absl::Status RunResume(const SiteRoundFlags& flags);

}  // namespace hilum::cli

#endif  // HILUM_CLI_SITE_ROUNDS_H_

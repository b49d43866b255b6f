// What `hilum site round-receipt` hands out and verifies: that a round counted this site's update.
// Beside it, `hilum site receipt` is a patient's (consent_desk.h).
#ifndef HILUM_CLIENT_ROUND_RECEIPTS_H_
#define HILUM_CLIENT_ROUND_RECEIPTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "client/site_folder.h"
#include "client/state.h"

namespace hilum::client {

inline constexpr uint64_t kRoundReceiptLimitBytes = 1 << 20;

struct RoundReceiptView {
  std::string study;
  uint64_t round = 0;
  std::string site;                    // empty: the ledger keeps the names as an annex
  std::string root;                    // R_i of the update, hex
  uint64_t counted = 0;                // updates that the round counts
  std::string model;                   // that it made, hex
  uint64_t index = 0;                  // of the round-close in the ledger
  int64_t logged_s = 0;                // by the server's clock
  std::vector<std::string> witnesses;  // whose cosignatures verified
  bool quorum_none = false;
};

// The stored receipt of a round, one line. NotFound: the round was not checked yet, or did not
// count this site; the sentence says which.
absl::StatusOr<std::string> RoundReceipt(State& state, const std::string& job, uint64_t round);

// Verifies a receipt under the policy that this site has pinned. Offline.
// DataLoss, PermissionDenied: as CheckUpdateReceipt.
absl::StatusOr<RoundReceiptView> VerifyRoundReceipt(const SiteFolder& folder,
                                                    const SiteOptions& options,
                                                    absl::string_view text, int64_t now_s);

}  // namespace hilum::client

#endif  // HILUM_CLIENT_ROUND_RECEIPTS_H_

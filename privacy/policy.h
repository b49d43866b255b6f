// The floors below which a site takes no part in a round (secure_aggregation.md, section 3).
#ifndef HILUM_PRIVACY_POLICY_H_
#define HILUM_PRIVACY_POLICY_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "base/bytes.h"
#include "crypto/sign.h"
#include "privacy/round_config.h"

namespace hilum::privacy {

// What a site's own policy file, ledger and model say. The server chooses none of it.
struct SiteFloors {
  std::vector<crypto::PublicKey> roster;  // keys by index, from the ledger this site has verified
  std::vector<Digest> architectures;      // the signed allow-list
  uint64_t n_params = 0;                  // of the own model
  Digest model_hash{};                    // H(model) of the file that this site loaded

  bool allow_open = false;      // may take part without masks
  uint16_t min_open_sites = 2;  // mode 0: the smallest roster
  double max_clip_l2 = 100.0;
  double max_range = 100.0;
  uint32_t max_weight = 1'000'000;
  uint16_t min_c_max = 0, min_drop_max = 0, min_quorum = 0, min_u_min = 0;  // modes 1 and 2
  double min_sigma = 0.0;    // above 0: this site asks for differential privacy
  bool needs_noise = false;  // this site keeps a privacy budget, which a round without noise breaks
};

// The ring holds the sum over the whole roster: b_x + ceil(log2 n) <= b, n * W < 2^b, and
// n * 64 * 2^16 < 2^b for the loss; with noise in the ring n * 2^(b_x-1) + 12 sigma_total <
// 2^(b-1). Checked when a plan is made and again at each site.
// InvalidArgument: the rule that is broken, with its numbers.
absl::Status CheckHeadroom(const RoundConfig& config);

// Sets value_bits to the most that CheckHeadroom allows, and the scale that follows; all else of
// the configuration is set before. InvalidArgument: as CheckHeadroom, when none fits.
absl::Status FitValueBits(RoundConfig& config);

// PermissionDenied: one sentence with the first floor that `config` is below.
absl::Status CheckPolicy(const RoundConfig& config, const SiteFloors& floors);

}  // namespace hilum::privacy

#endif  // HILUM_PRIVACY_POLICY_H_

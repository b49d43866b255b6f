// Mask keys with their signs: what a site adds, and what opened secrets take out again
// (docs/secure_aggregation.md, section 5, R2 and R5).
#ifndef HILUM_PRIVACY_SECAGG_MASKS_H_
#define HILUM_PRIVACY_SECAGG_MASKS_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/keystream.h"
#include "privacy/secagg/facts.h"
#include "privacy/secagg/keys.h"
#include "privacy/secagg/r4_messages.h"

namespace hilum::privacy::secagg {

// sigma_ij in the vector of i.
constexpr int PairSign(uint16_t i, uint16_t j) { return i < j ? 1 : -1; }

// Movable only; the keys are wiped at the end.
class SignedKeys {
 public:
  void Add(SecretKey key, int sign) { keys_.push_back({std::move(key), sign}); }
  size_t size() const { return keys_.size(); }
  // FailedPrecondition: suite 1 on a processor without AES instructions.
  absl::StatusOr<kernels::MaskKeys> Schedule(const RoundConfig& config) const;

 private:
  struct Key {
    SecretKey bytes;
    int sign;
  };
  std::vector<Key> keys_;
};

// The secrets that a round opened: b_i for all of U3, a_j for all of U2 \ U3.
struct OpenedSecrets {
  IndexedScalars b, a;
};

// DataLoss: the lists are not U3 and U2 \ U3; a b_i does not open its b_commit; an a_j does not
// give the advertised s_j^PK; the sentence names the member.
absl::Status CheckSecrets(const Facts& facts, const Indices& u3, const OpenedSecrets& opened);

// The keys that take the masks out of S, with the opposite signs: m_i of every b_i, and s_ij of
// every a_j with each i in U3 that is its neighbour. DataLoss: as CheckSecrets, which it calls.
absl::StatusOr<SignedKeys> KeysToRemove(const Facts& facts, const Indices& u3,
                                        const OpenedSecrets& opened);

}  // namespace hilum::privacy::secagg

#endif  // HILUM_PRIVACY_SECAGG_MASKS_H_

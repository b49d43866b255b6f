#include "privacy/secagg/masks.h"

#include <algorithm>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hilum::privacy::secagg {
namespace {

absl::Status False(uint16_t member, absl::string_view fault) {
  return absl::DataLossError(absl::StrCat("the opened secret of member ", member, " ", fault));
}

}  // namespace

absl::StatusOr<kernels::MaskKeys> SignedKeys::Schedule(const RoundConfig& config) const {
  std::vector<kernels::MaskKey> keys;
  keys.reserve(keys_.size());
  for (const Key& key : keys_) keys.push_back({.bytes = key.bytes.bytes(), .sign = key.sign});
  return kernels::MaskKeys::Create(keys, {.suite = static_cast<kernels::MaskSuite>(config.suite),
                                          .ring_bits = config.ring_bits});
}

absl::Status CheckSecrets(const Facts& facts, const Indices& u3, const OpenedSecrets& opened) {
  Indices dropped;
  std::set_difference(facts.u2.begin(), facts.u2.end(), u3.begin(), u3.end(),
                      std::back_inserter(dropped));
  if (IndicesOf(opened.b) != u3 || IndicesOf(opened.a) != dropped) {
    return absl::DataLossError("the opened secrets are not those of the transcript's members");
  }
  for (const IndexedScalar& b : opened.b) {
    if (SelfCommitment(*facts.context, b.index, b.value) != facts.keys.at(b.index).b_commit) {
      return False(b.index, "does not open its commitment");
    }
  }
  for (const IndexedScalar& a : opened.a) {
    const SecretKey mask_private = MaskPrivateKey(*facts.context, a.index, a.value);
    if (crypto::AgreementKeyOf(mask_private) != facts.keys.at(a.index).mask_key) {
      return False(a.index, "does not give its advertised key");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<SignedKeys> KeysToRemove(const Facts& facts, const Indices& u3,
                                        const OpenedSecrets& opened) {
  HILUM_RETURN_IF_ERROR(CheckSecrets(facts, u3, opened));
  SignedKeys keys;
  for (const IndexedScalar& b : opened.b) {
    keys.Add(SelfMaskKey(*facts.context, b.index, b.value, facts.u2_hash), -1);
  }
  for (const IndexedScalar& a : opened.a) {
    const SecretKey mask_private = MaskPrivateKey(*facts.context, a.index, a.value);
    for (const uint16_t i : facts.graph->NeighboursOf(a.index)) {
      if (!Holds(u3, i)) continue;
      HILUM_ASSIGN_OR_RETURN(SecretKey key,
                             PairMaskKey(*facts.context, {.mask_private = mask_private,
                                                          .peer = facts.keys.at(i).mask_key,
                                                          .i = i,
                                                          .j = a.index,
                                                          .u2_hash = facts.u2_hash}));
      keys.Add(std::move(key), -PairSign(i, a.index));
    }
  }
  return keys;
}

}  // namespace hilum::privacy::secagg

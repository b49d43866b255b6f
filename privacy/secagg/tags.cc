#include "privacy/secagg/tags.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "crypto/labels.h"
#include "crypto/mac.h"

namespace hilum::privacy::secagg {
namespace {

__extension__ using Wide = unsigned __int128;

uint64_t ReduceBigEndian(ByteView bytes) {
  Wide value = 0;
  for (const uint8_t byte : bytes) value = value << 8 | byte;
  return static_cast<uint64_t>(value % kernels::kTagPrime);
}

}  // namespace

kernels::TagValues ChallengeOf(const Context& context, const Digest& votes_hash) {
  kernels::TagValues challenge{};
  for (size_t m = 0; m < challenge.size(); ++m) {
    Bytes info;
    AppendU8(info, static_cast<uint8_t>(crypto::kLabelRho.size()));
    AppendText(info, crypto::kLabelRho);
    AppendBytes(info, context.rid());
    AppendU8(info, static_cast<uint8_t>(m + 1));
    challenge[m] = ReduceBigEndian(
        crypto::HkdfSha256({.key_material = votes_hash, .salt = {}, .info = info}, 16));
  }
  return challenge;
}

absl::Status CheckSum(const MaskedSum& sum, int ring_bits, std::span<const IndexedTag> tags,
                      const kernels::TagValues& challenge) {
  const uint64_t largest = tags.size() * ((uint64_t{1} << ring_bits) - 1);
  const auto above = std::find_if(sum.sums.begin(), sum.sums.end(),
                                  [largest](uint64_t value) { return value > largest; });
  if (above != sum.sums.end()) {
    return absl::DataLossError(absl::StrCat("coordinate ", above - sum.sums.begin(), " sums to ",
                                            *above, ", ", tags.size(), " vectors reach at most ",
                                            largest));
  }
  kernels::TagValues total{};
  for (const IndexedTag& tag : tags) {
    for (size_t m = 0; m < total.size(); ++m) total[m] = kernels::TagAdd(total[m], tag.values[m]);
  }
  HILUM_ASSIGN_OR_RETURN(const kernels::TagValues of_sum,
                         kernels::EvaluateTags(sum.sums, challenge, kernels::Device::kCpu));
  if (of_sum == total) return absl::OkStatus();
  return absl::DataLossError("the published sum does not fit the tags of its members");
}

std::vector<uint16_t> WrongTags(std::span<const IndexedTag> tags,
                                std::span<const std::span<const uint32_t>> vectors,
                                const kernels::TagValues& challenge) {
  HILUM_CHECK(tags.size() == vectors.size());
  std::vector<uint16_t> wrong;
  for (size_t i = 0; i < tags.size(); ++i) {
    const auto values = kernels::EvaluateTags(vectors[i], challenge, kernels::Device::kCpu);
    if (!values.ok() || *values != tags[i].values) wrong.push_back(tags[i].index);
  }
  return wrong;
}

}  // namespace hilum::privacy::secagg

#include "aggregator/masked_tags.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/tag_polynomial.h"
#include "privacy/packed_vector.h"
#include "privacy/secagg/tags.h"

namespace hilum::aggregator {

namespace secagg = privacy::secagg;

namespace {

class Tags {
 public:
  Tags(const ledger_anchor::Store& store, const std::vector<CountedUpdate>& counted,
       secagg::OpenedRound& opened)
      : store_(store),
        counted_(counted),
        opened_(opened),
        challenge_(secagg::ChallengeOf(
            *opened.facts.context,
            secagg::HashVotes(secagg::HashOf(*opened.facts.context, opened.transcript),
                              opened.votes))) {}

  // t_i of the member's stored vector.
  absl::StatusOr<kernels::TagValues> OfStored(uint16_t member) const {
    const auto update =
        std::find_if(counted_.begin(), counted_.end(),
                     [&](const CountedUpdate& one) { return one.site_index == member; });
    if (update == counted_.end()) {
      return absl::DataLossError(absl::StrCat("the vector of member ", member, " is not stored"));
    }
    const privacy::VectorLayout layout = privacy::LayoutOf(opened_.facts.context->config());
    HILUM_ASSIGN_OR_RETURN(const Bytes bytes, store_.Get(update->object, layout.size_bytes()));
    HILUM_ASSIGN_OR_RETURN(const std::vector<uint32_t> words, privacy::UnpackVector(bytes, layout));
    return kernels::EvaluateTags(words, challenge_, kernels::Device::kCpu);
  }

  absl::Status Check() const {
    std::vector<secagg::IndexedTag> tags;
    for (const secagg::MemberTag& tag : opened_.opening.tags) {
      tags.push_back({.index = tag.index, .values = tag.tag.values});
    }
    for (const uint16_t member : opened_.untagged) {
      HILUM_ASSIGN_OR_RETURN(const kernels::TagValues values, OfStored(member));
      tags.push_back({.index = member, .values = values});
    }
    const privacy::MaskedSum sum{
        .sums = opened_.sums,
        .n_members = static_cast<uint32_t>(opened_.transcript.members.size())};
    return secagg::CheckSum(sum, opened_.facts.context->config().ring_bits, tags, challenge_);
  }

  // Takes wrong tags out; returns whose they were.
  absl::StatusOr<secagg::Indices> RemoveWrong() {
    secagg::Indices wrong;
    for (const secagg::MemberTag& tag : opened_.opening.tags) {
      HILUM_ASSIGN_OR_RETURN(const kernels::TagValues values, OfStored(tag.index));
      if (values != tag.tag.values) wrong.push_back(tag.index);
    }
    std::erase_if(opened_.opening.tags,
                  [&](const secagg::MemberTag& tag) { return secagg::Holds(wrong, tag.index); });
    secagg::Indices& untagged = opened_.untagged;
    untagged.insert(untagged.end(), wrong.begin(), wrong.end());
    std::sort(untagged.begin(), untagged.end());
    return wrong;
  }

 private:
  const ledger_anchor::Store& store_;
  const std::vector<CountedUpdate>& counted_;
  secagg::OpenedRound& opened_;
  const kernels::TagValues challenge_;
};

}  // namespace

absl::StatusOr<secagg::Indices> SettleTags(const ledger_anchor::Store& store,
                                           const std::vector<CountedUpdate>& counted,
                                           secagg::OpenedRound& opened) {
  Tags tags(store, counted, opened);
  const absl::Status first = tags.Check();
  if (first.ok()) return secagg::Indices();
  if (!absl::IsDataLoss(first)) return first;
  HILUM_ASSIGN_OR_RETURN(secagg::Indices wrong, tags.RemoveWrong());
  HILUM_RETURN_IF_ERROR(tags.Check());
  return wrong;
}

}  // namespace hilum::aggregator

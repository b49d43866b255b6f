#include "privacy/secagg/verify_round.h"

#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/labels.h"
#include "privacy/secagg/masks.h"
#include "privacy/secagg/tags.h"

namespace hilum::privacy::secagg {
namespace {

template <class... Parts>
absl::Status False(const Parts&... parts) {
  return absl::DataLossError(absl::StrCat(parts...));
}

// The tag of a member that sent none, from its whole vector.
absl::StatusOr<kernels::TagValues> TagOfVector(const PublishedRound& round,
                                               const TranscriptMember& member,
                                               const kernels::TagValues& challenge) {
  if (!round.untagged) {
    return False("member ", member.index, " has neither a tag nor a published vector");
  }
  HILUM_ASSIGN_OR_RETURN(const std::vector<uint32_t> vector, round.untagged(member.index));
  const RoundConfig& config = round.facts.context->config();
  if (vector.size() != config.n_coords() ||
      UpdateRoot(vector, config.chunk_coords) != member.root) {
    return False("the published vector of member ", member.index,
                 " is not the one of the transcript");
  }
  return kernels::EvaluateTags(vector, challenge, kernels::Device::kCpu);
}

absl::StatusOr<std::vector<IndexedTag>> TagsOf(const PublishedRound& round,
                                               const Digest& transcript_hash,
                                               const Digest& votes_hash) {
  const Context& context = *round.facts.context;
  const kernels::TagValues challenge = ChallengeOf(context, votes_hash);
  std::vector<IndexedTag> tags;
  auto published = round.opening.tags.begin();
  for (const TranscriptMember& member : round.transcript.members) {
    if (round.cancel != nullptr && *round.cancel) return absl::CancelledError("stopped");
    IndexedTag tag{.index = member.index, .values = {}};
    if (published != round.opening.tags.end() && published->index == member.index) {
      HILUM_RETURN_IF_ERROR(
          context.Verify(crypto::kLabelTag, member.index,
                         TagFields(transcript_hash, votes_hash, published->tag.values),
                         published->tag.signature, "a tag"));
      tag.values = published->tag.values;
      ++published;
    } else {
      HILUM_ASSIGN_OR_RETURN(tag.values, TagOfVector(round, member, challenge));
    }
    tags.push_back(tag);
  }
  if (published != round.opening.tags.end()) {
    return False("there is a tag of member ", published->index, ", which is not of U3");
  }
  return tags;
}

}  // namespace

absl::Status VerifySum(const PublishedRound& round) {
  const Context& context = *round.facts.context;
  const RoundConfig& config = context.config();
  HILUM_RETURN_IF_ERROR(CheckTranscript(round.facts, round.transcript));
  const Digest transcript_hash = HashOf(context, round.transcript);
  HILUM_RETURN_IF_ERROR(CheckVotes(context, transcript_hash, round.votes));
  const Digest votes_hash = HashVotes(transcript_hash, round.votes);
  if (round.sums.size() != config.n_coords() ||
      SumRoot(round.sums, config) != round.transcript.sum_root) {
    return False("the published sum is not the one of the transcript");
  }
  HILUM_ASSIGN_OR_RETURN(const std::vector<IndexedTag> tags,
                         TagsOf(round, transcript_hash, votes_hash));
  const MaskedSum sum{.sums = round.sums,
                      .n_members = static_cast<uint32_t>(round.transcript.members.size())};
  return CheckSum(sum, config.ring_bits, tags, ChallengeOf(context, votes_hash));
}

absl::StatusOr<RingTotal> VerifyRound(const PublishedRound& round, kernels::Device device) {
  HILUM_RETURN_IF_ERROR(VerifySum(round));
  const RoundConfig& config = round.facts.context->config();
  const Indices u3 = MembersOf(round.transcript);
  const MaskedSum sum{.sums = round.sums, .n_members = static_cast<uint32_t>(u3.size())};
  HILUM_ASSIGN_OR_RETURN(const SignedKeys keys,
                         KeysToRemove(round.facts, u3, round.opening.secrets));
  HILUM_ASSIGN_OR_RETURN(const kernels::MaskKeys masks, keys.Schedule(config));
  HILUM_ASSIGN_OR_RETURN(RingTotal total, Unmask(sum, config, masks, device, round.cancel));
  if (RingRoot(total.words(), config.chunk_coords) != round.ring_root) {
    return False("the published result is not the sum without its masks");
  }
  if (total.words()[static_cast<size_t>(config.n_params) + 1] != u3.size()) {
    return False("the count coordinate is not the number of members");
  }
  return total;
}

}  // namespace hilum::privacy::secagg

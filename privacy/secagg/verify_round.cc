#include "privacy/secagg/verify_round.h"

#include <utility>
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
  if (vector.size() != config.n_coords() || UpdateRoot(vector, LayoutOf(config)) != member.root) {
    return False("the published vector of member ", member.index,
                 " is not the one of the transcript");
  }
  return kernels::EvaluateTags(vector, challenge, kernels::Device::kCpu);
}

// Each published tag is its member's, on this T and V, and of a member of U3.
absl::Status CheckTagSignatures(const PublishedRound& round, const Digest& transcript_hash,
                                const Digest& votes_hash) {
  const Indices u3 = MembersOf(round.transcript);
  for (const MemberTag& tag : round.opening.tags) {
    if (!Holds(u3, tag.index)) {
      return False("there is a tag of member ", tag.index, ", which is not of U3");
    }
    HILUM_RETURN_IF_ERROR(round.facts.context->Verify(
        crypto::kLabelTag, tag.index, TagFields(transcript_hash, votes_hash, tag.tag.values),
        tag.tag.signature, "a tag"));
  }
  return absl::OkStatus();
}

// A tag of each member of U3, published or of its vector.
absl::StatusOr<std::vector<IndexedTag>> TagsOf(const PublishedRound& round,
                                               const kernels::TagValues& challenge) {
  std::vector<IndexedTag> tags;
  auto published = round.opening.tags.begin();
  for (const TranscriptMember& member : round.transcript.members) {
    if (round.cancel != nullptr && *round.cancel) return absl::CancelledError("stopped");
    IndexedTag tag{.index = member.index, .values = {}};
    if (published != round.opening.tags.end() && published->index == member.index) {
      tag.values = published->tag.values;
      ++published;
    } else {
      HILUM_ASSIGN_OR_RETURN(tag.values, TagOfVector(round, member, challenge));
    }
    tags.push_back(tag);
  }
  return tags;
}

MaskedSum SumOf(const PublishedRound& round) {
  return {.sums = round.sums, .n_members = static_cast<uint32_t>(round.transcript.members.size())};
}

// That leave S.
absl::StatusOr<kernels::MaskKeys> MasksOf(const PublishedRound& round) {
  HILUM_ASSIGN_OR_RETURN(
      const SignedKeys keys,
      KeysToRemove(round.facts, MembersOf(round.transcript), round.opening.secrets));
  return keys.Schedule(round.facts.context->config());
}

}  // namespace

absl::StatusOr<VerifiedMessages> VerifyMessages(const PublishedRound& round) {
  const Context& context = *round.facts.context;
  HILUM_RETURN_IF_ERROR(CheckTranscript(round.facts, round.transcript));
  const Digest transcript_hash = HashOf(context, round.transcript);
  HILUM_RETURN_IF_ERROR(CheckVotes(context, transcript_hash, round.votes));
  const Digest votes_hash = HashVotes(transcript_hash, round.votes);
  HILUM_RETURN_IF_ERROR(CheckTagSignatures(round, transcript_hash, votes_hash));
  HILUM_RETURN_IF_ERROR(
      CheckSecrets(round.facts, MembersOf(round.transcript), round.opening.secrets));
  return VerifiedMessages(ChallengeOf(context, votes_hash));
}

absl::Status VerifySum(const PublishedRound& round, const VerifiedMessages& messages) {
  const RoundConfig& config = round.facts.context->config();
  if (round.sums.size() != config.n_coords() ||
      SumRoot(round.sums, config) != round.transcript.sum_root) {
    return False("the published sum is not the one of the transcript");
  }
  HILUM_ASSIGN_OR_RETURN(const std::vector<IndexedTag> tags, TagsOf(round, messages.challenge()));
  return CheckSum(SumOf(round), config.ring_bits, tags, messages.challenge());
}

absl::StatusOr<RingSample> VerifySampled(const PublishedRound& round,
                                         const VerifiedMessages& messages,
                                         std::vector<uint32_t> chunks, kernels::Device device) {
  HILUM_RETURN_IF_ERROR(VerifySum(round, messages));
  HILUM_ASSIGN_OR_RETURN(const kernels::MaskKeys masks, MasksOf(round));
  return RingSample::Make(SumOf(round), round.facts.context->config(), masks, std::move(chunks),
                          device, round.cancel);
}

absl::StatusOr<RingTotal> VerifyRound(const PublishedRound& round, const VerifiedMessages& messages,
                                      kernels::Device device) {
  HILUM_RETURN_IF_ERROR(VerifySum(round, messages));
  const RoundConfig& config = round.facts.context->config();
  HILUM_ASSIGN_OR_RETURN(const kernels::MaskKeys masks, MasksOf(round));
  const MaskedSum sum = SumOf(round);
  HILUM_ASSIGN_OR_RETURN(RingTotal total, Unmask(sum, config, masks, device, round.cancel));
  if (RingRoot(total.words(), config.chunk_coords) != round.ring_root) {
    return False("the published result is not the sum without its masks");
  }
  if (total.words()[static_cast<size_t>(config.n_params) + 1] != sum.n_members) {
    return False("the count coordinate is not the number of members");
  }
  return total;
}

absl::StatusOr<RingTotal> VerifyRound(const PublishedRound& round, kernels::Device device) {
  HILUM_ASSIGN_OR_RETURN(const VerifiedMessages messages, VerifyMessages(round));
  return VerifyRound(round, messages, device);
}

}  // namespace hilum::privacy::secagg

#include "privacy/secagg/tags.h"

#include <set>

#include "crypto/labels.h"
#include "crypto/mac.h"
#include "tests/privacy/secagg/fixtures.h"

namespace hilum::privacy::secagg {
namespace {

TEST(Challenge, IsHkdfOfTheVotesReducedBigEndian) {
  const ContextPtr context = ContextOf(MaskedRound(5, 10));
  const Digest votes_hash{1, 2, 3};
  const kernels::TagValues challenge = ChallengeOf(*context, votes_hash);
  for (size_t m = 0; m < 3; ++m) {
    Bytes info = {15};
    AppendText(info, "hilum/sa/v1/rho");
    AppendBytes(info, context->rid());
    AppendU8(info, static_cast<uint8_t>(m + 1));
    const Bytes wide =
        crypto::HkdfSha256({.key_material = votes_hash, .salt = {}, .info = info}, 16);
    uint64_t value = 0;  // one bit at a time
    for (int bit = 0; bit < 128; ++bit) {
      const auto at = static_cast<size_t>(bit / 8);
      value = kernels::TagAdd(kernels::TagAdd(value, value), wide[at] >> (7 - bit % 8) & 1);
    }
    EXPECT_EQ(challenge[m], value);
  }
}

TEST(Challenge, DependsOnTheVotesAndTheRound) {
  const ContextPtr context = ContextOf(MaskedRound(5, 10));
  const std::set<kernels::TagValues> seen = {
      ChallengeOf(*context, Digest{1}), ChallengeOf(*context, Digest{2}),
      ChallengeOf(*ContextOf(MaskedRound(5, 10), 1), Digest{1})};
  EXPECT_EQ(seen.size(), 3u);
}

// Every nonce moves the points: so nobody chooses them, and T was fixed before.
TEST(Challenge, EveryVoteMovesIt) {
  Federation federation(MaskedRound(5, 10));
  federation.RunTo(Federation::kVoteList);
  VoteList votes = DecodeVoteList(BodyOf(*federation.context, federation.vote_list)).value();
  const Digest before = HashVotes(Digest{}, votes);
  for (VoteEntry& vote : votes) {
    vote.nonce[31] ^= 1;
    EXPECT_NE(HashVotes(Digest{}, votes), before);
    vote.nonce[31] ^= 1;
  }
  EXPECT_NE(HashVotes(Digest{1}, votes), before);
}

TEST(CheckSum, CountsTheRangeByItsMembers) {
  const ContextPtr context = ContextOf(MaskedRound(5, 10));
  const kernels::TagValues challenge = ChallengeOf(*context, Digest{});
  const std::vector<uint32_t> largest = {0x1ffffff};
  const auto tag = kernels::EvaluateTagsReference(std::span<const uint32_t>(largest), challenge);
  const std::vector<IndexedTag> tags = {{0, tag}, {1, tag}};
  const std::vector<uint64_t> sums = {2 * 0x1ffffff};
  HILUM_EXPECT_OK(CheckSum({.sums = sums, .n_members = 2}, 25, tags, challenge));
  EXPECT_THAT(CheckSum({.sums = sums, .n_members = 2}, 24, tags, challenge),
              StatusIs(absl::StatusCode::kDataLoss, "2 vectors reach at most 33554430"));
}

}  // namespace
}  // namespace hilum::privacy::secagg

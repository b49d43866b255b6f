#include "privacy/secagg/shamir.h"

#include <map>
#include <numeric>

#include "tests/status_matchers.h"

namespace hilum::privacy::secagg {
namespace {

constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

crypto::SeededStream Stream(uint8_t seed) { return crypto::SeededStream(Digest{seed}); }

struct Shared {
  Scalar secret;
  std::vector<Share> shares;
  std::vector<Point> commitments;
};
Shared ShareOut(uint16_t n, uint16_t threshold, uint8_t seed) {
  crypto::SeededStream stream = Stream(seed);
  Shared shared;
  shared.secret = Scalar::Random(stream);
  Polynomial polynomial = Polynomial::Create(shared.secret, threshold, stream).value();
  for (uint16_t i = 0; i < n; ++i) {
    shared.shares.push_back({.index = i, .value = polynomial.ShareOf(i)});
  }
  shared.commitments = polynomial.Commitments();
  return shared;
}

std::vector<Share> Pick(const Shared& shared, uint32_t mask) {
  std::vector<Share> picked;
  for (const Share& share : shared.shares) {
    if ((mask >> share.index & 1) != 0) {
      picked.push_back({.index = share.index, .value = share.value.Copy()});
    }
  }
  return picked;
}

TEST(Shamir, AnyThresholdOfTheSharesGiveTheSecretAndNoFewer) {
  for (const uint16_t n : {3, 5, 7}) {
    for (uint16_t threshold = 2; threshold <= n; ++threshold) {
      const Shared shared = ShareOut(n, threshold, static_cast<uint8_t>(n * 10 + threshold));
      for (uint32_t mask = 0; mask < 1u << n; ++mask) {
        const std::vector<Share> picked = Pick(shared, mask);
        const auto secret = Reconstruct(picked, threshold);
        if (picked.size() < threshold) {
          EXPECT_THAT(secret, StatusIs(kInvalid, "are needed"));
        } else {
          HILUM_ASSERT_OK(secret);
          EXPECT_TRUE(*secret == shared.secret) << n << " " << threshold << " " << mask;
        }
      }
    }
  }
}

// For t - 1 shares and any candidate secret there is exactly one polynomial: so they say nothing.
TEST(Shamir, OneShareLessFitsEverySecret) {
  const Shared shared = ShareOut(5, 3, 1);
  crypto::SeededStream stream = Stream(9);
  for (int i = 0; i < 20; ++i) {
    // The value at x = 5 that makes shares 0, 1 and it a sharing of the candidate: by Lagrange.
    const Scalar candidate = Scalar::Random(stream);
    const auto at = [](uint64_t v) { return Scalar::FromInteger(v); };
    const Scalar &y1 = shared.shares[0].value, &y2 = shared.shares[1].value;
    // f(5) from f(0), f(1), f(2): 6 f(0) - 15 f(1) + 10 f(2).
    std::vector<Share> forged = Pick(shared, 0b11);
    forged.push_back({.index = 4, .value = at(6) * candidate - at(15) * y1 + at(10) * y2});
    HILUM_ASSERT_OK_AND_ASSIGN(const Scalar found, Reconstruct(forged, 3));
    EXPECT_TRUE(found == candidate);
  }
}

// Chi-squared of the low nibble of one share of a fixed secret, 15 degrees of freedom.
TEST(Shamir, AShareOfAFixedSecretIsUniform) {
  crypto::SeededStream stream = Stream(4);
  std::array<int, 16> counts{};
  constexpr int kTrials = 3200;
  for (int i = 0; i < kTrials; ++i) {
    const auto polynomial = Polynomial::Create(Scalar::FromInteger(1), 2, stream);
    ++counts[polynomial->ShareOf(0).bytes()[0] & 15];
  }
  double chi = 0;
  for (const int count : counts) chi += (count - 200.0) * (count - 200.0) / 200.0;
  EXPECT_LT(chi, 44.3);  // one in 10^4; the stream is seeded, so this is one fixed value
}

TEST(Shamir, AWrongShareIsNamedByItsCommitment) {
  for (const uint16_t threshold : {2, 4, 6}) {
    Shared shared = ShareOut(6, threshold, 30);
    for (const Share& share : shared.shares) {
      HILUM_EXPECT_OK(VerifyShare(shared.commitments, share.index, share.value));
      EXPECT_THAT(
          VerifyShare(shared.commitments, share.index, share.value + Scalar::FromInteger(1)),
          StatusIs(absl::StatusCode::kDataLoss, "does not fit its commitment"));
      const auto other = static_cast<uint16_t>((share.index + 1) % 6);
      EXPECT_FALSE(VerifyShare(shared.commitments, other, share.value).ok());
    }
    shared.commitments.pop_back();
    EXPECT_FALSE(VerifyShare(shared.commitments, 5, shared.shares[5].value).ok());
  }
  EXPECT_FALSE(VerifyShare({}, 0, Scalar()).ok());
}

TEST(Shamir, LargeIndicesVerify) {
  crypto::SeededStream stream = Stream(5);
  const Scalar secret = Scalar::Random(stream);
  HILUM_ASSERT_OK_AND_ASSIGN(const Polynomial polynomial, Polynomial::Create(secret, 3, stream));
  for (const uint16_t index : {14, 15, 499, 999}) {
    HILUM_EXPECT_OK(VerifyShare(polynomial.Commitments(), index, polynomial.ShareOf(index)));
  }
}

TEST(Shamir, RefusesWhatIsNoCommitment) {
  Shared shared = ShareOut(3, 2, 7);
  shared.commitments[1].bytes.fill(0xff);
  EXPECT_THAT(VerifyShare(shared.commitments, 0, shared.shares[0].value),
              StatusIs(kInvalid, "not the encoding"));
}

TEST(Shamir, RefusesDuplicates) {
  const Shared shared = ShareOut(3, 3, 2);
  std::vector<Share> twice = Pick(shared, 0b11);
  twice.push_back({.index = 1, .value = shared.shares[1].value.Copy()});
  EXPECT_THAT(Reconstruct(twice, 3), StatusIs(kInvalid, "two shares of member 1"));
}

TEST(Shamir, NoIndexIsTheSecretItself) {
  static_assert(ShareX(0) == 1 && ShareX(0xffff) == 0x10000);
  crypto::SeededStream stream = Stream(6);
  const Scalar secret = Scalar::Random(stream);
  HILUM_ASSERT_OK_AND_ASSIGN(const Polynomial polynomial, Polynomial::Create(secret, 2, stream));
  for (const uint32_t index : {0u, 1u, 999u, 0xffffu}) {
    EXPECT_FALSE(polynomial.ShareOf(static_cast<uint16_t>(index)) == secret);
  }
}

TEST(Shamir, ThresholdOneRefused) {
  crypto::SeededStream stream = Stream(6);
  for (const uint16_t threshold : {0, 1}) {
    EXPECT_THAT(Polynomial::Create(Scalar(), threshold, stream),
                StatusIs(kInvalid, "it is at least 2"));
  }
  EXPECT_THAT(Reconstruct({}, 0), StatusIs(kInvalid, "0 are needed"));
}

}  // namespace
}  // namespace hilum::privacy::secagg

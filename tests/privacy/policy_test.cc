#include "privacy/policy.h"

#include <cmath>
#include <functional>

#include "privacy/accountant.h"
#include "privacy/quantize.h"
#include "tests/privacy/fixtures.h"
#include "tests/status_matchers.h"

namespace hilum::privacy {
namespace {

constexpr auto kRefused = absl::StatusCode::kPermissionDenied;
constexpr auto kInvalid = absl::StatusCode::kInvalidArgument;

SiteFloors FloorsFor(const RoundConfig& config) {
  SiteFloors floors;
  for (const RosterEntry& entry : config.roster) floors.roster.push_back(entry.key);
  floors.architectures = {Digest{}, config.architecture_digest};
  floors.n_params = config.n_params;
  floors.model_hash = config.model_hash;
  floors.allow_open = true;
  floors.max_weight = 1000;
  return floors;
}

RoundConfig MaskedRound(uint16_t n) {
  RoundConfig config = OpenRound(n, 100, true);
  config.mode = RoundMode::kMaskedMean;
  config.suite = Suite::kAes256Ctr;
  config.c_max = n / 5;
  config.quorum = static_cast<uint16_t>(2 * n / 3 + 1);
  config.u_min = static_cast<uint16_t>(std::max(5, (2 * n + 2) / 3));
  config.drop_max = 1;
  config.share_proof = ShareProof::kFeldman;
  return config;
}

// What the round, changed by `change`, is told by a site that took the unchanged one.
template <class Change>
absl::Status After(RoundConfig config, Change change) {
  const SiteFloors floors = FloorsFor(config);
  EXPECT_TRUE(CheckPolicy(config, floors).ok()) << CheckPolicy(config, floors);
  change(config);
  return CheckPolicy(config, floors);
}

// What a site whose floors are changed by `change` tells an unchanged round.
template <class Change>
absl::Status WithFloors(const RoundConfig& config, Change change) {
  SiteFloors floors = FloorsFor(config);
  EXPECT_TRUE(CheckPolicy(config, floors).ok()) << CheckPolicy(config, floors);
  change(floors);
  return CheckPolicy(config, floors);
}

TEST(CheckPolicy, TakesARoundWithinTheFloors) {
  for (const uint16_t n : {2, 6, 500}) {
    const RoundConfig config = OpenRound(n, 100, true);
    HILUM_EXPECT_OK(CheckPolicy(config, FloorsFor(config)));
  }
  for (const uint16_t n : {6, 50, 500}) {
    HILUM_EXPECT_OK(CheckPolicy(MaskedRound(n), FloorsFor(MaskedRound(n))));
  }
}

TEST(CheckPolicy, SwappedPublicKeyRefused) {
  EXPECT_THAT(After(OpenRound(3, 100, true),
                    [](RoundConfig& c) { c.roster[1].key = MemberKey(9).public_key(); }),
              StatusIs(kRefused, "key of member 1 is not the one in the ledger"));
}

TEST(CheckPolicy, RosterOtherThanTheLedgersRefused) {
  EXPECT_THAT(After(OpenRound(3, 100, true), [](RoundConfig& c) { c.roster.pop_back(); }),
              StatusIs(kRefused, "lists 2 members, the ledger 3"));
  EXPECT_THAT(After(OpenRound(3, 100, true),
                    [](RoundConfig& c) { c.roster.push_back({.index = 3, .key = {}}); }),
              StatusIs(kRefused, "lists 4 members, the ledger 3"));
}

TEST(CheckPolicy, ArchitectureThatIsNotOnTheListRefused) {
  EXPECT_THAT(After(OpenRound(3, 100), [](RoundConfig& c) { c.architecture_digest[31] ^= 1; }),
              StatusIs(kRefused, "is not on this site's list"));
}

TEST(CheckPolicy, OtherModelRefused) {
  EXPECT_THAT(After(OpenRound(3, 100), [](RoundConfig& c) { c.model_hash[0] ^= 1; }),
              StatusIs(kRefused, "another model than this site loaded"));
  EXPECT_THAT(After(OpenRound(3, 100), [](RoundConfig& c) { c.n_params = 101; }),
              StatusIs(kRefused, "101 parameters, this site's model has 100"));
}

TEST(CheckPolicy, OpenRoundNeedsTheSitesPermission) {
  EXPECT_THAT(WithFloors(OpenRound(3, 100), [](SiteFloors& f) { f.allow_open = false; }),
              StatusIs(kRefused, "allow_open = false"));
  HILUM_EXPECT_OK(WithFloors(MaskedRound(6), [](SiteFloors& f) { f.allow_open = false; }));
}

TEST(CheckPolicy, SuiteAndModeMustAgree) {
  EXPECT_THAT(After(OpenRound(3, 100), [](RoundConfig& c) { c.suite = Suite::kChaCha20; }),
              StatusIs(kRefused, "is open, but names mask suite 2"));
  EXPECT_THAT(After(MaskedRound(6), [](RoundConfig& c) { c.suite = Suite::kNone; }),
              StatusIs(kRefused, "is masked, but names no mask suite"));
}

TEST(CheckPolicy, OpenRoundBelowTheSmallestCohortRefused) {
  EXPECT_THAT(WithFloors(OpenRound(3, 100), [](SiteFloors& f) { f.min_open_sites = 4; }),
              StatusIs(kRefused, "lists 3 members, this site wants 4"));
}

TEST(CheckPolicy, ModulusTwoRefused) {
  for (const int bits : {0, 1, 15, 33, 255}) {
    EXPECT_THAT(
        After(OpenRound(3, 100), [&](RoundConfig& c) { c.ring_bits = static_cast<uint8_t>(bits); }),
        StatusIs(kRefused, "it has 16 to 32"));
  }
}

TEST(CheckPolicy, ClipBillionRefused) {
  const double billion = 1e9;
  for (const double clip : {0.0, -1.0, billion, std::nan(""), HUGE_VAL}) {
    EXPECT_THAT(After(OpenRound(3, 100), [&](RoundConfig& c) { c.clip_l2 = clip; }),
                StatusIs(kRefused, "the clip norm"));
  }
  for (const double range : {0.0, -1.0, billion, std::nan(""), HUGE_VAL}) {
    EXPECT_THAT(After(OpenRound(3, 100), [&](RoundConfig& c) { c.range = range; }),
                StatusIs(kRefused, "the range"));
  }
}

TEST(CheckPolicy, ScaleThatDoesNotFollowFromTheRangeRefused) {
  EXPECT_THAT(
      After(OpenRound(3, 100), [](RoundConfig& c) { c.scale = std::nextafter(c.scale, 0); }),
      StatusIs(kRefused, "does not follow from range 1"));
  EXPECT_THAT(After(OpenRound(3, 100), [](RoundConfig& c) { c.scale = std::nan(""); }),
              StatusIs(kRefused, "does not follow"));
}

TEST(CheckPolicy, WeightsAboveTheFloorRefused) {
  EXPECT_THAT(After(OpenRound(3, 100), [](RoundConfig& c) { c.max_weight = 1001; }),
              StatusIs(kRefused, "the largest weight 1001 is above this site's 1000"));
}

TEST(CheckPolicy, ShapesThatThisVersionLacksRefused) {
  EXPECT_THAT(After(OpenRound(3, 100), [](RoundConfig& c) { c.n_extras = 2; }),
              StatusIs(kRefused, "asks for 2 extra coordinates"));
  EXPECT_THAT(After(OpenRound(3, 100), [](RoundConfig& c) { c.chunk_coords = 1; }),
              StatusIs(kRefused, "chunks of 1,"));
  EXPECT_THAT(After(OpenRound(3, kMaxCoords - 3), [](RoundConfig&) {}), IsOk());
  RoundConfig long_config = OpenRound(3, kMaxCoords - 2);
  EXPECT_THAT(CheckPolicy(long_config, FloorsFor(long_config)),
              StatusIs(kRefused, "the limit is 4294967293"));
}

TEST(CheckPolicy, NoiseIsNeitherMissingNorInvented) {
  EXPECT_THAT(WithFloors(OpenRound(3, 100), [](SiteFloors& f) { f.min_sigma = 0.5; }),
              StatusIs(kRefused, "adds no noise, this site's policy wants sigma of at least 0.5"));
  EXPECT_THAT(
      After(OpenRound(3, 100), [](RoundConfig& c) { c.mechanism = NoiseMechanism::kSkellam; }),
      StatusIs(kRefused, "noise mechanism 2, this version adds none"));
}

// A masked round of six with noise; values leave room for it.
RoundConfig PrivateRound(PrivacyUnit unit) {
  RoundConfig config = MaskedRound(6);
  config.unit = unit;
  config.mechanism = NoiseMechanism::kDiscreteGaussian;
  config.sigma = 2.0;
  config.delta = 1e-5;
  config.accountant = kRdpAccountant;
  EXPECT_TRUE(FitValueBits(config).ok());
  return config;
}

TEST(CheckPolicy, NoiseIsWhatTheSiteAsksFor) {
  for (const PrivacyUnit unit : {PrivacyUnit::kSilo, PrivacyUnit::kRecord}) {
    const RoundConfig config = PrivateRound(unit);
    HILUM_EXPECT_OK(WithFloors(config, [](SiteFloors& f) {
      f.min_sigma = 2.0;
      f.needs_noise = true;
    }));
    EXPECT_THAT(WithFloors(config, [](SiteFloors& f) { f.min_sigma = 2.5; }),
                StatusIs(kRefused, "multiplier 2 is not above 0 and at least this site's 2.5"));
    EXPECT_THAT(After(config, [](RoundConfig& c) { c.sigma = std::nan(""); }),
                StatusIs(kRefused, "nan"));
    EXPECT_THAT(After(config, [](RoundConfig& c) { c.delta = 0; }),
                StatusIs(kRefused, "claims delta 0"));
    EXPECT_THAT(After(config, [](RoundConfig& c) { c.epsilon_before = std::nan(""); }),
                StatusIs(kRefused, "epsilon nan"));
    EXPECT_THAT(After(config, [](RoundConfig& c) { c.accountant = 9; }),
                StatusIs(kRefused, "accountant 9"));
  }
  EXPECT_THAT(After(PrivateRound(PrivacyUnit::kRecord),
                    [](RoundConfig& c) { c.unit = PrivacyUnit::kNone; }),
              StatusIs(kRefused, "names no unit"));
}

TEST(CheckPolicy, AClipWithoutNoiseClaimsNoDifferentialPrivacy) {
  EXPECT_THAT(After(OpenRound(3, 100), [](RoundConfig& c) { c.unit = PrivacyUnit::kRecord; }),
              StatusIs(kRefused, "claims differential privacy of unit record and adds no noise"));
  EXPECT_THAT(After(OpenRound(3, 100), [](RoundConfig& c) { c.delta = 1e-5; }),
              StatusIs(kRefused, "adds no noise"));
  EXPECT_THAT(WithFloors(OpenRound(3, 100), [](SiteFloors& f) { f.needs_noise = true; }),
              StatusIs(kRefused, "no privacy budget covers that"));
}

TEST(CheckPolicy, NoiseOfASiloNeedsMasksAndRoom) {
  EXPECT_THAT(After(OpenRound(6, 100),
                    [](RoundConfig& c) {
                      const RoundConfig with = PrivateRound(PrivacyUnit::kSilo);
                      c.unit = with.unit;
                      c.mechanism = with.mechanism;
                      c.sigma = with.sigma;
                      c.delta = with.delta;
                      c.accountant = with.accountant;
                    }),
              StatusIs(kRefused, "no distributed noise"));
  EXPECT_THAT(After(PrivateRound(PrivacyUnit::kSilo), [](RoundConfig& c) { c.sigma = 7.5; }),
              StatusIs(kRefused, "12 sigma is"));
}

TEST(CheckPolicy, QuorumThatLetsTwoTranscriptsWinRefused) {
  // n = 6, c_max = 1: two quorums of 4 share 2 members, one of them honest; of 3, none.
  HILUM_EXPECT_OK(After(MaskedRound(6), [](RoundConfig& c) { c.quorum = 4; }));
  EXPECT_THAT(After(MaskedRound(6), [](RoundConfig& c) { c.quorum = 3; }),
              StatusIs(kRefused, "lets 1 colluders vote for two transcripts"));
  EXPECT_THAT(After(MaskedRound(6), [](RoundConfig& c) { c.quorum = 7; }),
              StatusIs(kRefused, "is above the 6 members"));
}

TEST(CheckPolicy, CohortBelowFloorRefused) {
  EXPECT_THAT(After(MaskedRound(6), [](RoundConfig& c) { c.u_min = 2; }),
              StatusIs(kRefused, "u_min 2 leaves fewer than two honest members"));
  EXPECT_THAT(After(MaskedRound(6), [](RoundConfig& c) { c.u_min = 7; }),
              StatusIs(kRefused, "is above the 6 members"));
  const RoundConfig config = MaskedRound(10);  // c_max 2, drop_max 1, quorum 7, u_min 7
  EXPECT_THAT(WithFloors(config, [](SiteFloors& f) { f.min_c_max = 3; }),
              StatusIs(kRefused, "c_max is 2, this site wants at least 3"));
  EXPECT_THAT(WithFloors(config, [](SiteFloors& f) { f.min_drop_max = 2; }),
              StatusIs(kRefused, "drop_max is 1"));
  EXPECT_THAT(WithFloors(config, [](SiteFloors& f) { f.min_quorum = 8; }),
              StatusIs(kRefused, "quorum is 7"));
  EXPECT_THAT(WithFloors(config, [](SiteFloors& f) { f.min_u_min = 8; }),
              StatusIs(kRefused, "u_min is 7"));
}

TEST(CheckPolicy, GroupsThatColludersOutnumberRefused) {
  RoundConfig config = MaskedRound(20);
  config.mode = RoundMode::kGrouped;
  config.group_size = 8;
  config.c_max = 5;  // t = 6
  config.quorum = 14;
  HILUM_EXPECT_OK(CheckPolicy(config, FloorsFor(config)));
  EXPECT_THAT(After(config, [](RoundConfig& c) { c.c_max = 6; }),
              StatusIs(kRefused, "groups of 8 do not stand 6 colluders"));
  for (const int size : {0, 7, 21}) {
    EXPECT_THAT(After(config, [&](RoundConfig& c) { c.group_size = static_cast<uint16_t>(size); }),
                StatusIs(kRefused, "groups of"));
  }
}

TEST(CheckHeadroom, ValuesMayUseWhatTheSitesLeave) {
  for (const uint16_t n : {1, 2, 3, 4, 5, 8, 9, 50, 500}) {
    RoundConfig config = OpenRound(n, 1);
    HILUM_EXPECT_OK(CheckHeadroom(config));
    ++config.value_bits;
    EXPECT_THAT(CheckHeadroom(config), StatusIs(kInvalid, "do not fit a ring of 32 bits"));
    EXPECT_THAT(CheckHeadroom(config),
                StatusIs(kInvalid, "value_bits + ceil(log2(sites)) <= ring_bits"));
    config.value_bits = 1;
    EXPECT_THAT(CheckHeadroom(config), StatusIs(kInvalid, "values of 1 bits"));
  }
  EXPECT_EQ(MaxValueBits(32, 50), 26);  // the examples of secure_aggregation.md, section 6
  EXPECT_EQ(MaxValueBits(32, 500), 23);
  EXPECT_EQ(MaxValueBits(32, 1), 32);
}

TEST(CheckHeadroom, TheSumOfWeightsMustFit) {
  RoundConfig config = OpenRound(5, 1);
  config.max_weight = 0xffffffffu / 5;
  HILUM_EXPECT_OK(CheckHeadroom(config));
  config.max_weight = 0xffffffffu / 5 + 1;
  EXPECT_THAT(CheckHeadroom(config), StatusIs(kInvalid, "weights up to 858993460 from 5 sites"));
  EXPECT_THAT(CheckHeadroom(config), StatusIs(kInvalid, "sites * max_weight < 2^ring_bits"));
  config.max_weight = 0;
  EXPECT_THAT(CheckHeadroom(config), StatusIs(kInvalid, "weights up to 0"));
}

TEST(CheckHeadroom, TheSumOfLossesMustFit) {
  RoundConfig config = OpenRound(7, 1);
  config.ring_bits = 25;
  config.value_bits = 16;
  HILUM_EXPECT_OK(CheckHeadroom(config));
  config.roster.push_back({.index = 7, .key = {}});  // 8 * 2^22 = 2^25
  EXPECT_THAT(CheckHeadroom(config), StatusIs(kInvalid, "losses of 8 sites"));
  EXPECT_THAT(CheckHeadroom(config), StatusIs(kInvalid, "sites * 64 * 2^16 < 2^ring_bits"));
}

TEST(CheckHeadroom, ARoundHasMembers) {
  RoundConfig config = OpenRound(1, 1);
  config.roster.clear();
  EXPECT_THAT(CheckHeadroom(config), StatusIs(kInvalid, "lists no members"));
}

}  // namespace
}  // namespace hilum::privacy

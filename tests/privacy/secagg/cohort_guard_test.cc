#include "privacy/secagg/cohort_guard.h"

#include <numeric>

#include "tests/privacy/secagg/fixtures.h"

namespace hilum::privacy::secagg {
namespace {

constexpr auto kRefused = absl::StatusCode::kPermissionDenied;

class CohortGuard : public ::testing::Test {
 protected:
  SumRow Row(const Indices& cohort, uint8_t model = 1) const {
    SumRow row = RowOf(config_, cohort);
    row.model_hash = Digest{model};
    return row;
  }
  static Indices Range(uint16_t first, uint16_t last) {
    Indices indices(last - first);
    std::iota(indices.begin(), indices.end(), first);
    return indices;
  }
  const RoundConfig config_ = MaskedRound(20, 10);
};

TEST_F(CohortGuard, TheSameCohortMayBeSummedAgain) {
  const std::vector<SumRow> earlier = {Row(Range(0, 20))};
  HILUM_EXPECT_OK(CheckCohort(earlier, Row(Range(0, 20)), 5));
}

TEST_F(CohortGuard, AnotherCohortDiffersInAtLeastTheFloor) {
  const std::vector<SumRow> earlier = {Row(Range(0, 20))};
  for (uint16_t left_out = 1; left_out < 5; ++left_out) {
    EXPECT_THAT(CheckCohort(earlier, Row(Range(left_out, 20)), 5),
                StatusIs(kRefused, "differs from an earlier one"));
  }
  HILUM_EXPECT_OK(CheckCohort(earlier, Row(Range(5, 20)), 5));
}

// Pairwise far apart, together one vector alone: {0..8}, {5..13} and {0..4, 9..13} ... and a
// fourth.
TEST_F(CohortGuard, ACombinationThatShowsOneMemberIsRefused) {
  // {0..9} + {0, 10..18} - {1..18} = 2 * {0}.
  Indices with_zero = Range(10, 19);
  with_zero.insert(with_zero.begin(), 0);
  const std::vector<SumRow> earlier = {Row(Range(0, 10)), Row(with_zero)};
  HILUM_EXPECT_OK(CheckCohort({earlier.data(), 1}, earlier[1], 5));
  EXPECT_THAT(CheckCohort(earlier, Row(Range(1, 19)), 5),
              StatusIs(kRefused, "give one member's vector alone"));
  EXPECT_EQ(ExposedMembers(std::vector<SumRow>{earlier[0], earlier[1], Row(Range(1, 19))}),
            (std::vector<crypto::PublicKey>{config_.roster[0].key}));
}

TEST_F(CohortGuard, AcrossModelsItTellsAndDoesNotRefuse) {
  const std::vector<SumRow> rows = {Row(Range(0, 20), 1), Row(Range(1, 20), 2)};
  HILUM_EXPECT_OK(CheckCohort({rows.data(), 1}, rows[1], 5));
  EXPECT_EQ(ExposedMembers(rows), (std::vector<crypto::PublicKey>{config_.roster[0].key}));
}

TEST_F(CohortGuard, ASumOfOneIsRefusedAtOnce) {
  EXPECT_THAT(CheckCohort({}, Row({3}), 5), StatusIs(kRefused, "one member's vector"));
  EXPECT_TRUE(ExposedMembers({}).empty());
}

// Against a slow search over all combinations with coefficients -2..2.
TEST_F(CohortGuard, EqualsTheSearchForSmallCases) {
  crypto::SeededStream stream(Digest{8});
  for (int trial = 0; trial < 300; ++trial) {
    std::vector<SumRow> rows;
    std::array<std::array<int, 4>, 3> matrix{};
    for (auto& values : matrix) {
      Indices cohort;
      for (uint16_t i = 0; i < 4; ++i) {
        values[i] = static_cast<int>(stream.Below(2));
        if (values[i] == 1) cohort.push_back(i);
      }
      rows.push_back(Row(cohort));
    }
    bool exposed = false;
    for (int code = 0; code < 125; ++code) {
      const int c[] = {code % 5 - 2, code / 5 % 5 - 2, code / 25 - 2};
      int n_set = 0;
      for (size_t i = 0; i < 4; ++i) {
        n_set += c[0] * matrix[0][i] + c[1] * matrix[1][i] + c[2] * matrix[2][i] != 0;
      }
      exposed = exposed || n_set == 1;
    }
    EXPECT_EQ(!ExposedMembers(rows).empty(), exposed) << "trial " << trial;
  }
}

}  // namespace
}  // namespace hilum::privacy::secagg

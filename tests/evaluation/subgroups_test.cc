#include "evaluation/subgroups.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "evaluation/report.h"
#include "tests/status_matchers.h"

namespace hilum::evaluation {
namespace {

constexpr double kTolerance = 1e-12;
const std::vector<OperatingPoint> kPoints{{0, 0.6}, {1, 0.4}};

// 160 cases of two classes and two sites that follow from their number.
Predictions NumberedCases() {
  Predictions p;
  p.n_classes = 2;
  for (int i = 0; i < 160; ++i) {
    const int label = i * 7 % 11 < 4 ? 1 : 0;
    const double of_one = (i * 37 + 20 * label) % 67 / 100.0;
    p.labels.push_back(label);
    p.probabilities.insert(p.probabilities.end(), {1 - of_one, of_one});
    p.sites.push_back(i % 3 != 0 ? "hospital-a" : "hospital-b");
  }
  return p;
}

std::vector<CaseFacts> NumberedFacts() {
  std::vector<CaseFacts> facts;
  for (int i = 0; i < 160; ++i) {
    CaseFacts of_case{.sex = i % 3 != 0 ? "female" : "male", .view = i < 155 ? "PA" : "AP"};
    if (i % 2 == 0) of_case.age_years = i < 100 ? 45.0 : 81.0;
    facts.push_back(of_case);
  }
  return facts;
}

Subgroup Find(const std::vector<Subgroup>& groups, const std::string& by,
              const std::string& group) {
  const auto found = std::ranges::find_if(
      groups, [&](const Subgroup& one) { return one.by == by && one.group == group; });
  return found == groups.end() ? Subgroup{} : *found;
}

// Expected: the definition (DeLong 1988, pairwise comparisons; Wilson 1927) in numpy 2.4.6.
TEST(Subgroups, AgreeWithTheDefinitions) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto groups,
                             EvaluateSubgroups(NumberedCases(), NumberedFacts(), kPoints));
  const Subgroup female = Find(groups, "sex", "female");
  EXPECT_EQ(female.n, 106);
  ASSERT_EQ(female.auroc.size(), 2u);
  EXPECT_NEAR(female.auroc[1].value, 0.49375, kTolerance);
  EXPECT_NEAR(female.auroc[1].ci95.low, 0.3792149593649784, kTolerance);
  EXPECT_NEAR(female.auroc[1].ci95.high, 0.6082850406350216, kTolerance);
  EXPECT_EQ(female.auroc[1].method, "delong");
  EXPECT_EQ(female.sensitivity[1].value, 16.0 / 40);
  EXPECT_EQ(female.sensitivity[1].n, 40);
  EXPECT_NEAR(female.predictive_value[1].value, 16.0 / 42, kTolerance);
  EXPECT_NEAR(female.predictive_value[1].ci95.low, 0.24999725763955144, kTolerance);
  EXPECT_NEAR(female.predictive_value[1].ci95.high, 0.5318595973284732, kTolerance);
  const Subgroup male = Find(groups, "sex", "male");
  EXPECT_EQ(male.n, 54);
  EXPECT_NEAR(male.auroc[1].ci95.low, 0.2751895846040473, kTolerance);
  EXPECT_EQ(Find(groups, "age", "40 to 59").n, 50);
  EXPECT_EQ(Find(groups, "age", "80 and older").n, 30);
  EXPECT_EQ(Find(groups, "age", "unknown").n, 80);
}

TEST(Subgroups, ATinyGroupGetsNoFigure) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto groups,
                             EvaluateSubgroups(NumberedCases(), NumberedFacts(), kPoints));
  const Subgroup male = Find(groups, "sex", "male");
  EXPECT_EQ(FormatEstimate(male.sensitivity[1]), "missing");       // of 19 cases
  EXPECT_EQ(FormatEstimate(male.predictive_value[1]), "missing");  // of 22
  EXPECT_NE(FormatEstimate(male.sensitivity[0]), "missing");       // of 35
  const Subgroup ap = Find(groups, "view", "AP");                  // five cases
  EXPECT_EQ(ap.n, 0);
  ASSERT_EQ(ap.auroc.size(), 2u);
  EXPECT_EQ(FormatEstimate(ap.auroc[1]), "missing");
  const nlohmann::json json = nlohmann::json::parse(ToJson(groups, {"normal", "pneumonia"}));
  EXPECT_EQ(json.back()["group"], "AP");
  EXPECT_TRUE(json.back()["n"].is_null());
  EXPECT_TRUE(json.back()["auroc"]["pneumonia"].is_null());
  EXPECT_EQ(json[0]["n"], 106);
  EXPECT_EQ(json[0]["sensitivity"]["pneumonia"]["n"], 40);
}

TEST(Subgroups, AnAurocNeedsTenOfEachSide) {
  Predictions p = NumberedCases();
  for (int64_t i = 0; i < p.n(); ++i) {
    if (i >= 30) p.labels[i] = 0;
  }
  const int64_t of_one = std::ranges::count(p.labels, 1);
  ASSERT_GT(of_one, kMinOfClassInSubgroup);
  const std::vector<CaseFacts> same(160);
  HILUM_ASSERT_OK_AND_ASSIGN(auto groups, EvaluateSubgroups(p, same, kPoints));
  EXPECT_NE(FormatEstimate(Find(groups, "sex", "unknown").auroc[1]), "missing");
  for (int64_t i = 0, left = of_one; left >= kMinOfClassInSubgroup; ++i) {
    left -= p.labels[i];
    p.labels[i] = 0;
  }
  HILUM_ASSERT_OK_AND_ASSIGN(groups, EvaluateSubgroups(p, same, kPoints));
  EXPECT_EQ(FormatEstimate(Find(groups, "sex", "unknown").auroc[1]), "missing");
}

TEST(Subgroups, RefuseFactsThatDoNotFit) {
  std::vector<CaseFacts> facts = NumberedFacts();
  facts.pop_back();
  EXPECT_THAT(EvaluateSubgroups(NumberedCases(), facts, kPoints),
              StatusIs(absl::StatusCode::kInvalidArgument, "there are 159 and 2"));
}

TEST(AgeBand, StartsAtItsFirstYear) {
  EXPECT_EQ(AgeBand(17.9), "under 18");
  EXPECT_EQ(AgeBand(18), "18 to 39");
  EXPECT_EQ(AgeBand(80), "80 and older");
  EXPECT_EQ(AgeBand(std::nullopt), "");
}

TEST(OperatingPoint, IsJudgedOnAllCasesAndOnEachSite) {
  HILUM_ASSERT_OK_AND_ASSIGN(const auto rows, JudgeBySite(NumberedCases(), kPoints));
  ASSERT_EQ(rows.size(), 6u);
  EXPECT_EQ(rows[1].films, "all");
  EXPECT_EQ(rows[1].point.k, 1);
  EXPECT_EQ(rows[1].at.sensitivity.value, 22.0 / 59);
  EXPECT_NEAR(rows[1].at.positive_predictive_value.ci95.low, 0.23923142078441, 1e-10);
  EXPECT_EQ(rows[3].films, "hospital-a");
  EXPECT_EQ(rows[3].at.sensitivity.value, 16.0 / 40);
  EXPECT_EQ(rows[5].films, "hospital-b");
  EXPECT_EQ(rows[5].at.specificity.value, 19.0 / 35);
  Predictions few = NumberedCases();
  for (int64_t i = 0; i < few.n(); ++i) few.sites[i] = i < 20 ? "small" : "large";
  HILUM_ASSERT_OK_AND_ASSIGN(const auto without_small, JudgeBySite(few, kPoints));
  EXPECT_EQ(without_small.size(), 4u);
  EXPECT_EQ(without_small.back().films, "large");
}

TEST(OperatingPoint, SeveralFilmsOfAPatientAreNotIndependent) {
  Predictions p = NumberedCases();
  for (int64_t i = 0; i < p.n(); ++i) p.patients.push_back(absl::StrCat(i / 2));
  HILUM_ASSERT_OK_AND_ASSIGN(const AtPoint at, JudgeAt(p, kPoints[1]));
  EXPECT_EQ(at.specificity.method, "wilson by patient");
}

}  // namespace
}  // namespace hilum::evaluation

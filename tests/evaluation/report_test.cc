#include "evaluation/report.h"

#include <nlohmann/json.hpp>

#include "tests/evaluation/cases.h"
#include "tests/status_matchers.h"

namespace hilum::evaluation {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

const std::vector<std::string> kClasses{"normal", "pneumonia"};

TEST(FormatEstimate, PrintsValueIntervalAndN) {
  EXPECT_EQ(FormatEstimate({0.8731, {0.8009, 0.9214}, 126, "wilson"}),
            "0.873 [0.801, 0.921] n=126");
}

TEST(FormatEstimate, ANumberWithoutNOrIntervalDoesNotPrint) {
  EXPECT_EQ(FormatEstimate({}), "missing");
  EXPECT_EQ(FormatEstimate({0.9, {0.8, 1.0}, 0, "wilson"}), "missing");
  EXPECT_EQ(FormatEstimate({0.9, {}, 126, "wilson"}), "missing");
  EXPECT_EQ(FormatEstimate({0.9, {0.8, 1.0}, 126, ""}), "missing");
  EXPECT_EQ(FormatEstimate({0.9, {0.8, 1.0}, 29, "wilson"}, kMinSubgroup), "insufficient");
  EXPECT_EQ(FormatEstimate({0.9, {0.8, 1.0}, 30, "wilson"}, kMinSubgroup),
            "0.900 [0.800, 1.000] n=30");
}

TEST(FormatTable, AlignsColumns) {
  EXPECT_EQ(FormatTable({{"site", "normal"}, {{"hospital-a", "3"}, {"b", "10000000"}, {"c"}}}),
            "site          normal\n"
            "hospital-a         3\n"
            "b           10000000\n"
            "c\n");
}

TEST(Evaluate, FillsEveryRow) {
  HILUM_ASSERT_OK_AND_ASSIGN(const ModelReport report,
                             Evaluate("federated", TwoClassCases(), kClasses));
  EXPECT_EQ(report.n, 16);
  EXPECT_NEAR(report.balanced_accuracy.value, 0.746031746031746, 1e-12);
  EXPECT_NEAR(report.auroc[1].value, 0.8253968253968254, 1e-12);
  EXPECT_EQ(report.auroc[1].method, "delong");
  EXPECT_EQ(report.sensitivity[0].n, 9);
  for (const Estimate& estimate : {report.accuracy, report.brier, report.calibration_error,
                                   report.log_loss, report.balanced_accuracy}) {
    EXPECT_THAT(FormatEstimate(estimate), HasSubstr("n=16"));
  }
  const std::string text = FormatTable(CompareModels({report}, 1));
  EXPECT_THAT(text, HasSubstr("federated"));
  EXPECT_THAT(text, Not(HasSubstr("missing")));
  EXPECT_EQ(FormatTable(ConfusionTable(report)),
            "truth      called normal  called pneumonia\n"
            "normal                 7                 2\n"
            "pneumonia              2                 5\n");
}

TEST(Evaluate, EachClassHasItsRowWithIntervalsAndCalibration) {
  HILUM_ASSERT_OK_AND_ASSIGN(const ModelReport report,
                             Evaluate("federated", TwoClassCases(), kClasses));
  EXPECT_EQ(report.specificity[1].value, 7.0 / 9);
  EXPECT_EQ(report.predictive_value[1].value, 5.0 / 7);
  ASSERT_TRUE(report.calibration[1].has_value());
  EXPECT_NEAR(report.calibration[1]->slope.value, 1.4556, 1e-4);
  EXPECT_EQ(report.reliability_plot[1].size(), 1u);  // ten cases a bin at least
  const std::string text = FormatTable(ClassTable(report));
  EXPECT_THAT(text, HasSubstr("0.714 [0.359, 0.918] n=7"));
  EXPECT_THAT(text, Not(HasSubstr("missing")));
  const nlohmann::json json = nlohmann::json::parse(ToJson(report));
  EXPECT_EQ(json["calibration"]["pneumonia"]["slope"]["n"], 16);
  EXPECT_EQ(json["calibration"]["pneumonia"]["reliability"].size(), 1u);
}

TEST(Evaluate, WhatTheCasesDoNotDefineIsMissing) {
  // Nobody is called pneumonia, and no threshold errs.
  const Predictions p{2, {0, 0, 1, 1}, {.9, .1, .8, .2, .7, .3, .6, .4}, {}, {}};
  HILUM_ASSERT_OK_AND_ASSIGN(const ModelReport report, Evaluate("m", p, kClasses));
  EXPECT_FALSE(report.calibration[1].has_value());
  EXPECT_TRUE(report.reliability_plot[1].empty());
  const nlohmann::json json = nlohmann::json::parse(ToJson(report));
  EXPECT_TRUE(json["estimates"]["predictive_value"]["pneumonia"].is_null());
  EXPECT_TRUE(json["calibration"]["pneumonia"]["slope"].is_null());
}

TEST(Evaluate, SeveralFilmsOfAPatientGetABootstrap) {
  Predictions p = TwoClassCases();
  for (int64_t i = 0; i < p.n(); ++i) p.patients.push_back(i < 2 ? "same" : std::to_string(i));
  HILUM_ASSERT_OK_AND_ASSIGN(const ModelReport report, Evaluate("m", p, kClasses));
  EXPECT_EQ(report.auroc[0].method, "bootstrap by patient");
}

TEST(Evaluate, RefusesWrongNames) {
  EXPECT_THAT(Evaluate("m", TwoClassCases(), {"normal"}),
              StatusIs(absl::StatusCode::kInvalidArgument, "1 class names for 2"));
}

TEST(ToJson, HasTheFormOfTheDemo) {
  HILUM_ASSERT_OK_AND_ASSIGN(const ModelReport report,
                             Evaluate("pooled", TwoClassCases(), kClasses));
  const nlohmann::json json = nlohmann::json::parse(ToJson(report));
  EXPECT_EQ(json["n"], 16);
  EXPECT_NEAR(json["balanced_accuracy"].get<double>(), 0.746031746031746, 1e-12);
  EXPECT_EQ(json["ci95"].size(), 2u);
  EXPECT_LT(json["ci95"][0].get<double>(), json["ci95"][1].get<double>());
  EXPECT_NEAR(json["auroc"]["pneumonia"].get<double>(), 0.8253968253968254, 1e-12);
  EXPECT_EQ(json["estimates"]["accuracy"]["n"], 16);
  EXPECT_EQ(json["confusion"], (nlohmann::json{{7, 2}, {2, 5}}));
}

TEST(ToJson, AMissingRowIsNull) {
  const nlohmann::json json = nlohmann::json::parse(ToJson(AuditRows{}));
  EXPECT_EQ(json["promoted"], false);
  EXPECT_TRUE(json["lungs_out_auroc"].is_null());
  EXPECT_TRUE(json["source_only"].is_null());
  EXPECT_GE(json["reasons"].size(), 7u);
  EXPECT_EQ(json["table"].back()["row"], "leave one site out");
  EXPECT_EQ(json["table"].back()["verdict"], "not run");
}

TEST(ClassBySiteTable, HasARowASite) {
  EXPECT_EQ(FormatTable(ClassBySiteTable({{"a", "b"}, {"normal", "pneumonia"}, {1, 2, 3, 4}})),
            "site  normal  pneumonia\n"
            "a          1          2\n"
            "b          3          4\n");
}

}  // namespace
}  // namespace hilum::evaluation

#include "evaluation/audit_verdict.h"

#include <algorithm>
#include <limits>

#include "tests/status_matchers.h"

namespace hilum::evaluation {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

AuditRows GoodRows() {
  const Estimate half{0.5, {0.4, 0.6}, 100, "delong"};
  AuditRows rows;
  rows.model_balanced_accuracy = Estimate{0.9, {0.85, 0.94}, 100, "bootstrap by patient"};
  rows.source_only = SourceOnly{half, half};
  const Estimate better{0.3, {0.2, 0.4}, 100, "paired delong"};
  rows.site_prediction = Baseline{half, 60, {}};
  rows.border_baseline = Baseline{half, 80, better};
  rows.lungs_out_baseline = Baseline{half, 80, better};
  rows.thumbnail_baseline = Baseline{half, 80, better};
  rows.lungs_out_auroc = half;
  rows.border_only_auroc = half;
  rows.thumbnail_auroc = half;
  rows.left_out = {{"hospital-e", 60, 600, Estimate{0.8, {0.7, 0.9}, 40, "delong"}, ""},
                   {"hospital-f", 70, 700, {}, "no test film is of class pneumonia"}};
  rows.split = SplitAudit{{}, 0, 80, 20};
  return rows;
}

TEST(Judge, PromotesWhereNothingLeaks) {
  const Verdict verdict = Judge(GoodRows());
  EXPECT_TRUE(verdict.promoted);
  EXPECT_THAT(verdict.reasons, IsEmpty());
}

TEST(Judge, RefusesForEachLeakAndEachMissingRow) {
  const struct {
    const char* reason;
    void (*spoil)(AuditRows&);
  } leaks[] = {
      {"sees only the site reaches",
       [](AuditRows& r) {
         r.source_only->balanced_accuracy = Estimate{.9, {.85, .94}, 100, "bootstrap by patient"};
       }},
      {"lungs blacked out the AUROC is 0.610",
       [](AuditRows& r) {
         r.lungs_out_auroc = Estimate{.61, {.5, .7}, 100, "delong"};
       }},
      {"no site was kept out", [](AuditRows& r) { r.left_out.clear(); }},
      {"no site was kept out", [](AuditRows& r) { r.left_out[0].auroc.reset(); }},
      {"never saw a film of hospital-e reaches an AUROC of 0.800 [0.490, 0.900] there",
       [](AuditRows& r) { r.left_out[0].auroc->ci95.low = .49; }},
      {"share 1 pairs",
       [](AuditRows& r) {
         r.split = SplitAudit{{{"patient", 1, 2, 100}}, 1, 80, 20};
       }},
      {"\"split\" was not run", [](AuditRows& r) { r.split.reset(); }},
      {"\"model\" was not run", [](AuditRows& r) { r.model_balanced_accuracy.reset(); }},
      {"\"source only\" was not run", [](AuditRows& r) { r.source_only.reset(); }},
      {"\"site prediction\" was not run", [](AuditRows& r) { r.site_prediction.reset(); }},
      {"sees only the border reaches an AUROC of 0.500; the model is better by 0.300 [-0.010",
       [](AuditRows& r) { r.border_baseline->model_better_by->ci95.low = -.01; }},
      {"\"border baseline\" was not run", [](AuditRows& r) { r.border_baseline.reset(); }},
      {"\"border baseline\" was not run",
       [](AuditRows& r) { r.border_baseline->model_better_by.reset(); }},
      {"\"lungs-out baseline\" was not run", [](AuditRows& r) { r.lungs_out_baseline.reset(); }},
      {"\"thumbnail baseline\" was not run", [](AuditRows& r) { r.thumbnail_baseline.reset(); }},
      {"\"lungs out\" was not run", [](AuditRows& r) { r.lungs_out_auroc.reset(); }},
      {"\"border only\" was not run", [](AuditRows& r) { r.border_only_auroc.reset(); }},
      {"\"thumbnail\" was not run", [](AuditRows& r) { r.thumbnail_auroc.reset(); }},
  };
  for (const auto& leak : leaks) {
    AuditRows rows = GoodRows();
    leak.spoil(rows);
    const Verdict verdict = Judge(rows);
    EXPECT_FALSE(verdict.promoted) << leak.reason;
    EXPECT_THAT(verdict.reasons, ElementsAre(HasSubstr(leak.reason)));
  }
}

// A row that was filled with nothing, or with a NaN, must not pass for one that was run.
TEST(Judge, CountsAFigureWithoutIntervalAsNotRun) {
  AuditRows rows = GoodRows();
  rows.lungs_out_auroc = Estimate{};
  EXPECT_THAT(Judge(rows).reasons, ElementsAre("the row \"lungs out\" was not run"));
  rows.lungs_out_auroc =
      Estimate{std::numeric_limits<double>::quiet_NaN(), {0.4, 0.6}, 100, "delong"};
  EXPECT_THAT(Judge(rows).reasons, ElementsAre("the row \"lungs out\" was not run"));
  rows = GoodRows();
  rows.border_baseline->model_better_by->n = 0;
  EXPECT_THAT(Judge(rows).reasons, ElementsAre("the row \"border baseline\" was not run"));
}

TEST(AuditLines, NamesEachRowWithItsRuleAndItsFigure) {
  const std::vector<AuditLine> lines = AuditLines(GoodRows());
  const auto line = [&](const std::string& row) {
    return *std::ranges::find(lines, row, &AuditLine::row);
  };
  EXPECT_EQ(lines.size(), 12u);
  EXPECT_EQ(line("split").found, "80 training and 20 test films, 0 shared");
  EXPECT_EQ(line("lungs out").rule, "AUROC of at most 0.600");
  EXPECT_EQ(line("lungs out").verdict, "passes");
  EXPECT_EQ(line("site prediction").found, "0.500 [0.400, 0.600] n=100");
  EXPECT_EQ(line("site prediction").learned_from, "60 films");
  EXPECT_EQ(line("site prediction").verdict, "shown");
  EXPECT_THAT(line("border baseline").found,
              HasSubstr("the model is better by 0.300 [0.200, 0.400]"));
  EXPECT_EQ(line("never saw hospital-e").learned_from, "60 films, 600 seen");
  EXPECT_EQ(line("never saw hospital-f").found, "not defined: no test film is of class pneumonia");
  EXPECT_EQ(AuditLines({}).back().verdict, "not run");
}

}  // namespace
}  // namespace hilum::evaluation

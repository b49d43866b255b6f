#include "cli/job_chart.h"

#include "tests/status_matchers.h"

namespace hilum::cli {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(EscapeHtml, LeavesNoMarkup) {
  EXPECT_EQ(EscapeHtml("<a href='x\"'>&"), "&lt;a href=&#39;x&quot;&#39;&gt;&amp;");
}

TEST(LineChart, PutsEachPointInsideTheFrame) {
  const std::string svg = ToSvg(LineChart{.title = "Loss",
                                          .x_label = "round",
                                          .y_label = "loss",
                                          .points = {{1, 0.9}, {2, 0.5}, {3, 0.4}}});
  EXPECT_THAT(svg, HasSubstr("<circle cx=\"48.0\" cy=\"28.0\""));    // the largest, first round
  EXPECT_THAT(svg, HasSubstr("<circle cx=\"624.0\" cy=\"119.1\""));  // 192 - 164 * 0.4 / 0.9
  EXPECT_THAT(svg, HasSubstr("<title>3: 0.4000</title>"));
}

TEST(LineChart, TakesOnePointAndNone) {
  EXPECT_THAT(ToSvg(LineChart{.points = {{1, 0.0}}}), Not(HasSubstr("nan")));
  EXPECT_THAT(ToSvg(LineChart{}), HasSubstr("no round is closed yet"));
}

TEST(BarChart, EscapesNamesAndScalesToTheLongest) {
  const std::string svg = ToSvg(BarChart{.title = "Films", .bars = {{"<b>", 10}, {"c", 5}}});
  EXPECT_THAT(svg, HasSubstr("&lt;b&gt;"));
  EXPECT_THAT(svg, Not(HasSubstr("<b>")));
  EXPECT_THAT(svg, HasSubstr("width=\"400.0\""));
  EXPECT_THAT(svg, HasSubstr("width=\"200.0\""));
  EXPECT_THAT(ToSvg(BarChart{}), HasSubstr("nothing is known yet"));
}

TEST(Grid, NamesEachCell) {
  const std::string svg = ToSvg(Grid{.title = "Cohort",
                                     .columns = {"1", "2"},
                                     .rows = {"a"},
                                     .cells = {Cell::kCounted, Cell::kDropped}});
  EXPECT_THAT(svg, HasSubstr("<title>a, round 1: counted</title>"));
  EXPECT_THAT(svg, HasSubstr("class=\"dropped\""));
}

}  // namespace
}  // namespace hilum::cli

// Charts as inline SVG and tables: no script, no font, no file beside the page. Text is escaped.
#ifndef HILUM_CLI_JOB_CHART_H_
#define HILUM_CLI_JOB_CHART_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace hilum::cli {

// & < > " ' as entities: for every text that did not come from this program.
std::string EscapeHtml(absl::string_view text);

// Header and rows, escaped.
std::string HtmlTable(const std::vector<std::string>& header,
                      const std::vector<std::vector<std::string>>& rows);

struct Range {
  double low = 0.0;
  double high = 0.0;
};
struct Point {
  double x = 0.0;
  double y = 0.0;
  std::optional<Range> range = std::nullopt;  // an interval around y, drawn as a line
};
struct LineChart {
  std::string title, x_label, y_label;
  std::vector<Point> points;  // ascending x; finite
};
std::string ToSvg(const LineChart& chart);

struct Bar {
  std::string name;
  double value = 0.0;  // >= 0, finite
};
struct BarChart {
  std::string title;
  std::vector<Bar> bars;
};
std::string ToSvg(const BarChart& chart);

enum class Cell { kNone, kCounted, kDropped };
struct Grid {
  std::string title;
  std::vector<std::string> columns;
  std::vector<std::string> rows;
  std::vector<Cell> cells;  // [rows, columns]
};
std::string ToSvg(const Grid& grid);

}  // namespace hilum::cli

#endif  // HILUM_CLI_JOB_CHART_H_

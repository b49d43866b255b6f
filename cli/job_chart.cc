#include "cli/job_chart.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"

namespace hilum::cli {
namespace {

constexpr int kWidth = 640, kHeight = 240, kMargin = 48, kTop = 28;
constexpr int kBarHeight = 22, kNameWidth = 170, kCellWidth = 22;
constexpr int kTicks = 4;

std::string Open(int width, int height, const std::string& title) {
  return absl::StrFormat(
      "<svg viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\" role=\"img\">"
      "<title>%s</title>",
      width, height, width, height, EscapeHtml(title));
}

std::string TextAt(double x, double y, absl::string_view anchor, absl::string_view text) {
  return absl::StrFormat("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>", x, y, anchor,
                         EscapeHtml(text));
}

// A linear axis: data [from, to] onto pixels [low, high].
struct Axis {
  double from, to, low, high;
  double At(double value) const {
    return to > from ? low + (value - from) / (to - from) * (high - low) : (low + high) / 2;
  }
};

}  // namespace

std::string EscapeHtml(absl::string_view text) {
  return absl::StrReplaceAll(
      text, {{"&", "&amp;"}, {"<", "&lt;"}, {">", "&gt;"}, {"\"", "&quot;"}, {"'", "&#39;"}});
}

std::string HtmlTable(const std::vector<std::string>& header,
                      const std::vector<std::vector<std::string>>& rows) {
  std::string html = "<table><tr>";
  for (const std::string& cell : header) absl::StrAppend(&html, "<th>", EscapeHtml(cell), "</th>");
  html += "</tr>\n";
  for (const std::vector<std::string>& row : rows) {
    html += "<tr>";
    for (const std::string& cell : row) absl::StrAppend(&html, "<td>", EscapeHtml(cell), "</td>");
    html += "</tr>\n";
  }
  return html + "</table>\n";
}

std::string ToSvg(const LineChart& chart) {
  if (chart.points.empty()) return "<p>no round is closed yet</p>";
  double low = 0.0, high = chart.points.front().y;
  for (const Point& point : chart.points) {
    const Range range = point.range.value_or(Range{point.y, point.y});
    low = std::min(low, range.low);
    high = std::max(high, range.high);
  }
  const Axis x{chart.points.front().x, chart.points.back().x, kMargin, kWidth - 16};
  const Axis y{low, high, kHeight - kMargin, kTop};
  std::string svg = Open(kWidth, kHeight, chart.title);
  for (int tick = 0; tick <= kTicks; ++tick) {
    const double value = y.from + (y.to - y.from) * tick / kTicks;
    absl::StrAppendFormat(&svg,
                          "<line class=\"rule\" x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\"/>",
                          kMargin, kWidth - 16, y.At(value), y.At(value));
    svg += TextAt(kMargin - 6, y.At(value) + 4, "end", absl::StrFormat("%.3g", value));
  }
  std::string line;
  for (const Point& point : chart.points) {
    absl::StrAppendFormat(&line, "%.1f,%.1f ", x.At(point.x), y.At(point.y));
    if (point.range.has_value()) {
      absl::StrAppendFormat(
          &svg, "<line class=\"range\" x1=\"%.1f\" x2=\"%.1f\" y1=\"%.1f\" y2=\"%.1f\"/>",
          x.At(point.x), x.At(point.x), y.At(point.range->low), y.At(point.range->high));
    }
    absl::StrAppendFormat(&svg, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\"><title>%g: %.4f</title>",
                          x.At(point.x), y.At(point.y), point.x, point.y);
    svg += "</circle>";
  }
  absl::StrAppend(&svg, "<polyline points=\"", line, "\"/>");
  svg += TextAt(x.low, kHeight - kMargin + 18, "middle", absl::StrFormat("%g", x.from));
  svg += TextAt(x.high, kHeight - kMargin + 18, "end", absl::StrFormat("%g", x.to));
  svg += TextAt((x.low + x.high) / 2, kHeight - 10, "middle", chart.x_label);
  svg += TextAt(4, 12, "start", chart.y_label);
  return svg + "</svg>";
}

std::string ToSvg(const BarChart& chart) {
  double most = 0.0;
  for (const Bar& bar : chart.bars) most = std::max(most, bar.value);
  if (most <= 0.0) return "<p>nothing is known yet</p>";
  const int height = kBarHeight * static_cast<int>(chart.bars.size()) + 8;
  const Axis x{0.0, most, kNameWidth, kWidth - 70};
  std::string svg = Open(kWidth, height, chart.title);
  double top = 4;
  for (const Bar& bar : chart.bars) {
    svg += TextAt(kNameWidth - 8, top + 14, "end", bar.name);
    absl::StrAppendFormat(&svg, "<rect x=\"%d\" y=\"%.1f\" width=\"%.1f\" height=\"%d\"/>",
                          kNameWidth, top, x.At(bar.value) - kNameWidth, kBarHeight - 6);
    svg += TextAt(x.At(bar.value) + 6, top + 13, "start", absl::StrFormat("%g", bar.value));
    top += kBarHeight;
  }
  return svg + "</svg>";
}

std::string ToSvg(const Grid& grid) {
  if (grid.columns.empty()) return "<p>no round is closed yet</p>";
  const int width = kNameWidth + kCellWidth * static_cast<int>(grid.columns.size()) + 8;
  const int height = kBarHeight * (static_cast<int>(grid.rows.size()) + 1) + 8;
  std::string svg = Open(width, height, grid.title);
  for (size_t column = 0; column < grid.columns.size(); ++column) {
    svg += TextAt(kNameWidth + kCellWidth * (column + 0.5), 16, "middle", grid.columns[column]);
  }
  for (size_t row = 0; row < grid.rows.size(); ++row) {
    const double top = kBarHeight * (row + 1.0);
    svg += TextAt(kNameWidth - 8, top + 15, "end", grid.rows[row]);
    for (size_t column = 0; column < grid.columns.size(); ++column) {
      const Cell cell = grid.cells[row * grid.columns.size() + column];
      const char* name = cell == Cell::kCounted   ? "counted"
                         : cell == Cell::kDropped ? "dropped"
                                                  : "absent";
      absl::StrAppendFormat(&svg,
                            "<rect class=\"%s\" x=\"%d\" y=\"%.1f\" width=\"%d\" height=\"%d\">"
                            "<title>%s, round %s: %s</title></rect>",
                            name, kNameWidth + kCellWidth * static_cast<int>(column) + 2, top + 2,
                            kCellWidth - 4, kBarHeight - 4, EscapeHtml(grid.rows[row]),
                            EscapeHtml(grid.columns[column]), name);
    }
  }
  return svg + "</svg>";
}

}  // namespace hilum::cli

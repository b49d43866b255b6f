#include "dicom/fit.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "base/status_macros.h"
#include "dicom/opencv_status.h"
#include "dicom/refusal.h"
#include "opencv2/imgproc.hpp"

namespace hilum::dicom {
namespace {

constexpr float kWhite = 255;

bool Horizontal(char direction) { return direction == 'L' || direction == 'R'; }
bool Vertical(char direction) { return direction == 'F' || direction == 'H'; }

// One plane of bytes, turned.
std::vector<uint8_t> Turned(const std::vector<uint8_t>& plane, int64_t rows, int64_t columns,
                            const Turn& turn) {
  const int64_t out_rows = turn.transpose ? columns : rows;
  const int64_t out_columns = turn.transpose ? rows : columns;
  std::vector<uint8_t> out(plane.size());
  for (int64_t row = 0; row < out_rows; ++row) {
    const int64_t from_row = turn.flip_rows ? out_rows - 1 - row : row;
    for (int64_t column = 0; column < out_columns; ++column) {
      const int64_t from_column = turn.flip_columns ? out_columns - 1 - column : column;
      const int64_t from =
          turn.transpose ? from_column * columns + from_row : from_row * columns + from_column;
      out[static_cast<size_t>(row * out_columns + column)] = plane[static_cast<size_t>(from)];
    }
  }
  return out;
}

}  // namespace

absl::StatusOr<std::optional<Turn>> TurnOf(const std::vector<std::string>& patient_orientation) {
  if (patient_orientation.size() != 2 || patient_orientation[0].empty() ||
      patient_orientation[1].empty()) {
    return std::nullopt;
  }
  // The first letter is the main direction of an oblique one.
  const char row = patient_orientation[0][0];
  const char column = patient_orientation[1][0];
  Turn turn;
  turn.transpose = Vertical(row) && Horizontal(column);
  if (!turn.transpose && !(Horizontal(row) && Vertical(column))) {
    return Refuse(Refusal::kView,
                  "PatientOrientation is not that of a frontal film, whose rows run from right to "
                  "left or from head to feet");
  }
  turn.flip_columns = (turn.transpose ? column : row) == 'R';
  turn.flip_rows = (turn.transpose ? row : column) == 'H';
  return turn;
}

void Reorient(const Turn& turn, GreyImage& image) {
  if (!turn.any()) return;
  image.grey = Turned(image.grey, image.rows, image.columns, turn);
  image.padding = Turned(image.padding, image.rows, image.columns, turn);
  if (turn.transpose) std::swap(image.rows, image.columns);
}

absl::StatusOr<Fitted> Fit(const GreyImage& image, const Profile& profile) {
  const int top = static_cast<int>(profile.top_crop * static_cast<double>(image.rows));
  const int rows = static_cast<int>(image.rows) - top;
  const int columns = static_cast<int>(image.columns);
  const int side = std::min(rows, columns);
  HILUM_CHECK(side >= 1 && profile.size_px >= 1);
  const cv::Rect square((columns - side) / 2, top + (rows - side) / 2, side, side);
  Fitted fitted;
  fitted.scale = static_cast<double>(side) / profile.size_px;
  const int size = profile.size_px;
  const size_t plane = static_cast<size_t>(size) * static_cast<size_t>(size);
  fitted.values.resize(3 * plane);
  fitted.padding.resize(plane);
  const auto resize = [&]() -> absl::Status {
    const cv::Mat grey(static_cast<int>(image.rows), columns, CV_8UC1,
                       const_cast<uint8_t*>(image.grey.data()));
    const cv::Mat mask(static_cast<int>(image.rows), columns, CV_8UC1,
                       const_cast<uint8_t*>(image.padding.data()));
    cv::Mat source;
    grey(square).convertTo(source, CV_32F);
    cv::Mat values(size, size, CV_32FC1, fitted.values.data());
    cv::Mat padding(size, size, CV_8UC1, fitted.padding.data());
    cv::resize(source, values, values.size(), 0, 0, cv::INTER_LINEAR);
    if (image.padded) {
      cv::resize(mask(square), padding, padding.size(), 0, 0, cv::INTER_NEAREST);
    }
    return absl::OkStatus();
  };
  HILUM_RETURN_IF_ERROR(CatchOpenCv(resize));
  for (size_t i = 0; i < plane; ++i) {
    fitted.values[i] = fitted.padding[i] ? 0.0f : fitted.values[i] / kWhite;
  }
  std::copy_n(fitted.values.begin(), plane, fitted.values.begin() + static_cast<ptrdiff_t>(plane));
  std::copy_n(fitted.values.begin(), plane,
              fitted.values.begin() + static_cast<ptrdiff_t>(2 * plane));
  return fitted;
}

}  // namespace hilum::dicom

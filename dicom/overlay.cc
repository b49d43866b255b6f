#include "dicom/overlay.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "dicom/opencv_status.h"
#include "opencv2/imgproc.hpp"

namespace hilum::dicom {
namespace {

constexpr int kWidth = 512;
constexpr int kMaxSide = 4096;
constexpr int kBannerRows = 64;
constexpr size_t kCaptionLimit = 64;
constexpr double kHeatShare = 0.45;  // of the colour where the network looked most

absl::Status CheckSizes(const Overlay& overlay) {
  const bool sides = overlay.height >= 1 && overlay.height <= kMaxSide && overlay.width >= 1 &&
                     overlay.width <= kMaxSide;
  const size_t n = sides ? size_t(overlay.height) * size_t(overlay.width) : 0;
  if (sides && overlay.film.size() == n && (overlay.heat.empty() || overlay.heat.size() == n)) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrCat("an overlay of ", overlay.height, " x ",
                                                 overlay.width, " pixels has ", overlay.film.size(),
                                                 " of film and ", overlay.heat.size(), " of heat"));
}

// [rows, kWidth] float32 in [0, 1].
cv::Mat Enlarge(std::span<const float> values, const Overlay& overlay, int rows) {
  const cv::Mat small(overlay.height, overlay.width, CV_32FC1,
                      const_cast<float*>(values.data()));  // read only
  cv::Mat large;
  cv::resize(small, large, cv::Size(kWidth, rows), 0, 0, cv::INTER_LINEAR);
  return large;
}

void PaintFilm(const Overlay& overlay, int rows, cv::Mat& canvas) {
  const cv::Mat film = Enlarge(overlay.film, overlay, rows);
  const cv::Mat heat = overlay.heat.empty() ? cv::Mat::zeros(rows, kWidth, CV_32FC1)
                                            : Enlarge(overlay.heat, overlay, rows);
  for (int y = 0; y < rows; ++y) {
    for (int x = 0; x < kWidth; ++x) {
      const double grey = 255.0 * std::clamp(film.at<float>(y, x), 0.0f, 1.0f);
      const double share = kHeatShare * std::clamp(heat.at<float>(y, x), 0.0f, 1.0f);
      canvas.at<cv::Vec3b>(y, x) =
          cv::Vec3b(cv::saturate_cast<uint8_t>(grey + share * (255 - grey)),
                    cv::saturate_cast<uint8_t>(grey * (1 - share)),
                    cv::saturate_cast<uint8_t>(grey * (1 - share)));
    }
  }
}

std::string Printable(absl::string_view text) {
  std::string clean(text.substr(0, kCaptionLimit));
  std::replace_if(
      clean.begin(), clean.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return clean;
}

}  // namespace

absl::StatusOr<Image8> DrawOverlay(const Overlay& overlay) {
  HILUM_RETURN_IF_ERROR(CheckSizes(overlay));
  const int rows = std::clamp(kWidth * overlay.height / overlay.width, 1, 2 * kMaxSide);
  Image8 image{.width = kWidth, .height = rows + kBannerRows, .channels = 3, .values = {}};
  image.values.resize(size_t(image.height) * kWidth * 3);
  const auto draw = [&]() -> absl::Status {
    cv::Mat canvas(static_cast<int>(image.height), kWidth, CV_8UC3, image.values.data());
    canvas.setTo(cv::Scalar::all(0));
    PaintFilm(overlay, rows, canvas);
    const auto write = [&](absl::string_view line, int y, double size) {
      cv::putText(canvas, std::string(line), cv::Point(8, rows + y), cv::FONT_HERSHEY_SIMPLEX, size,
                  cv::Scalar::all(255), 1, cv::LINE_AA);
    };
    write(kBurnedInText, 26, 0.66);
    write(Printable(overlay.caption), 52, 0.45);
    return absl::OkStatus();
  };
  HILUM_RETURN_IF_ERROR(CatchOpenCv(draw));
  return image;
}

}  // namespace hilum::dicom

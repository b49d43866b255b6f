// Adapter between OpenCV's exceptions and Status. Only .cc files of dicom/ include it.
#ifndef HILUM_DICOM_OPENCV_STATUS_H_
#define HILUM_DICOM_OPENCV_STATUS_H_

#include <exception>
#include <utility>

#include "absl/status/status.h"
#include "opencv2/core.hpp"

namespace hilum::dicom {

// Runs `call`, which returns a Status or StatusOr. Internal: OpenCV refused its arguments, which
// are ours. ResourceExhausted: not enough memory.
template <class Call>
auto CatchOpenCv(Call&& call) -> decltype(call()) {
  try {
    return std::forward<Call>(call)();
  } catch (const cv::Exception& error) {
    return absl::InternalError(error.what());
  } catch (const std::exception&) {
    return absl::ResourceExhaustedError("OpenCV gave up on an image: not enough memory");
  }
}

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_OPENCV_STATUS_H_

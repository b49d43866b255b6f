// Adapters between DCMTK's conditions, logs and exceptions and ours. Only .cc files of dicom/
// include it.
#ifndef HILUM_DICOM_DCMTK_STATUS_H_
#define HILUM_DICOM_DCMTK_STATUS_H_

// DCMTK wants its configuration header before any other of its headers.
#include "dcmtk/config/osconfig.h"
//
#include <exception>
#include <mutex>
#include <utility>

#include "absl/status/status.h"
#include "dcmtk/oflog/oflog.h"
#include "dcmtk/ofstd/ofcond.h"
#include "dicom/refusal.h"

namespace hilum::dicom {

// DCMTK's logger prints text of the file, names included: it is switched off before first use.
inline void SilenceDcmtk() {
  static std::once_flag once;
  std::call_once(once, [] { OFLog::configure(OFLogger::OFF_LOG_LEVEL); });
}

// "CODE: sentence" when `condition` is bad. DCMTK's own text is left out: it can quote the file.
inline absl::Status FromDcmtk(const OFCondition& condition, Refusal code,
                              absl::string_view sentence) {
  return condition.good() ? absl::OkStatus() : Refuse(code, sentence);
}

// Runs `call`, which returns a Status or StatusOr, and turns an exception into one.
template <class Call>
auto CatchDcmtk(Call&& call) -> decltype(call()) {
  SilenceDcmtk();
  try {
    return std::forward<Call>(call)();
  } catch (const std::exception&) {
    return absl::ResourceExhaustedError("DCMTK gave up on the file: not enough memory");
  }
}

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_DCMTK_STATUS_H_

// A DICOM peer that says what a test wants, right or wrong, byte by byte (PS3.8 section 9.3).
#ifndef HILUM_TESTS_DICOM_RAW_SCU_H_
#define HILUM_TESTS_DICOM_RAW_SCU_H_

#include <cstdint>
#include <string>

#include "base/bytes.h"
#include "base/descriptor.h"

namespace hilum::dicom {

inline constexpr const char* kDxForPresentation = "1.2.840.10008.5.1.4.1.1.1.1";
inline constexpr int kAssociateAccept = 2, kAssociateReject = 3, kData = 4, kRelease = 6,
                     kAbort = 7;

class RawScu {
 public:
  explicit RawScu(uint16_t port);  // connects to this computer

  // Sends an A-ASSOCIATE-RQ with one presentation context (id 1); returns the type of the answer,
  // 0 when the other side closed.
  int Associate(const std::string& calling, const std::string& called, const std::string& sop_class,
                const std::string& syntax);
  // A C-STORE-RQ, then the data set in one fragment; `last` 0: the data set goes on.
  void Store(const std::string& sop_class, const std::string& sop, ByteView data_set,
             bool last = true);
  // More of the data set. False: the other side has closed.
  bool More(ByteView bytes, bool last);
  // The type of the next PDU, 0 when the other side closed; a C-STORE-RSP's status by status().
  int Read();
  int status() const { return status_; }
  void Send(ByteView bytes);

 private:
  Descriptor socket_;
  int status_ = -1;
};

}  // namespace hilum::dicom

#endif  // HILUM_TESTS_DICOM_RAW_SCU_H_

// Orthanc as the hospital's PACS, on this computer, for one test.
#ifndef HILUM_TESTS_CLIENT_ORTHANC_H_
#define HILUM_TESTS_CLIENT_ORTHANC_H_

#include <cstdint>
#include <memory>
#include <string>

#include "base/child_process.h"
#include "base/file.h"

namespace hilum::client {

class Orthanc {
 public:
  // Starts it with an empty store, a user hilum with the password secret, and the modality "hilum"
  // at `scp_port`; waits until it answers. Fails the test when it does not within a minute.
  explicit Orthanc(uint16_t scp_port);
  ~Orthanc();

  std::string url() const;  // of DICOMweb
  uint16_t dicom_port() const { return dicom_port_; }
  const fs::path& password_file() const { return password_file_; }
  // Its own REST API; the body of the answer. Fails the test on another status than 200.
  std::string Post(const std::string& path, const std::string& body) const;
  std::string Get(const std::string& path) const;
  // Uploads a DICOM file; returns its id in Orthanc.
  std::string Upload(const fs::path& file) const;

 private:
  fs::path folder_;
  fs::path password_file_;
  uint16_t http_port_ = 0;
  uint16_t dicom_port_ = 0;
  std::unique_ptr<ChildProcess> process_;
};

// A port of this computer that nobody uses at the moment.
uint16_t FreePort();

}  // namespace hilum::client

#endif  // HILUM_TESTS_CLIENT_ORTHANC_H_

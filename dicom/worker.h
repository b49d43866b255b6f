// Reads films in sandboxed processes: a file that crashes, hangs or floods a decoder costs itself
// only, and what it could take over knows no key, no file and no network.
#ifndef HILUM_DICOM_WORKER_H_
#define HILUM_DICOM_WORKER_H_

#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "dicom/profile.h"
#include "dicom/read.h"
#include "dicom/volume.h"

namespace hilum::dicom {

struct WorkerOptions {
  std::filesystem::path program;                    // hilum-dicom-worker
  std::vector<std::string> arguments{};             // of tests
  absl::Duration file_limit = absl::Seconds(60);    // for one file
  absl::Duration worker_limit = absl::Seconds(60);  // no new file after that
  int files_limit = 64;                             // one worker reads at most so many files
};

// hilum-dicom-worker beside this program, or in the folder bin/ next to this program's folder.
// Unavailable: neither is there.
absl::StatusOr<std::filesystem::path> WorkerProgram();

// As many workers as threads read at a time, each a process. Thread-safe.
class WorkerPool {
 public:
  explicit WorkerPool(WorkerOptions options = {});
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;

  // As ReadVolume of one file: the same bits, the same refusals, and WORKER: the worker crashed,
  // broke a limit or the sandbox, hung, or answered what is no film of the profile. Such a file is
  // never tried again here.
  // Unavailable: the worker does not start, or has no sandbox. That is no fault of the file:
  // nothing can be read. InvalidArgument without a code: the profile is not one of profile.h.
  absl::StatusOr<PixelVolume> Read(const std::filesystem::path& file, const Profile& profile,
                                   const Pseudonym& pseudonym, const ReadOptions& options = {});

  // OK: a worker starts here and is in its sandbox. Errors: as Read.
  absl::Status Probe();

  int n_started() const;  // workers, so far

 private:
  class Worker;
  absl::StatusOr<std::unique_ptr<Worker>> Take();
  void GiveBack(std::unique_ptr<Worker> worker);

  const WorkerOptions options_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<Worker>> idle_;
  int n_started_ = 0;
};

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_WORKER_H_

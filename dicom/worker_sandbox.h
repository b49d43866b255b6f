// What the kernel keeps from a process that reads hostile bytes.
#ifndef HILUM_DICOM_WORKER_SANDBOX_H_
#define HILUM_DICOM_WORKER_SANDBOX_H_

#include <cstdint>

#include "absl/status/status.h"

namespace hilum::dicom {

struct SandboxLimits {
  uint64_t memory_bytes = uint64_t{4} << 30;  // address space; not in sanitizer builds
  uint64_t cpu_s = 120;                       // of the process, all its files together
  uint64_t open_files = 64;
  uint64_t stack_bytes = uint64_t{64} << 20;
  uint64_t written_file_bytes = 0;  // longest file that it may write
};

// First step, while libraries may still load their tables: the limits, no core dump, no new
// privileges, no descriptor but standard input and output, standard error to nowhere (a dying
// library may quote the file). An allocation that fails ends the process with
// kOutOfMemoryExit. Unavailable: the kernel refused.
absl::Status LimitProcess(const SandboxLimits& limits = {});

// Second step, for ever and for all threads (sanitizer builds: this one): no environment, and a
// seccomp filter that knows memory, time, and reading and writing of open
// descriptors. Opening or looking at paths fails with EACCES; everything else (sockets, programs,
// threads, signals to others, executable memory) kills the process with SIGSYS.
// Unavailable: the kernel refused; then nothing may be read.
absl::Status EnterSandbox();
// The same, and what a process does with a connection that was open before: its options, its names,
// waiting for it, closing it. No new connection.
absl::Status EnterSandboxWithConnection();

inline constexpr int kOutOfMemoryExit = 3;
inline constexpr int kNoSandboxExit = 4;

}  // namespace hilum::dicom

#endif  // HILUM_DICOM_WORKER_SANDBOX_H_

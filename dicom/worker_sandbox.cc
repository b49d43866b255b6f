#include "dicom/worker_sandbox.h"

#include <fcntl.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <new>
#include <span>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hilum::dicom {
namespace {

absl::Status Refused(absl::string_view step, int error) {
  return absl::UnavailableError(
      absl::StrCat("the DICOM worker has no sandbox: ", step, ": ", std::strerror(error)));
}

// Never above what the process was given: only root may raise that. `hard` 0: the same as `soft`.
absl::Status Limit(__rlimit_resource resource, uint64_t soft, absl::string_view name,
                   uint64_t hard = 0) {
  rlimit limit{};
  if (getrlimit(resource, &limit) != 0) return Refused(name, errno);
  limit.rlim_max = std::min<rlim_t>(limit.rlim_max, std::max(soft, hard));
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, soft);
  if (setrlimit(resource, &limit) == 0) return absl::OkStatus();
  return Refused(name, errno);
}

// Memory, time, and the descriptors that are there.
constexpr std::array kAllowed = {
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(pread64),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(sendto),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(lseek),
    SCMP_SYS(fstat),
    SCMP_SYS(close),
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(brk),
    SCMP_SYS(madvise),
    SCMP_SYS(futex),
    SCMP_SYS(sched_yield),
    SCMP_SYS(getrandom),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(getrusage),
    SCMP_SYS(getpid),
    SCMP_SYS(gettid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    SCMP_SYS(uname),
    SCMP_SYS(sysinfo),
    SCMP_SYS(getcpu),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
#ifdef HILUM_SANITIZED
    SCMP_SYS(pipe),  // UBSan writes to one to see whether an object's memory can be read
    SCMP_SYS(pipe2),
    SCMP_SYS(nanosleep),  // TSan
#endif
};

// A library may ask whether a file is there; it is told that it may not know.
constexpr std::array kDenied = {
    SCMP_SYS(open),       SCMP_SYS(openat),   SCMP_SYS(access),     SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2), SCMP_SYS(stat),     SCMP_SYS(lstat),      SCMP_SYS(newfstatat),
    SCMP_SYS(statx),      SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getcwd),
    SCMP_SYS(ioctl),
};

// For dicom/peer_serve: the connection's descriptor was opened and handed over by another process.
constexpr std::array kConnection = {
    SCMP_SYS(select),     SCMP_SYS(pselect6),   SCMP_SYS(fcntl),       SCMP_SYS(shutdown),
    SCMP_SYS(setsockopt), SCMP_SYS(getsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername),
    SCMP_SYS(sendmsg),    SCMP_SYS(nanosleep),
};

using Filter = std::unique_ptr<void, void (*)(scmp_filter_ctx)>;

// Returns 0 or a negative error number, as libseccomp does.
int AddRules(scmp_filter_ctx filter, std::span<const int> more) {
  int failed = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
#ifndef HILUM_SANITIZED  // whose own threads do more than a decoder
  // A BLAS that OpenCV pulls in may have made threads when it was loaded: a filter of this thread
  // alone would leave them free, and they share its memory.
  if (failed == 0) failed = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
#endif
  const auto add = [&](uint32_t action, int call,
                       std::initializer_list<scmp_arg_cmp> conditions = {}) {
    if (failed < 0) return;
    failed = seccomp_rule_add_array(
        filter, action, call, static_cast<unsigned int>(conditions.size()), conditions.begin());
  };
  for (const int call : kAllowed) add(SCMP_ACT_ALLOW, call);
  for (const int call : more) add(SCMP_ACT_ALLOW, call);
  for (const int call : kDenied) add(SCMP_ACT_ERRNO(EACCES), call);
  // No memory may become code.
  for (const int call : {SCMP_SYS(mmap), SCMP_SYS(mprotect)}) {
    add(SCMP_ACT_ALLOW, call, {{.arg = 2, .op = SCMP_CMP_MASKED_EQ, .datum_a = PROT_EXEC}});
  }
  // Limits may be read; the process may end itself (abort).
  add(SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), {{.arg = 2, .op = SCMP_CMP_EQ}});
  add(SCMP_ACT_ALLOW, SCMP_SYS(tgkill),
      {{.arg = 0, .op = SCMP_CMP_EQ, .datum_a = static_cast<scmp_datum_t>(getpid())}});
  return failed;
}

[[noreturn]] void EndForWantOfMemory() { _exit(kOutOfMemoryExit); }

absl::Status Enter(std::span<const int> more) {
  // What a library would look up from now on (OPJ_NUM_THREADS) asks for what is forbidden.
  clearenv();
  const Filter filter(seccomp_init(SCMP_ACT_KILL_PROCESS), seccomp_release);
  if (filter == nullptr) return Refused("seccomp filter that ends a process", ENOSYS);
  int failed = AddRules(filter.get(), more);
  if (failed == 0) failed = seccomp_load(filter.get());
  if (failed != 0) return Refused("seccomp filter", -failed);
  return absl::OkStatus();
}

}  // namespace

absl::Status LimitProcess(const SandboxLimits& limits) {
  std::set_new_handler(EndForWantOfMemory);
#ifndef HILUM_SANITIZED
  HILUM_RETURN_IF_ERROR(Limit(RLIMIT_AS, limits.memory_bytes, "memory limit"));
#endif
  // A second later the kernel kills, without saying why.
  HILUM_RETURN_IF_ERROR(Limit(RLIMIT_CPU, limits.cpu_s, "processor time limit", limits.cpu_s + 1));
  HILUM_RETURN_IF_ERROR(Limit(RLIMIT_STACK, limits.stack_bytes, "stack limit"));
  HILUM_RETURN_IF_ERROR(Limit(RLIMIT_FSIZE, limits.written_file_bytes, "limit of written files"));
  HILUM_RETURN_IF_ERROR(Limit(RLIMIT_CORE, 0, "limit of core dumps"));
  if (prctl(PR_SET_DUMPABLE, 0) != 0) return Refused("no core dumps", errno);
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return Refused("no new privileges", errno);
  const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (nowhere < 0 || dup2(nowhere, STDERR_FILENO) < 0) {
    return Refused("standard error to /dev/null", errno);
  }
  if (close_range(STDERR_FILENO + 1, ~0U, 0) != 0) {
    return Refused("closing what is open (close_range, Linux 5.9)", errno);
  }
  return Limit(RLIMIT_NOFILE, limits.open_files, "limit of open files");
}

absl::Status EnterSandbox() { return Enter({}); }

absl::Status EnterSandboxWithConnection() { return Enter(kConnection); }

}  // namespace hilum::dicom

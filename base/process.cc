#include "base/process.h"

#include <sys/prctl.h>
#include <sys/resource.h>

#include <atomic>
#include <ctime>

namespace hilum {

uint64_t RaiseOpenFileLimit() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 0;
  const rlimit raised{.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
  if (setrlimit(RLIMIT_NOFILE, &raised) == 0) limit = raised;
  return limit.rlim_cur;
}

bool KeepOutOfCoreDumps() {
  const rlimit none{.rlim_cur = 0, .rlim_max = 0};
  const bool limited = setrlimit(RLIMIT_CORE, &none) == 0;
#ifdef HILUM_SANITIZED
  return limited;
#else
  // A core that is piped to a program ignores RLIMIT_CORE (core(5)).
  return prctl(PR_SET_DUMPABLE, 0) == 0 && limited;
#endif
}

namespace {

std::atomic<CrashHook> crash_hook = nullptr;

}  // namespace

void SetCrashHook(CrashHook hook) { crash_hook = hook; }

void CrashPoint(const char* point) {
  if (const CrashHook hook = crash_hook.load(std::memory_order_acquire)) hook(point);
}

sigset_t BlockEndSignals() {
  std::signal(SIGXFSZ, SIG_IGN);
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

namespace {

sigset_t PipeSignal() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  return signals;
}

}  // namespace

NoPipeSignal::NoPipeSignal() {
  sigset_t pending;
  sigpending(&pending);
  was_pending_ = sigismember(&pending, SIGPIPE) == 1;
  const sigset_t pipe = PipeSignal();
  pthread_sigmask(SIG_BLOCK, &pipe, &before_);
}

NoPipeSignal::~NoPipeSignal() {
  const sigset_t pipe = PipeSignal();
  const timespec now{};
  if (!was_pending_) sigtimedwait(&pipe, nullptr, &now);
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace hilum

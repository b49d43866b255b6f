// This process as the system sees it.
#ifndef HILUM_BASE_PROCESS_H_
#define HILUM_BASE_PROCESS_H_

#include <csignal>
#include <cstdint>

namespace hilum {

// Lets the process open as many files and connections as the system permits it; usual is a soft
// limit of 1,024 far below the hard one. Returns the limit that now holds. Call before threads
// start.
uint64_t RaiseOpenFileLimit();

// Keeps the process' memory, keys and shares in it, out of core dumps, and from other processes of
// the same user (RLIMIT_CORE 0 and PR_SET_DUMPABLE, prctl(2)); the latter is left out under the
// sanitizers, whose leak check attaches to its own process. False: the system refuses.
bool KeepOutOfCoreDumps();

// A point at which a crash makes a difference: before and after each durable write, each message
// sent and each acknowledgement. The wrappers of those call it. It does nothing unless a test has
// set a hook, which may end the process (tests/client/crash_walk_test.cc).
using CrashHook = void (*)(const char* point);
void SetCrashHook(CrashHook hook);
void CrashPoint(const char* point);

// The signals that end a program (SIGTERM, SIGINT), from now on taken by sigwait alone. Broken
// pipes and writes beyond a file size limit become errors of their calls. Call before threads
// start.
sigset_t BlockEndSignals();

// While this lives its thread gets no SIGPIPE, and none is left behind: a write to a connection
// that the other side has closed only fails, in a library that has no MSG_NOSIGNAL too (OpenSSL).
// One thread makes and destroys it.
class NoPipeSignal {
 public:
  NoPipeSignal();
  NoPipeSignal(const NoPipeSignal&) = delete;
  ~NoPipeSignal();

 private:
  sigset_t before_{};
  bool was_pending_ = false;
};

}  // namespace hilum

#endif  // HILUM_BASE_PROCESS_H_

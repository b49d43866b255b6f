#include "base/process.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace hilum {
namespace {

volatile std::sig_atomic_t n_signals = 0;
void Count(int) { n_signals = n_signals + 1; }

// In a child: the test itself stays as it is.
TEST(KeepOutOfCoreDumps, LeavesNoWayForACore) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    bool kept = KeepOutOfCoreDumps();
    rlimit limit{1, 1};
    kept =
        kept && getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_cur == 0 && limit.rlim_max == 0;
#ifndef HILUM_SANITIZED
    kept = kept && prctl(PR_GET_DUMPABLE) == 0;
#endif
    _exit(kept ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// A pipe that nobody reads.
class NoPipeSignals : public testing::Test {
 protected:
  void SetUp() override {
    n_signals = 0;
    before_ = std::signal(SIGPIPE, Count);
    ASSERT_EQ(pipe(ends_), 0);
    close(ends_[0]);
  }
  void TearDown() override {
    close(ends_[1]);
    std::signal(SIGPIPE, before_);
  }
  int Write() const { return write(ends_[1], "x", 1) < 0 ? errno : 0; }

  int ends_[2] = {};
  void (*before_)(int) = nullptr;
};

TEST_F(NoPipeSignals, AWriteOnlyFailsAndNoSignalComesLater) {
  {
    const NoPipeSignal quiet;
    EXPECT_EQ(Write(), EPIPE);
  }
  EXPECT_EQ(n_signals, 0);
}

TEST_F(NoPipeSignals, AfterItTheSignalIsAsBefore) {
  { const NoPipeSignal quiet; }
  EXPECT_EQ(Write(), EPIPE);
  EXPECT_EQ(n_signals, 1);
}

TEST_F(NoPipeSignals, OneThatWaitedBeforeIsKept) {
  sigset_t pipe, old;
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &pipe, &old);
  EXPECT_EQ(Write(), EPIPE);
  { const NoPipeSignal quiet; }
  pthread_sigmask(SIG_SETMASK, &old, nullptr);
  EXPECT_EQ(n_signals, 1);
}

}  // namespace
}  // namespace hilum

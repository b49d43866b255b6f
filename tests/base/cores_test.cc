#include "base/cores.h"

#include <sched.h>

#include <thread>

#include <gtest/gtest.h>
#include "base/bytes.h"
#include "tests/status_matchers.h"

namespace hilum {
namespace {

// A root folder with control groups.
class Cores : public testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(testing::TempDir()) /
            ("cores-" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
    fs::remove_all(root_);
  }
  ~Cores() override { fs::remove_all(root_); }
  void Write(const std::string& path, const std::string& text) {
    fs::create_directories((root_ / path).parent_path());
    HILUM_ASSERT_OK(WriteFileDurably(root_ / path, AsBytes(text)));
  }
  fs::path root_;
};

TEST_F(Cores, TheQuotaOfTheGroupCounts) {
  Write("proc/self/cgroup", "0::/system.slice/hilum.service\n");
  Write("sys/fs/cgroup/system.slice/hilum.service/cpu.max", "150000 100000\n");
  EXPECT_EQ(QuotaCores(root_), 1.5);
}

TEST_F(Cores, TheSmallestQuotaOnTheWayUpCounts) {
  Write("proc/self/cgroup", "0::/a/b\n");
  Write("sys/fs/cgroup/a/b/cpu.max", "max 100000\n");
  Write("sys/fs/cgroup/a/cpu.max", "300000 100000\n");
  EXPECT_EQ(QuotaCores(root_), 3.0);
  Write("sys/fs/cgroup/cpu.max", "200000 100000\n");
  EXPECT_EQ(QuotaCores(root_), 2.0);
}

TEST_F(Cores, VersionOneHasFilesOfItsOwn) {
  Write("proc/self/cgroup", "5:memory:/docker/x\n3:cpu,cpuacct:/docker/x\n0::/\n");
  Write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "400000\n");  // seen from a container
  Write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  EXPECT_EQ(QuotaCores(root_), 4.0);
  Write("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
  EXPECT_EQ(QuotaCores(root_), 0.0);
}

TEST_F(Cores, WhatCannotBeReadIsNoQuota) {
  EXPECT_EQ(QuotaCores(root_), 0.0);
  for (const char* text :
       {"", "max 100000\n", "0 100000\n", "100000\n", "x y\n", "5 0\n", "-100000 100000\n"}) {
    Write("proc/self/cgroup", "0::/\nx\n::\n");
    Write("sys/fs/cgroup/cpu.max", text);
    EXPECT_EQ(QuotaCores(root_), 0.0) << text;
  }
}

TEST(UsableCores, FollowsTheAffinityOfTheCaller) {
  const int before = UsableCores();
  EXPECT_GE(before, 1);
  int pinned = 0;
  std::thread([&] {
    cpu_set_t all, one;
    ASSERT_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
    CPU_ZERO(&one);
    for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu) {
      if (CPU_ISSET(cpu, &all)) CPU_SET(cpu, &one);
    }
    ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
    pinned = UsableCores();
  }).join();
  EXPECT_EQ(pinned, 1);
}

}  // namespace
}  // namespace hilum

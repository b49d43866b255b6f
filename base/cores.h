// How many threads are worth starting.
#ifndef HILUM_BASE_CORES_H_
#define HILUM_BASE_CORES_H_

#include "base/file.h"

namespace hilum {

// Cores that this process may use: those of its affinity mask (taskset, cpusets), and no more than
// the CPU quota of its control group and that group's parents pays for, rounded up. At least 1.
int UsableCores();

// The smallest CPU quota on the way from this process's control group to the root, in cores:
// cpu.max of version 2, cpu.cfs_quota_us of version 1 (Linux, Documentation/admin-guide/
// cgroup-v2.rst and scheduler/sched-bwc.rst). 0: there is none, or it cannot be read.
// `root` stands for "/", so that a test can make one.
double QuotaCores(const fs::path& root = "/");

}  // namespace hilum

#endif  // HILUM_BASE_CORES_H_

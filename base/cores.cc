#include "base/cores.h"

#include <sched.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace hilum {
namespace {

constexpr int kMaxGroups = 64;  // lines of /proc/self/cgroup, and folders above one another

// The first line, at most 256 characters; "" where there is none.
std::string FirstLine(const fs::path& path) {
  std::ifstream file(path);
  std::string line(256, '\0');
  file.getline(line.data(), static_cast<std::streamsize>(line.size()));
  return line.c_str();
}

// 0: no quota, or no numbers.
double Ratio(absl::string_view quota, absl::string_view period) {
  double numerator = 0.0, denominator = 0.0;
  if (!absl::SimpleAtod(quota, &numerator) || !absl::SimpleAtod(period, &denominator)) return 0.0;
  return numerator > 0.0 && denominator > 0.0 ? numerator / denominator : 0.0;
}

double QuotaOf(const fs::path& folder) {
  const std::pair<std::string, std::string> v2 =
      absl::StrSplit(FirstLine(folder / "cpu.max"), absl::MaxSplits(' ', 1));
  if (const double cores = Ratio(v2.first, v2.second); cores > 0.0) return cores;
  return Ratio(FirstLine(folder / "cpu.cfs_quota_us"), FirstLine(folder / "cpu.cfs_period_us"));
}

// Of the group `path` below `mount` and of every group above it.
double LeastQuota(const fs::path& mount, const std::string& path) {
  double least = 0.0;
  fs::path group = fs::path(path).lexically_normal().relative_path();
  for (int i = 0; i < kMaxGroups; ++i) {
    const double cores = QuotaOf(mount / group);
    if (cores > 0.0) least = least > 0.0 ? std::min(least, cores) : cores;
    if (group.empty()) return least;
    group = group.parent_path();
  }
  return least;
}

}  // namespace

double QuotaCores(const fs::path& root) {
  const fs::path mounts = root / "sys/fs/cgroup";
  std::ifstream groups(root / "proc/self/cgroup");
  std::string line;
  double least = 0.0;
  for (int i = 0; i < kMaxGroups && std::getline(groups, line); ++i) {
    const std::vector<std::string> fields = absl::StrSplit(line, absl::MaxSplits(':', 2));
    if (fields.size() != 3) continue;
    const std::vector<std::string> controllers = absl::StrSplit(fields[1], ',');
    const bool v2 = fields[0] == "0" && fields[1].empty();
    if (!v2 && std::find(controllers.begin(), controllers.end(), "cpu") == controllers.end()) {
      continue;
    }
    for (const char* mount : {"", "unified", "cpu", "cpu,cpuacct"}) {
      if (v2 != (mount[0] == '\0' || mount[0] == 'u')) continue;
      const double cores = LeastQuota(mounts / mount, fields[2]);
      if (cores > 0.0) least = least > 0.0 ? std::min(least, cores) : cores;
    }
  }
  return least;
}

int UsableCores() {
  cpu_set_t mask;
  CPU_ZERO(&mask);
  int cores = sched_getaffinity(0, sizeof(mask), &mask) == 0
                  ? CPU_COUNT(&mask)
                  : static_cast<int>(std::thread::hardware_concurrency());  // above 1,024 cores
  const double quota = QuotaCores();
  if (quota > 0.0 && quota < cores) cores = static_cast<int>(std::ceil(quota));
  return std::max(cores, 1);
}

}  // namespace hilum

#include "cpu/usable_cores.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <string>
#include <thread>
#if defined(__linux__)
#include <sched.h>
#endif

namespace rnm::cpu {
namespace {

int allowedCores() {
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::max(1, CPU_COUNT(&set));
#endif
  return std::max(1u, std::thread::hardware_concurrency());
}

// Cores' worth of time that a control group grants: "<quota or max> <period>" in one file of version 2, or a
// file for each in version 1, where -1 is no quota.
int quotaOf(const std::string& group) {
  constexpr int kNone = 1 << 20;
  double quota = 0, period = 0;
  if (std::ifstream both(group + "/cpu.max"); !(both >> quota >> period)) {
    std::ifstream(group + "/cpu.cfs_quota_us") >> quota;
    std::ifstream(group + "/cpu.cfs_period_us") >> period;
  }
  if (quota <= 0 || period <= 0) return kNone;
  return static_cast<int>(std::clamp(std::ceil(quota / period), 1.0, double{kNone}));
}

// The least quota of a group and of those above it. A container may see its own group as the root.
int quotaAbove(const std::string& mount, std::string group) {
  int cores = quotaOf(mount);
  while (group.size() > 1) {
    cores = std::min(cores, quotaOf(mount + group));
    group.resize(group.rfind('/'));
  }
  return cores;
}

// The least quota over the hierarchies that this process is in, each a line "<id>:<controllers>:<path>":
// version 2 names no controllers, version 1 has one that is mounted under the names of its own.
int quotaOfProcess() {
  const std::string root = "/sys/fs/cgroup";
  int cores = quotaOf(root);
  std::ifstream in("/proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    if (controllers.empty()) {
      for (const char* mount : {"", "/unified"}) cores = std::min(cores, quotaAbove(root + mount, group));
    } else if (("," + controllers + ",").find(",cpu,") != std::string::npos) {
      for (const std::string& mount : {controllers, std::string("cpu")}) {
        cores = std::min(cores, quotaAbove(root + "/" + mount, group));
      }
    }
  }
  return cores;
}

}  // namespace

int usableCores() { return std::min(allowedCores(), quotaOfProcess()); }

}  // namespace rnm::cpu

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

// Cores' worth of time that a control group grants, from a file "<quota or max> <period>".
int quotaOf(const std::string& file) {
  constexpr int kNone = 1 << 20;
  std::ifstream in(file);
  double quota = 0, period = 0;
  if (!(in >> quota >> period) || quota <= 0 || period <= 0) return kNone;
  return static_cast<int>(std::clamp(std::ceil(quota / period), 1.0, double{kNone}));
}

// The path of this process's control group below the mount point (version 2).
std::string controlGroup() {
  std::ifstream in("/proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {
    if (line.rfind("0::", 0) == 0) return line.substr(3);
  }
  return "/";
}

}  // namespace

int usableCores() {
  // A container sees its own group as the root; elsewhere every group above it counts too.
  const std::string mount = "/sys/fs/cgroup";
  int cores = std::min(allowedCores(), quotaOf(mount + "/cpu.max"));
  std::string group = controlGroup();
  while (group.size() > 1) {
    cores = std::min(cores, quotaOf(mount + group + "/cpu.max"));
    group.resize(group.rfind('/'));
  }
  return cores;
}

}  // namespace rnm::cpu

// Failures on demand, from the environment variable RNM_EMULATOR_FAIL or from rnmEmulatorInject.
#include <cstdlib>
#include <cstring>
#include <map>
#include <optional>
#include <sstream>

#include "state.h"

namespace rnm::emulator {

namespace {

struct Failures {
  uint64_t malloc = 0, graph = 0, launch = 0, sticky = 0;  // the how-manieth; 0 for none
  cudaError_t fault = cudaErrorIllegalAddress;
  bool driver = false, devices = false;
  int driverVersion = 0;
  int capability = 90;
  size_t memory = size_t{4} << 30;
  std::map<std::string, bool> missing, failing, refused;
  std::map<std::string, int> versions;
};

struct Counts {
  uint64_t malloc = 0, graph = 0, launch = 0, kernel = 0;
};

bool number(const std::string& text, uint64_t* value) {
  char* end = nullptr;
  *value = std::strtoull(text.c_str(), &end, 10);
  return !text.empty() && *end == 0 && text[0] != '-';
}

// What cuSPARSELt may refuse.
bool refusable(const std::string& call) {
  return call == "plan" || call == "search" || call == "multiply" || call == "set" || call == "split";
}

bool library(const std::string& name) { return name == "cusparseLt" || name == "cublasLt"; }

// "12.4" with factors 1000 and 10 is 12040.
bool majorMinor(const std::string& text, int majorFactor, int minorFactor, int* value) {
  int major = 0, minor = 0;
  char rest = 0;
  if (std::sscanf(text.c_str(), "%d.%d%c", &major, &minor, &rest) != 2) return false;
  *value = major * majorFactor + minor * minorFactor;
  return true;
}

bool version(const std::string& text, int* value) {
  int major = 0, minor = 0, patch = 0;
  char rest = 0;
  if (std::sscanf(text.c_str(), "%d.%d.%d%c", &major, &minor, &patch, &rest) != 3) return false;
  *value = major * 10000 + minor * 100 + patch;
  return true;
}

// "60", or "60=710" for another error.
bool sticky(const std::string& text, Failures& failures) {
  const size_t equals = text.find('=');
  uint64_t error = 0;
  if (equals != std::string::npos) {
    if (!number(text.substr(equals + 1), &error) || error == 0) return false;
    failures.fault = static_cast<cudaError_t>(error);
  }
  return number(text.substr(0, equals), &failures.sticky) && failures.sticky > 0;
}

bool parsePart(const std::string& part, Failures& failures) {
  const size_t colon = part.find(':');
  const std::string key = part.substr(0, colon);
  const std::string value = colon == std::string::npos ? "" : part.substr(colon + 1);
  uint64_t count = 0;
  if (key == "malloc") return number(value, &failures.malloc) && failures.malloc > 0;
  if (key == "graph") return number(value, &failures.graph) && failures.graph > 0;
  if (key == "launch") return number(value, &failures.launch) && failures.launch > 0;
  if (key == "sticky") return sticky(value, failures);
  if (key == "driver") {
    failures.driver = true;
    return value.empty() || majorMinor(value, 1000, 10, &failures.driverVersion);
  }
  if (key == "devices") return failures.devices = value.empty();
  if (key == "memory") return number(value, &count) && (failures.memory = count) > 0;
  if (key == "library") return library(value) && (failures.missing[value] = true);
  if (key == "init") return library(value) && (failures.failing[value] = true);
  if (key == "refuse") return refusable(value) && (failures.refused[value] = true);
  if (key == "capability") return majorMinor(value, 10, 1, &failures.capability);
  if (key == "version") {
    const size_t equals = value.find('=');
    if (equals == std::string::npos || !library(value.substr(0, equals))) return false;
    return version(value.substr(equals + 1), &failures.versions[value.substr(0, equals)]);
  }
  return false;
}

std::optional<Failures> parse(const char* text) {
  Failures failures;
  std::istringstream parts(text ? text : "");
  for (std::string part; std::getline(parts, part, ',');) {
    if (!part.empty() && !parsePart(part, failures)) return std::nullopt;
  }
  return failures;
}

Failures fromEnvironment() {
  const char* text = std::getenv("RNM_EMULATOR_FAIL");
  const auto failures = parse(text);
  if (!failures) {
    std::fprintf(stderr, "Emulated CUDA: RNM_EMULATOR_FAIL=%s is not understood\n", text);
    std::abort();
  }
  return *failures;
}

Failures& failures() {
  static Failures current = fromEnvironment();
  return current;
}

bool& reversed() {
  static bool value = [] {
    const char* order = std::getenv("RNM_EMULATOR_ORDER");
    return order && std::strcmp(order, "reverse") == 0;
  }();
  return value;
}

std::optional<Pace> paceNamed(const std::string& name) {
  if (name == "late") return Pace::kLate;
  if (name == "in-turns") return Pace::kInTurns;
  if (name == "early") return Pace::kEarly;
  return std::nullopt;
}

Pace& currentPace() {
  static Pace value = [] {
    const char* text = std::getenv("RNM_EMULATOR_STREAMS");
    const auto pace = paceNamed(text ? text : "late");
    if (pace) return *pace;
    std::fprintf(stderr, "Emulated CUDA: RNM_EMULATOR_STREAMS=%s is not understood\n", text);
    std::abort();
  }();
  return value;
}

Counts counts;

}  // namespace

bool Injection::allocation() { return ++counts.malloc == failures().malloc; }
bool Injection::graph() { return ++counts.graph == failures().graph; }
bool Injection::launch() { return ++counts.launch == failures().launch; }
cudaError_t Injection::kernel() {
  return ++counts.kernel == failures().sticky ? failures().fault : cudaSuccess;
}
cudaError_t Injection::driver() {
  if (failures().driver) return cudaErrorInsufficientDriver;
  return failures().devices ? cudaErrorNoDevice : cudaSuccess;
}
int Injection::driverVersion(int normal) { return failures().driver ? failures().driverVersion : normal; }
bool Injection::libraryMissing(const std::string& name) { return failures().missing.count(name) > 0; }
bool Injection::libraryFails(const std::string& name) { return failures().failing.count(name) > 0; }
bool Injection::refuses(const std::string& call) { return failures().refused.count(call) > 0; }
int Injection::libraryVersion(const std::string& name, int normal) {
  const auto found = failures().versions.find(name);
  return found == failures().versions.end() ? normal : found->second;
}
int Injection::capability() { return failures().capability; }
size_t Injection::memory() { return failures().memory; }
bool Injection::reverse() { return reversed(); }
Pace Injection::pace() { return currentPace(); }

}  // namespace rnm::emulator

using namespace rnm::emulator;

bool rnmEmulatorInject(const char* text) {
  std::lock_guard lock(deviceMutex());
  auto parsed = parse(text);
  if (!parsed) return false;
  failures() = *std::move(parsed);
  counts = {};
  return true;
}

void rnmEmulatorReverseOrder(bool reverse) {
  std::lock_guard lock(deviceMutex());
  reversed() = reverse;
}

bool rnmEmulatorStreams(const char* pace) {
  std::lock_guard lock(deviceMutex());
  const auto named = paceNamed(pace);
  if (!named) return false;
  currentPace() = *named;
  return true;
}

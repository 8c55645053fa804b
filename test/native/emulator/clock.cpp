// The made-up machine of RNM_EMULATOR_TIMES: see README.md.
#include "clock.h"

#include <cstdio>
#include <cstdlib>
#include <map>
#include <sstream>
#include <string>

#include "state.h"

namespace rnm::emulator {
namespace {

// Microseconds of one product by its library, or of one kernel; or by their kind too ("cusparseLt.2").
using Prices = std::map<std::string, double>;

[[noreturn]] void refuse(const char* text) {
  std::fprintf(stderr, "Emulated CUDA: RNM_EMULATOR_TIMES=%s is not understood\n", text);
  std::abort();
}

Prices pricesFromEnvironment() {
  const char* text = std::getenv("RNM_EMULATOR_TIMES");
  Prices prices;
  std::istringstream parts(text ? text : "");
  for (std::string part; std::getline(parts, part, ',');) {
    const size_t equals = part.find('=');
    const std::string name = part.substr(0, equals), what = name.substr(0, name.find('.'));
    if (equals == std::string::npos) refuse(text);
    if (what != "cublasLt" && what != "cusparseLt" && what != "kernel") refuse(text);
    char* end = nullptr;
    const double price = std::strtod(part.c_str() + equals + 1, &end);
    if (*end != 0 || !(price > 0)) refuse(text);
    prices[name] = price;
  }
  return prices;
}

const Prices& prices() {
  static const Prices instance = pricesFromEnvironment();
  return instance;
}

// Not the epoch, which stands for an event that has not been passed.
std::chrono::nanoseconds spent{std::chrono::hours(1)};

}  // namespace

Time now() {
  return prices().empty() ? std::chrono::steady_clock::now()
                          : Time(std::chrono::duration_cast<Time::duration>(spent));
}

void spend(const char* what, int kind, int64_t count) {
  if (prices().empty()) return;
  auto price = prices().find(std::string(what) + "." + std::to_string(kind));
  if (price == prices().end()) price = prices().find(what);
  if (price == prices().end()) return;
  spent += std::chrono::nanoseconds(static_cast<int64_t>(1000 * price->second * count));
}

}  // namespace rnm::emulator

#include "cpu/kernel_choice.h"

#include <stdexcept>

#include "cpu/kernel_tables.h"

namespace rnm::cpu {
namespace {

std::vector<const KernelTable*> usableTables() {
  std::vector<const KernelTable*> tables;
#if defined(__x86_64__)
  // x86-64-v4 also asks for BW, CD, DQ and VL, which every CPU has whose kernels we would want.
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    tables.push_back(&kSimdKernelsV4);
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    tables.push_back(&kSimdKernelsV3);
  }
  if (__builtin_cpu_supports("sse4.2")) tables.push_back(&kSimdKernelsV2);
#else
  tables.push_back(&kSimdKernelsBaseline);
#endif
  tables.push_back(&kPlainKernels);
  return tables;
}

}  // namespace

std::vector<std::string> availableIsas() {
  std::vector<std::string> names;
  for (const KernelTable* table : usableTables()) names.emplace_back(table->name);
  return names;
}

const KernelTable& chooseKernels(const std::string& isa) {
  const auto tables = usableTables();
  if (isa.empty()) return *tables.front();
  std::string known;
  for (const KernelTable* table : tables) {
    if (isa == table->name) return *table;
    known += (known.empty() ? "" : ", ") + std::string(table->name);
  }
  throw std::invalid_argument("Expected RNM_ISA to be one that this CPU can run (" + known +
                              ") but received \"" + isa + "\"");
}

}  // namespace rnm::cpu

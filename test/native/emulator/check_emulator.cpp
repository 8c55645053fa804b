// Checks the emulator itself: check-emulator.sh builds and runs it, with sanitizers too.
#include "check_emulator.h"

int main() {
  const struct {
    const char* name;
    void (*run)();
  } parts[] = {{"kernels", check::kernels},       {"runtime", check::runtime},   {"graphs", check::graphs},
               {"numbers", check::numbers},       {"cuBLASLt", check::cublasLt}, {"cuSPARSELt", check::cusparseLt},
               {"injection", check::injection}};
  for (const auto& part : parts) {
    const int checksBefore = check::checks, failuresBefore = check::failures;
    part.run();
    std::printf("%-12s %6d checks, %d failed\n", part.name, check::checks - checksBefore,
                check::failures - failuresBefore);
  }
  std::printf("%d checks, %d failed\n", check::checks, check::failures);
  return check::failures == 0 ? 0 : 1;
}

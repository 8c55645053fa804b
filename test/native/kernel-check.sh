#!/usr/bin/env bash
# Builds the kernels with another compiler and checks them in an emulator, e.g. for arm64 on Debian:
#   apt-get install g++-aarch64-linux-gnu qemu-user
#   CXX=aarch64-linux-gnu-g++ RUN="qemu-aarch64 -L /usr/aarch64-linux-gnu" test/native/kernel-check.sh
# Without CXX and RUN it builds and runs for this machine.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cxx=${CXX:-c++}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
flags=(-std=c++20 -O3 -Wall -Wextra -Wno-psabi -Wno-ignored-attributes "-I$root/native")
kernel_flags=(-fno-math-errno -fno-trapping-math -fno-signed-zeros -Wno-uninitialized -Wno-maybe-uninitialized)

kernels() { # table, name, lanes, further flags
  "$cxx" "${flags[@]}" "${kernel_flags[@]}" "-DRNM_TABLE=kSimdKernels$1" "-DRNM_NAME=\"$2\"" \
    "-DRNM_LANES=$3" "${@:4}" -c "$root/native/cpu/simd_kernels.cpp" -o "$out/$1.o"
}
if [[ $("$cxx" -dumpmachine) == x86_64* ]]; then
  kernels V4 avx512 16 -march=x86-64-v4 -mprefer-vector-width=512
  kernels V3 avx2 8 -march=x86-64-v3
  kernels V2 sse4 4 -march=x86-64-v2
else
  kernels Baseline baseline 4
fi
"$cxx" "${flags[@]}" "$root"/test/native/kernel_check.cpp "$root"/native/core/{mask_shape,nm}.cpp \
  "$root"/native/cpu/{kernel_choice,nm_matrix,plain_kernels}.cpp "$out"/*.o -o "$out/check"
${RUN:-} "$out/check"

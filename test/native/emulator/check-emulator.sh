#!/usr/bin/env bash
# Builds and runs the checks of the emulator with AddressSanitizer and UBSan.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cxx=${CXX:-c++}
jobs=${JOBS:-2}
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
flags=(-std=c++20 -O2 -Wall -Wextra -Wno-psabi -Werror "-I$here" "-I$here/include")

flags+=(-g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined)

printf '%s\0' "$here"/*.cpp | xargs -0 -P "$jobs" -I{} sh -c \
  'source=$1; folder=$2; shift 2; exec "$@" -c "$source" -o "$folder/$(basename "$source" .cpp).o"' \
  sh {} "$out" "$cxx" "${flags[@]}"
"$cxx" "${flags[@]}" "$out"/*.o -pthread -o "$out/check"
for format in mixed straight gaps; do
  RNM_EMULATOR_FORMAT=$format ASAN_OPTIONS=detect_stack_use_after_return=1 "$out/check"
done

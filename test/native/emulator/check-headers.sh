#!/usr/bin/env bash
# Compares every constant in the emulator's headers, and the sizes of the libraries' structures, with
# the real headers:
#   check-headers.sh <include folder of CUDA> <of cuBLASLt and cuSPARSE> <of cuSPARSELt>
# (folders that are the same may be named once).
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
[[ $# -ge 1 ]] || { sed -n '2,5s/^# //p' "$0" >&2; exit 2; }
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

constants() { # of all enumerations
  (cd "$here/include" && cat driver_types.h library_types.h cusparse.h cusparseLt.h cublas_api.h cublasLt.h) |
    grep -v '^#\|^//' | tr '\n' ' ' | grep -oE 'enum[^{};]*\{[^}]*\}' | sed 's/.*{//; s/}//' | tr ',' '\n' |
    sed 's/=.*//; s/ //g' | grep . | sort -u
}
{
  printf '#include <%s>\n' cuda_runtime_api.h cublasLt.h cusparseLt.h cstdio
  echo 'int main() {'
  constants | sed 's/.*/std::printf("& %lld\\n", static_cast<long long>(&));/'
  printf 'std::printf("%s %%zu\\n", sizeof(%s));\n' $(for name in cublasLtMatmulHeuristicResult_t cublasLtMatmulAlgo_t \
    cublasLtMatmulDescOpaque_t cublasLtMatrixLayoutOpaque_t cusparseLtHandle_t cusparseLtMatmulPlan_t; do echo $name $name; done)
  echo '}'
} > "$out/values.cpp"
real=()
for folder in "$@"; do real+=("-I$folder"); done
${CXX:-c++} -std=c++20 "-I$here/include" "$out/values.cpp" -o "$out/emulated"
${CXX:-c++} -std=c++20 "${real[@]}" "$out/values.cpp" -o "$out/real"
"$out/emulated" > "$out/emulated.txt"
"$out/real" > "$out/real.txt"
diff "$out/real.txt" "$out/emulated.txt"
echo "$(wc -l < "$out/real.txt") values are those of the real headers"

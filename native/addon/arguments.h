// Turns JavaScript values into core types. TypeScript validates for people; this only makes sure
// that no value, however wrong, can make the process crash.
#pragma once

#include <napi.h>

#include <cstdint>
#include <string>
#include <vector>

#include "core/backend.h"

namespace rnm::addon {

using Info = Napi::CallbackInfo;

[[noreturn]] void throwArgument(const Info& info, size_t index, const char* expected);

int intAt(const Info& info, size_t index);
int64_t int64At(const Info& info, size_t index);
double numberAt(const Info& info, size_t index);
bool boolAt(const Info& info, size_t index);
std::string stringAt(const Info& info, size_t index);
Napi::Function functionAt(const Info& info, size_t index);
// A Float32Array of exactly `count` elements; its memory is only valid during the call.
float* floatsAt(const Info& info, size_t index, size_t count);
// A Float32Array's elements, in `copy`, whose memory is used again.
const std::vector<float>& floatVectorAt(const Info& info, size_t index, std::vector<float>& copy);

// "row" or "transposable"
MaskShape maskShapeNamed(const std::string& name);

// Arguments index .. index + 2: matrix, first column, columns.
MatrixView viewAt(const Info& info, size_t index);
MemberRange membersAt(const Info& info, size_t index);

// Objects of ours carry a tag, so that a foreign object is refused instead of misread.
template <typename Wrapped>
Wrapped& unwrapAt(const Info& info, size_t index) {
  const Napi::Value value = info[index];
  if (!value.IsObject() || !value.As<Napi::Object>().CheckTypeTag(&Wrapped::kTag)) {
    throwArgument(info, index, Wrapped::kName);
  }
  return *Wrapped::Unwrap(value.As<Napi::Object>());
}

}  // namespace rnm::addon

// float32 as the types that GPUs multiply, and back.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rnm {

enum class Element { float32, float16, bfloat16, int8, int32 };

size_t elementBytes(Element element);
// Rounds to nearest, ties to even; integers saturate, and NaN becomes 0 in them.
void encodeElements(Element element, const float* values, size_t count, void* target);
void decodeElements(Element element, const void* source, size_t count, float* values);

}  // namespace rnm

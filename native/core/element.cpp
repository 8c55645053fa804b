#include "core/element.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace rnm {
namespace {

constexpr uint32_t kInfinity = 0x7f800000;

uint16_t toBfloat16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > kInfinity) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

float fromBfloat16(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

uint16_t toFloat16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>(bits >> 16 & 0x8000);
  const uint32_t size = bits & 0x7fffffff;
  if (size > kInfinity) return sign | 0x7e00;
  // From half a unit beyond the largest number on.
  if (std::bit_cast<float>(size) >= 65520.0f) return sign | 0x7c00;
  if (std::bit_cast<float>(size) < 0x1p-14f) {
    // A subnormal's unit is that of float32 at one half, so this addition rounds as it should.
    const float shifted = std::bit_cast<float>(size) + 0.5f;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - std::bit_cast<uint32_t>(0.5f)));
  }
  const uint32_t rebased = size - ((127 - 15) << 23);
  return static_cast<uint16_t>(sign | (rebased + 0xfff + (rebased >> 13 & 1)) >> 13);
}

float fromFloat16(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16, rest = bits & 0x7fff;
  if (rest >= 0x7c00) return std::bit_cast<float>(sign | kInfinity | (rest & 0x3ff) << 13);
  const float size = rest < 0x400 ? static_cast<float>(rest) * 0x1p-24f
                                  : std::bit_cast<float>((rest << 13) + ((127 - 15) << 23));
  return sign ? -size : size;
}

template <typename Integer>
Integer toInteger(float value) {
  if (std::isnan(value)) return 0;
  constexpr double low = std::numeric_limits<Integer>::min(), high = std::numeric_limits<Integer>::max();
  return static_cast<Integer>(std::clamp(std::nearbyint(static_cast<double>(value)), low, high));
}

template <typename Stored, typename Convert>
void encode(const float* values, size_t count, void* target, const Convert& convert) {
  std::transform(values, values + count, static_cast<Stored*>(target), convert);
}

template <typename Stored, typename Convert>
void decode(const void* source, size_t count, float* values, const Convert& convert) {
  const auto* stored = static_cast<const Stored*>(source);
  std::transform(stored, stored + count, values, convert);
}

float identity(float value) { return value; }
template <typename Integer>
float fromInteger(Integer value) {
  return static_cast<float>(value);
}

}  // namespace

size_t elementBytes(Element element) {
  switch (element) {
    case Element::float16:
    case Element::bfloat16: return 2;
    case Element::int8: return 1;
    default: return 4;
  }
}

void encodeElements(Element element, const float* values, size_t count, void* target) {
  switch (element) {
    case Element::float32: return encode<float>(values, count, target, identity);
    case Element::float16: return encode<uint16_t>(values, count, target, toFloat16);
    case Element::bfloat16: return encode<uint16_t>(values, count, target, toBfloat16);
    case Element::int8: return encode<int8_t>(values, count, target, toInteger<int8_t>);
    case Element::int32: return encode<int32_t>(values, count, target, toInteger<int32_t>);
  }
}

void decodeElements(Element element, const void* source, size_t count, float* values) {
  switch (element) {
    case Element::float32: return decode<float>(source, count, values, identity);
    case Element::float16: return decode<uint16_t>(source, count, values, fromFloat16);
    case Element::bfloat16: return decode<uint16_t>(source, count, values, fromBfloat16);
    case Element::int8: return decode<int8_t>(source, count, values, fromInteger<int8_t>);
    case Element::int32: return decode<int32_t>(source, count, values, fromInteger<int32_t>);
  }
}

}  // namespace rnm

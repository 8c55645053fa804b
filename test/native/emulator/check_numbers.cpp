// Rounding to bfloat16, half and tf32, and the arithmetic of kernels.
#include "numbers.h"

#include <cmath>

#include "check_emulator.h"
#include "cuda_bf16.h"

namespace check {
namespace {

using namespace rnm::emulator;

// The nearest of all values of a 16-bit type, by trying; ties to the even pattern.
template <typename Decode>
uint16_t nearest(float value, Decode decode) {
  uint16_t best = 0;
  double least = INFINITY;
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const float candidate = decode(static_cast<uint16_t>(bits));
    if (!std::isfinite(candidate) || std::signbit(candidate) != std::signbit(value)) continue;
    const double error = std::fabs(static_cast<double>(candidate) - value);
    if (error < least || (error == least && bits % 2 == 0)) best = static_cast<uint16_t>(bits), least = error;
  }
  return best;
}

float bfloat(uint16_t bits) { return __bfloat162float(__ushort_as_bfloat16(bits)); }

void sixteenBits() {
  std::vector<float> values = {0.0f, -0.0f, 1.0f, 1.00390625f, 1.01171875f, 65504.0f, 1e-7f, 5.9604645e-8f, 2.9e-8f, 3.1e-5f, 1e-40f};
  std::uniform_real_distribution<float> exponent(-20, 14);
  for (int i = 0; i < 40; ++i) values.push_back(std::exp2(exponent(generator())) * (i % 2 ? 1 : -1));
  for (const float value : values) {
    CHECK_EQUAL(__bfloat16_as_ushort(__float2bfloat16(value)), nearest(value, bfloat));
    CHECK_EQUAL(floatToHalf(value), nearest(value, halfToFloat));
  }
  // Every value is its own rounding.
  int wrong = 0;
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const auto b = static_cast<uint16_t>(bits);
    if (!std::isnan(bfloat(b))) wrong += __bfloat16_as_ushort(__float2bfloat16(bfloat(b))) != b;
    if (!std::isnan(halfToFloat(b))) wrong += floatToHalf(halfToFloat(b)) != b;
  }
  CHECK_EQUAL(wrong, 0);
  CHECK(std::isnan(__bfloat162float(__float2bfloat16(NAN))));
  CHECK(std::isnan(halfToFloat(floatToHalf(NAN))));
  CHECK(std::isinf(__bfloat162float(__float2bfloat16(3.4e38f))));
  CHECK(std::isinf(halfToFloat(floatToHalf(65520.0f))));
  const __nv_bfloat162 pair = __floats2bfloat162_rn(1.5f, -2.0f);
  CHECK(__low2float(pair) == 1.5f && __high2float(pair) == -2.0f);
}

void tf32() {
  CHECK_EQUAL(toTf32(1.0f), 1.0f);
  CHECK(toTf32(1.0f + 0x1p-10f) == 1.0f + 0x1p-10f);
  CHECK(toTf32(1.0f + 0x1p-11f) == 1.0f + 0x1p-10f);  // a tie, away from zero
  CHECK(toTf32(1.0f + 0x1.fp-12f) == 1.0f);
  CHECK(toTf32(-1.0f - 0x1p-11f) == -1.0f - 0x1p-10f);
  CHECK(std::isnan(toTf32(NAN)) && std::isinf(toTf32(INFINITY)));
  for (const float value : randomValues(200)) {
    CHECK(std::fabs(toTf32(value) - value) <= std::fabs(value) * 0x1p-11f);
    CHECK((std::bit_cast<uint32_t>(toTf32(value)) & 0x1fffu) == 0);
  }
}

void intrinsics() {
  CHECK_EQUAL(__umulhi(0xffffffffu, 0xffffffffu), 0xfffffffeu);
  CHECK_EQUAL(__popc(0xf0f0u), 8);
  CHECK_EQUAL(__ffs(0), 0);
  CHECK_EQUAL(__ffs(8), 4);
  CHECK_EQUAL(__clz(1), 31);
  CHECK_EQUAL(__float_as_uint(1.0f), 0x3f800000u);
  CHECK(__uint_as_float(0x40000000u) == 2.0f);
  CHECK(rsqrtf(4.0f) == 0.5f);
  CHECK(__fmaf_rn(1.0f + 0x1p-12f, 1.0f + 0x1p-12f, -1.0f) == 0x1p-11f + 0x1p-24f);
  CHECK(__fadd_rn(__fmul_rn(1.0f + 0x1p-12f, 1.0f + 0x1p-12f), -1.0f) == 0x1p-11f);
  CHECK(max(NAN, 1.0f) == 1.0f && min(2.0f, NAN) == 2.0f);
  CHECK_EQUAL(sizeof(float4), 16);
  CHECK_EQUAL(alignof(uint4), 16);
  CHECK_EQUAL(sizeof(__nv_bfloat162), 4);
}

}  // namespace

void numbers() {
  sixteenBits();
  tf32();
  intrinsics();
}

}  // namespace check

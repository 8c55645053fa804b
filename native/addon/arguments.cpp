#include "addon/arguments.h"

#include <cmath>
#include <limits>
#include <stdexcept>

#include "addon/objects.h"

namespace rnm::addon {

void throwArgument(const Info& info, size_t index, const char* expected) {
  throw Napi::TypeError::New(info.Env(), "Expected argument " + std::to_string(index) +
                                             " of a native call to be " + expected);
}

double numberAt(const Info& info, size_t index) {
  if (!info[index].IsNumber()) throwArgument(info, index, "a number");
  return info[index].As<Napi::Number>().DoubleValue();
}

int64_t int64At(const Info& info, size_t index) {
  const double value = numberAt(info, index);
  if (!(std::fabs(value) <= 9007199254740991.0) || value != std::floor(value)) {
    throwArgument(info, index, "an integer");
  }
  return static_cast<int64_t>(value);
}

int intAt(const Info& info, size_t index) {
  const int64_t value = int64At(info, index);
  if (value < std::numeric_limits<int>::min() || value > std::numeric_limits<int>::max()) {
    throwArgument(info, index, "a 32-bit integer");
  }
  return static_cast<int>(value);
}

bool boolAt(const Info& info, size_t index) {
  if (!info[index].IsBoolean()) throwArgument(info, index, "a boolean");
  return info[index].As<Napi::Boolean>().Value();
}

std::string stringAt(const Info& info, size_t index) {
  if (!info[index].IsString()) throwArgument(info, index, "a string");
  return info[index].As<Napi::String>().Utf8Value();
}

Napi::Function functionAt(const Info& info, size_t index) {
  if (!info[index].IsFunction()) throwArgument(info, index, "a function");
  return info[index].As<Napi::Function>();
}

namespace {

Napi::Float32Array float32ArrayAt(const Info& info, size_t index) {
  const Napi::Value value = info[index];
  if (!value.IsTypedArray() ||
      value.As<Napi::TypedArray>().TypedArrayType() != napi_float32_array) {
    throwArgument(info, index, "a Float32Array");
  }
  return value.As<Napi::Float32Array>();
}

}  // namespace

float* floatsAt(const Info& info, size_t index, size_t count) {
  Napi::Float32Array array = float32ArrayAt(info, index);
  if (array.ElementLength() != count) {
    throwArgument(info, index, ("a Float32Array of length " + std::to_string(count)).c_str());
  }
  return array.Data();
}

const std::vector<float>& floatVectorAt(const Info& info, size_t index, std::vector<float>& copy) {
  Napi::Float32Array array = float32ArrayAt(info, index);
  copy.assign(array.Data(), array.Data() + array.ElementLength());
  return copy;
}

MaskShape maskShapeNamed(const std::string& name) {
  if (name == "row") return MaskShape::row;
  if (name == "transposable") return MaskShape::transposable;
  throw std::invalid_argument("Expected the mask shape to be row or transposable");
}

MatrixView viewAt(const Info& info, size_t index) {
  return {unwrapAt<MatrixObject>(info, index).shared(), intAt(info, index + 1),
          intAt(info, index + 2)};
}

MemberRange membersAt(const Info& info, size_t index) {
  return {intAt(info, index), intAt(info, index + 1)};
}

}  // namespace rnm::addon

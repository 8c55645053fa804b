#include <algorithm>
#include <stdexcept>
#include <vector>

#include "addon/arguments.h"
#include "addon/objects.h"

namespace rnm::addon {
namespace {

template <typename Array, typename Element>
Array copyOf(Napi::Env env, const Element* source, size_t count) {
  Array result = Array::New(env, count);
  std::copy_n(source, count, result.Data());
  return result;
}

}  // namespace

Napi::Function NmMatrixObject::define(Napi::Env env) {
  return DefineClass(env, "NmMatrix",
                     {InstanceMethod<&NmMatrixObject::values>("values"),
                      InstanceMethod<&NmMatrixObject::columns>("columns"),
                      InstanceMethod<&NmMatrixObject::transposed>("transposed"),
                      InstanceMethod<&NmMatrixObject::materialize>("materialize"),
                      InstanceMethod<&NmMatrixObject::stored>("stored"),
                      InstanceMethod<&NmMatrixObject::assign>("assign"),
                      InstanceMethod<&NmMatrixObject::updateMask>("updateMask"),
                      InstanceMethod<&NmMatrixObject::divergence>("divergence"),
                      InstanceMethod<&NmMatrixObject::bytes>("bytes")});
}

NmMatrixObject::NmMatrixObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  const int outputs = intAt(info, 1), inputs = intAt(info, 2);
  const NmPattern pattern = {intAt(info, 3), intAt(info, 4)};
  if (pattern.dense()) throwArgument(info, 3, "a positive integer");
  const MaskShape shape = maskShapeNamed(stringAt(info, 5));
  matrix_ = std::make_unique<cpu::NmMatrix>(outputs, inputs, pattern, shape);
  const float* weights = floatsAt(info, 0, static_cast<size_t>(outputs) * inputs);
  for (int begin = 0; begin < outputs; begin += kBandRows) {
    matrix_->setBand(begin, std::min(kBandRows, outputs - begin),
                     weights + static_cast<size_t>(begin) * inputs);
  }
  info.This().As<Napi::Object>().TypeTag(&kTag);
}

Napi::Value NmMatrixObject::values(const Napi::CallbackInfo& info) {
  const size_t count = static_cast<size_t>(matrix_->outputs()) * matrix_->perRow();
  return copyOf<Napi::Float32Array>(info.Env(), matrix_->values(), count);
}

Napi::Value NmMatrixObject::columns(const Napi::CallbackInfo& info) {
  const size_t count = static_cast<size_t>(matrix_->outputs()) * matrix_->perRow();
  return copyOf<Napi::Uint16Array>(info.Env(), matrix_->rowColumns(0), count);
}

// { start [inputs + 1], rows [values], slots [values] }, without the filling of the native layout
Napi::Value NmMatrixObject::transposed(const Napi::CallbackInfo& info) {
  matrix_->buildTransposed();
  const int inputs = matrix_->inputs();
  const size_t count = static_cast<size_t>(matrix_->outputs()) * matrix_->perRow();
  auto start = Napi::Uint32Array::New(info.Env(), inputs + 1);
  auto rows = Napi::Uint16Array::New(info.Env(), count);
  auto slots = Napi::Uint32Array::New(info.Env(), count);
  uint32_t next = 0;
  for (int i = 0; i < inputs; ++i) {
    start[i] = next;
    const uint32_t first = matrix_->transposedStart(i);
    for (uint32_t entry = first; entry < first + matrix_->transposedCount(i); ++entry, ++next) {
      rows[next] = matrix_->transposedRows()[entry];
      slots[matrix_->transposedValue(entry)] = next;
    }
  }
  start[inputs] = next;
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("start", start);
  result.Set("rows", rows);
  result.Set("slots", slots);
  return result;
}

Napi::Value NmMatrixObject::materialize(const Napi::CallbackInfo& info) {
  const size_t inputs = matrix_->inputs();
  auto result = Napi::Float32Array::New(info.Env(), inputs * matrix_->outputs());
  for (int row = 0; row < matrix_->outputs(); ++row) {
    matrix_->expandMaskedRow(row, result.Data() + row * inputs);
  }
  return result;
}

Napi::Value NmMatrixObject::stored(const Napi::CallbackInfo& info) {
  const size_t inputs = matrix_->inputs();
  auto result = Napi::Float32Array::New(info.Env(), inputs * matrix_->outputs());
  for (int row = 0; row < matrix_->outputs(); ++row) {
    matrix_->expandRow(row, result.Data() + row * inputs);
  }
  return result;
}

void NmMatrixObject::assign(const Napi::CallbackInfo& info) {
  const size_t inputs = matrix_->inputs();
  const float* weights = floatsAt(info, 0, inputs * matrix_->outputs());
  for (int row = 0; row < matrix_->outputs(); ++row) matrix_->storeRow(row, weights + row * inputs);
}

Napi::Value NmMatrixObject::updateMask(const Napi::CallbackInfo& info) {
  const size_t inputs = matrix_->inputs();
  std::vector<float> weights(kBandRows * inputs);
  int64_t changed = 0;
  for (int begin = 0; begin < matrix_->outputs(); begin += kBandRows) {
    const int rows = std::min(kBandRows, matrix_->outputs() - begin);
    for (int i = 0; i < rows; ++i) matrix_->expandRow(begin + i, weights.data() + i * inputs);
    changed += matrix_->setBand(begin, rows, weights.data());
  }
  return Napi::Number::New(info.Env(), static_cast<double>(changed));
}

Napi::Value NmMatrixObject::divergence(const Napi::CallbackInfo& info) {
  const cpu::NmMatrix& other = *unwrapAt<NmMatrixObject>(info, 0).matrix_;
  if (other.outputs() != matrix_->outputs() || other.inputs() != matrix_->inputs()) {
    throw std::invalid_argument("Expected two matrices of the same shape");
  }
  int64_t total = 0;
  for (int row = 0; row < matrix_->outputs(); ++row) {
    total += rowDivergence(matrix_->rowColumns(row), matrix_->perRow(), other.rowColumns(row),
                           other.perRow());
  }
  return Napi::Number::New(info.Env(), static_cast<double>(total));
}

Napi::Value NmMatrixObject::bytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(matrix_->bytes()));
}

}  // namespace rnm::addon

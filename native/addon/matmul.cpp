#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>

#include "addon/arguments.h"
#include "addon/cuda_plugin.h"
#include "addon/objects.h"

namespace rnm::addon {
namespace {

template <typename Value, size_t count>
Value named(const std::string& name, const std::array<std::pair<const char*, Value>, count>& all) {
  for (const auto& [each, value] : all) {
    if (name == each) return value;
  }
  throw std::invalid_argument("There is no \"" + name + "\" of a matrix product");
}

using Type = MatmulType;
using Operand = MatmulOperand;
constexpr std::array<std::pair<const char*, Type>, 5> kTypes = {{{"fp32", Type::fp32},
                                                                 {"tf32", Type::tf32},
                                                                 {"fp16", Type::fp16},
                                                                 {"bf16", Type::bf16},
                                                                 {"int8", Type::int8}}};
constexpr std::array<std::pair<const char*, Operand>, 5> kOperands = {{{"a", Operand::a},
                                                                       {"b", Operand::b},
                                                                       {"c", Operand::c},
                                                                       {"bias", Operand::bias},
                                                                       {"d", Operand::d}}};
constexpr std::array<std::pair<const char*, MatmulSparse>, 3> kSparse = {
    {{"none", MatmulSparse::none}, {"a", MatmulSparse::a}, {"b", MatmulSparse::b}}};
constexpr std::array<std::pair<const char*, MatmulActivation>, 3> kActivations = {
    {{"none", MatmulActivation::none},
     {"relu", MatmulActivation::relu},
     {"gelu", MatmulActivation::gelu}}};
constexpr std::array<std::pair<const char*, MatmulPrune>, 2> kPrunings = {
    {{"strip", MatmulPrune::strip}, {"tile", MatmulPrune::tile}}};

// { m, n, k, type, sparse, transposeA, transposeB, rowMajorA, rowMajorB, rowMajorD, bias,
//   activation, alpha, beta }
MatmulSpec specOf(const Napi::Object& o) {
  const auto text = [&](const char* key) { return o.Get(key).ToString().Utf8Value(); };
  const auto flag = [&](const char* key) { return o.Get(key).ToBoolean().Value(); };
  const auto size = [&](const char* key) { return o.Get(key).ToNumber().Int64Value(); };
  const auto factor = [&](const char* key) { return o.Get(key).ToNumber().FloatValue(); };
  return {size("m"), size("n"), size("k"), named(text("type"), kTypes),
          named(text("sparse"), kSparse), flag("transposeA"), flag("transposeB"),
          flag("rowMajorA"), flag("rowMajorB"), flag("rowMajorD"), flag("bias"),
          named(text("activation"), kActivations), factor("alpha"), factor("beta")};
}

Operand operandAt(const Napi::CallbackInfo& info, size_t index) {
  return named(stringAt(info, index), kOperands);
}

}  // namespace

Napi::Function MatmulObject::define(Napi::Env env) {
  return DefineClass(env, "Matmul",
                     {InstanceMethod<&MatmulObject::write>("write"),
                      InstanceMethod<&MatmulObject::read>("read"),
                      InstanceMethod<&MatmulObject::prune>("prune"),
                      InstanceMethod<&MatmulObject::pruned>("pruned"),
                      InstanceMethod<&MatmulObject::compress>("compress"),
                      InstanceMethod<&MatmulObject::search>("search"),
                      InstanceMethod<&MatmulObject::run>("run"),
                      InstanceMethod<&MatmulObject::time>("time"),
                      InstanceMethod<&MatmulObject::info>("info"),
                      InstanceMethod<&MatmulObject::release>("release")});
}

MatmulObject::MatmulObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  if (!info[1].IsObject()) throwArgument(info, 1, "an object");
  const MatmulSpec spec = specOf(info[1].As<Napi::Object>());
  const std::string device = stringAt(info, 0);
  if (device != "cuda" && device != "cuda-emulated") {
    throw std::invalid_argument("There are no products of cuSPARSELt or cuBLASLt on \"" + device + "\"");
  }
  matmul_ = cudaPlugin(device == "cuda-emulated").makeMatmul(spec);
}

Matmul& MatmulObject::open() const {
  if (!matmul_) throw std::runtime_error("This matrix product was released");
  return *matmul_;
}

void MatmulObject::write(const Napi::CallbackInfo& info) {
  const Operand operand = operandAt(info, 0);
  open().write(operand, floatsAt(info, 1, open().elements(operand)));
}

void MatmulObject::read(const Napi::CallbackInfo& info) {
  const Operand operand = operandAt(info, 0);
  open().read(operand, floatsAt(info, 1, open().elements(operand)));
}

void MatmulObject::prune(const Napi::CallbackInfo& info) {
  open().prune(named(stringAt(info, 0), kPrunings));
}

Napi::Value MatmulObject::pruned(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), open().pruned());
}

void MatmulObject::compress(const Napi::CallbackInfo&) { open().compress(); }
void MatmulObject::search(const Napi::CallbackInfo&) { open().search(); }
void MatmulObject::run(const Napi::CallbackInfo&) { open().run(); }

Napi::Value MatmulObject::time(const Napi::CallbackInfo& info) {
  const std::vector<double> times = open().time(intAt(info, 0), intAt(info, 1));
  auto result = Napi::Float64Array::New(info.Env(), times.size());
  std::copy(times.begin(), times.end(), result.Data());
  return result;
}

Napi::Value MatmulObject::info(const Napi::CallbackInfo& info) {
  const MatmulInfo about = open().info();
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("library", about.library);
  result.Set("algorithm", about.algorithm);
  result.Set("algorithms", about.algorithms);
  result.Set("workspaceBytes", static_cast<double>(about.workspaceBytes));
  result.Set("compressedBytes", static_cast<double>(about.compressedBytes));
  return result;
}

void MatmulObject::release(const Napi::CallbackInfo&) { matmul_.reset(); }

}  // namespace rnm::addon

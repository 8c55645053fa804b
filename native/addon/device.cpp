#include <stdexcept>

#include "addon/arguments.h"
#include "addon/cuda_plugin.h"
#include "addon/objects.h"
#include "cpu/backend_cpu.h"

namespace rnm::addon {
namespace {

constexpr const char* kEmulated = "cuda-emulated";

std::unique_ptr<Backend> makeBackend(const Napi::CallbackInfo& info) {
  const std::string name = stringAt(info, 0);
  if (name == "cpu") return cpu::makeCpuBackend(intAt(info, 1), stringAt(info, 2));
  if (name != "cuda" && name != kEmulated) {
    throw std::invalid_argument("There is no device \"" + name + "\"");
  }
  return cudaPlugin(name == kEmulated).makeBackend(
      {stringAt(info, 3), stringAt(info, 4), stringAt(info, 5), stringAt(info, 6), stringAt(info, 7)});
}

}  // namespace

Napi::Function DeviceObject::define(Napi::Env env) {
  return DefineClass(env, "Device",
                     {InstanceMethod<&DeviceObject::info>("info"),
                      InstanceMethod<&DeviceObject::sparseChoices>("sparseChoices"),
                      InstanceMethod<&DeviceObject::fill>("fill"),
                      InstanceMethod<&DeviceObject::fillNormal>("fillNormal"),
                      InstanceMethod<&DeviceObject::normalize>("normalize"),
                      InstanceMethod<&DeviceObject::smooth>("smooth"),
                      InstanceMethod<&DeviceObject::smoothNormal>("smoothNormal"),
                      InstanceMethod<&DeviceObject::tdTarget>("tdTarget"),
                      InstanceMethod<&DeviceObject::mseGradient>("mseGradient"),
                      InstanceMethod<&DeviceObject::tdGradient>("tdGradient"),
                      InstanceMethod<&DeviceObject::polyak>("polyak"),
                      InstanceMethod<&DeviceObject::together>("together"),
                      InstanceMethod<&DeviceObject::close>("close")});
}

DeviceObject::DeviceObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  device_ = std::make_shared<OpenDevice>(makeBackend(info), stringAt(info, 0) == "cpu");
  info.This().As<Napi::Object>().TypeTag(&kTag);
}

Napi::Value DeviceObject::info(const Napi::CallbackInfo& info) {
  const BackendInfo about = device_->backend().info();
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("name", about.name);
  result.Set("description", about.description);
  result.Set("isa", about.isa);
  result.Set("threads", about.threads);
  return result;
}

Napi::Value DeviceObject::sparseChoices(const Napi::CallbackInfo& info) {
  Napi::Array result = Napi::Array::New(info.Env());
  const auto time = [&](double microseconds) -> Napi::Value {
    if (microseconds == 0) return info.Env().Null();
    return Napi::Number::New(info.Env(), microseconds);
  };
  for (const LayerChoice& choice : device_->backend().sparseChoices()) {
    Napi::Object item = Napi::Object::New(info.Env());
    item.Set("outputs", choice.outputs);
    item.Set("inputs", choice.inputs);
    item.Set("rows", choice.rows);
    item.Set("members", choice.members);
    item.Set("pattern", choice.pattern);
    item.Set("precision", choice.precision);
    item.Set("pass", choice.pass);
    item.Set("chosen", choice.sparse ? "sparse" : "dense");
    item.Set("denseUs", time(choice.denseMicroseconds));
    item.Set("sparseUs", time(choice.sparseMicroseconds));
    item.Set("cached", choice.cached);
    item.Set("reason", choice.reason);
    result.Set(result.Length(), item);
  }
  return result;
}

void DeviceObject::fill(const Napi::CallbackInfo& info) {
  device_->backend().fill(viewAt(info, 0), static_cast<float>(numberAt(info, 3)));
}

void DeviceObject::fillNormal(const Napi::CallbackInfo& info) {
  device_->backend().fillNormal(viewAt(info, 0), static_cast<uint64_t>(int64At(info, 3)),
                       static_cast<uint64_t>(int64At(info, 4)));
}

void DeviceObject::normalize(const Napi::CallbackInfo& info) {
  device_->backend().normalize(viewAt(info, 0), viewAt(info, 3));
}

void DeviceObject::smooth(const Napi::CallbackInfo& info) {
  device_->backend().smooth(viewAt(info, 0), viewAt(info, 3), floatVectorAt(info, 6, low_),
                            floatVectorAt(info, 7, high_), static_cast<float>(numberAt(info, 8)),
                   static_cast<float>(numberAt(info, 9)));
}

void DeviceObject::smoothNormal(const Napi::CallbackInfo& info) {
  device_->backend().smoothNormal(
      viewAt(info, 0), static_cast<uint64_t>(int64At(info, 3)),
      static_cast<uint64_t>(int64At(info, 4)), floatVectorAt(info, 5, low_),
      floatVectorAt(info, 6, high_), static_cast<float>(numberAt(info, 7)),
      static_cast<float>(numberAt(info, 8)));
}

void DeviceObject::tdTarget(const Napi::CallbackInfo& info) {
  device_->backend().tdTarget(viewAt(info, 0), viewAt(info, 3), viewAt(info, 6), viewAt(info, 9));
}

void DeviceObject::mseGradient(const Napi::CallbackInfo& info) {
  device_->backend().mseGradient(viewAt(info, 0), viewAt(info, 3), viewAt(info, 6));
}

void DeviceObject::tdGradient(const Napi::CallbackInfo& info) {
  device_->backend().tdGradient(
      {viewAt(info, 0), viewAt(info, 3), viewAt(info, 6), viewAt(info, 9)}, viewAt(info, 12),
      viewAt(info, 15));
}

// tau, then targets and their sources in turn
void DeviceObject::polyak(const Napi::CallbackInfo& info) {
  std::vector<TargetPair> pairs;
  for (size_t i = 1; i < info.Length(); i += 2) {
    pairs.push_back({&unwrapAt<NetworkObject>(info, i).network(),
                     &unwrapAt<NetworkObject>(info, i + 1).network()});
  }
  device_->backend().polyak(pairs, static_cast<float>(numberAt(info, 0)));
}

// two functions
void DeviceObject::together(const Napi::CallbackInfo& info) {
  const Napi::Function first = functionAt(info, 0), second = functionAt(info, 1);
  device_->backend().together([&] { first.Call({}); }, [&] { second.Call({}); });
}

const std::shared_ptr<OpenDevice>& deviceAt(const Napi::CallbackInfo& info, size_t index) {
  return unwrapAt<DeviceObject>(info, index).shared();
}

void DeviceObject::close(const Napi::CallbackInfo&) { device_->close(); }

}  // namespace rnm::addon

// What the benchmarks need besides devices and networks: the machine's peak and others' products.
#include <stdexcept>

#include "addon/arguments.h"
#include "addon/objects.h"
#include "cpu/machine_peak.h"

namespace rnm::addon {

// (isa, threads, seconds)
Napi::Value machinePeak(const Napi::CallbackInfo& info) {
  const cpu::MachinePeak peak =
      cpu::measureMachinePeak(stringAt(info, 0), intAt(info, 1), numberAt(info, 2));
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("flops", peak.flops);
  result.Set("l2BytesPerSecond", peak.l2BytesPerSecond);
  return result;
}

Napi::Function BlasPeerObject::define(Napi::Env env) {
  return DefineClass(env, "BlasPeer",
                     {InstanceMethod<&BlasPeerObject::name>("name"),
                      InstanceMethod<&BlasPeerObject::run>("run")});
}

BlasPeerObject::BlasPeerObject(const Napi::CallbackInfo& info) : ObjectWrap(info) {
  if (!info[1].IsArray()) throwArgument(info, 1, "an array of library names");
  const auto array = info[1].As<Napi::Array>();
  std::vector<std::string> names;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    names.push_back(Napi::Value(array.Get(i)).ToString().Utf8Value());
  }
  peer_ = std::make_unique<cpu::BlasPeer>(stringAt(info, 0), names);
}

Napi::Value BlasPeerObject::name(const Napi::CallbackInfo& info) {
  return Napi::String::New(info.Env(), peer_->name());
}

// m, n, k, transpose A, transpose B, threads, count
void BlasPeerObject::run(const Napi::CallbackInfo& info) {
  const cpu::Product product = {intAt(info, 0), intAt(info, 1), intAt(info, 2), boolAt(info, 3),
                                boolAt(info, 4)};
  peer_->run(product, intAt(info, 5), intAt(info, 6));
}

}  // namespace rnm::addon

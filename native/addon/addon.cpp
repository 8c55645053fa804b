// The addon's one entry: the classes, and what can be known without making a device.
#include <napi.h>

#include "addon/objects.h"
#include "cpu/kernel_choice.h"

namespace rnm::addon {
namespace {

Napi::Value availableIsas(const Napi::CallbackInfo& info) {
  Napi::Array result = Napi::Array::New(info.Env());
  uint32_t i = 0;
  for (const std::string& name : cpu::availableIsas()) result.Set(i++, name);
  return result;
}

Napi::Object initialise(Napi::Env env, Napi::Object exports) {
  exports.Set("Device", DeviceObject::define(env));
  exports.Set("Matrix", MatrixObject::define(env));
  exports.Set("Network", NetworkObject::define(env));
  exports.Set("Replay", ReplayObject::define(env));
  exports.Set("Graph", GraphObject::define(env));
  exports.Set("NmMatrix", NmMatrixObject::define(env));
  exports.Set("Matmul", MatmulObject::define(env));
  exports.Set("BlasPeer", BlasPeerObject::define(env));
  exports.Set("machinePeak", Napi::Function::New<machinePeak>(env, "machinePeak"));
  exports.Set("cudaReport", Napi::Function::New<cudaReport>(env, "cudaReport"));
  exports.Set("availableIsas", Napi::Function::New<availableIsas>(env, "availableIsas"));
  return exports;
}

}  // namespace
}  // namespace rnm::addon

static Napi::Object initialiseModule(Napi::Env env, Napi::Object exports) {
  return rnm::addon::initialise(env, exports);
}

NODE_API_MODULE(rnm, initialiseModule)

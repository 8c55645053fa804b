#include <stdexcept>

#include "addon/arguments.h"
#include "addon/cuda_plugin.h"
#include "addon/objects.h"

namespace rnm::addon {

Napi::Function GraphObject::define(Napi::Env env) {
  return DefineClass(env, "Graph",
                     {InstanceMethod<&GraphObject::supported>("supported"),
                      InstanceMethod<&GraphObject::beginCapture>("beginCapture"),
                      InstanceMethod<&GraphObject::endCapture>("endCapture"),
                      InstanceMethod<&GraphObject::cancel>("cancel"),
                      InstanceMethod<&GraphObject::current>("current"),
                      InstanceMethod<&GraphObject::nodes>("nodes"),
                      InstanceMethod<&GraphObject::beginRefresh>("beginRefresh"),
                      InstanceMethod<&GraphObject::launch>("launch"),
                      InstanceMethod<&GraphObject::release>("release")});
}

GraphObject::GraphObject(const Napi::CallbackInfo& info)
    : ObjectWrap(info),
      graph_(info.Env(), deviceAt(info, 0), kName, deviceAt(info, 0)->backend().graph()),
      supported_(graph_) {
  info.This().As<Napi::Object>().TypeTag(&kTag);
}

Graph& GraphObject::graph() const {
  if (!supported_) throw std::invalid_argument("This device has no graphs");
  return *graph_;
}

Napi::Value GraphObject::supported(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), supported_);
}

void GraphObject::beginCapture(const Napi::CallbackInfo&) { graph().beginCapture(); }
void GraphObject::endCapture(const Napi::CallbackInfo&) { graph().endCapture(); }
void GraphObject::cancel(const Napi::CallbackInfo&) { graph().cancel(); }
void GraphObject::beginRefresh(const Napi::CallbackInfo&) { graph().beginRefresh(); }
void GraphObject::launch(const Napi::CallbackInfo&) { graph().launch(); }
void GraphObject::release(const Napi::CallbackInfo&) { graph_.release(); }

Napi::Value GraphObject::current(const Napi::CallbackInfo& info) {
  return Napi::Boolean::New(info.Env(), graph().current());
}

Napi::Value GraphObject::nodes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(graph().nodes()));
}

Napi::Value cudaReport(const Napi::CallbackInfo& info) {
  const CudaReport report = cudaPlugin(boolAt(info, 0)).report();
  Napi::Object result = Napi::Object::New(info.Env());
  result.Set("status", report.status);
  result.Set("description", report.description);
  result.Set("problem", report.problem);
  Napi::Array libraries = Napi::Array::New(info.Env());
  for (const CudaLibrary& library : report.libraries) {
    Napi::Object entry = Napi::Object::New(info.Env());
    entry.Set("name", library.name);
    entry.Set("version", library.version);
    entry.Set("path", library.path);
    entry.Set("problem", library.problem);
    libraries.Set(libraries.Length(), entry);
  }
  result.Set("libraries", libraries);
  Napi::Array patterns = Napi::Array::New(info.Env());
  for (const CudaPattern& pattern : report.patterns) {
    Napi::Object entry = Napi::Object::New(info.Env());
    entry.Set("pattern", pattern.pattern);
    entry.Set("bf16", pattern.bf16);
    entry.Set("tf32", pattern.tf32);
    entry.Set("fp32", pattern.fp32);
    patterns.Set(patterns.Length(), entry);
  }
  result.Set("patterns", patterns);
  return result;
}

}  // namespace rnm::addon

#include <stdexcept>

#include "addon/arguments.h"
#include "addon/objects.h"

namespace rnm::addon {

Napi::Function ReplayObject::define(Napi::Env env) {
  return DefineClass(env, "Replay",
                     {InstanceMethod<&ReplayObject::add>("add"),
                      InstanceMethod<&ReplayObject::sample>("sample"),
                      InstanceMethod<&ReplayObject::read>("read"),
                      InstanceMethod<&ReplayObject::size>("size"),
                      InstanceMethod<&ReplayObject::release>("release")});
}

ReplayObject::ReplayObject(const Napi::CallbackInfo& info)
    : ObjectWrap(info),
      replay_(info.Env(), deviceAt(info, 0), kName,
              deviceAt(info, 0)->backend().replay(int64At(info, 1), intAt(info, 2),
                                                  intAt(info, 3))) {
  info.This().As<Napi::Object>().TypeTag(&kTag);
}

void ReplayObject::add(const Napi::CallbackInfo& info) {
  replay_->add(floatsAt(info, 0, replay_->rowLength()));
}

// seed, draw, then five views: observation, action, reward, next observation, discount
void ReplayObject::sample(const Napi::CallbackInfo& info) {
  replay_->sample(static_cast<uint64_t>(int64At(info, 0)), static_cast<uint64_t>(int64At(info, 1)),
                  {viewAt(info, 2), viewAt(info, 5), viewAt(info, 8), viewAt(info, 11),
                   viewAt(info, 14)});
}

// first row, rows, array
void ReplayObject::read(const Napi::CallbackInfo& info) {
  const int64_t count = int64At(info, 1);
  if (count < 0 || count > replay_->size()) {
    throw std::invalid_argument("Expected the rows to lie within the replay buffer");
  }
  replay_->read(int64At(info, 0), count,
                floatsAt(info, 2, static_cast<size_t>(count) * replay_->rowLength()));
}

void ReplayObject::release(const Napi::CallbackInfo&) { replay_.release(); }

Napi::Value ReplayObject::size(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(replay_->size()));
}

}  // namespace rnm::addon

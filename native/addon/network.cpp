#include <stdexcept>

#include "addon/arguments.h"
#include "addon/objects.h"

namespace rnm::addon {
namespace {

std::vector<int> intVector(const Napi::Value& value, const char* name) {
  if (!value.IsArray()) throw std::invalid_argument(std::string("Expected ") + name + " to be an array");
  const auto array = value.As<Napi::Array>();
  std::vector<int> result;
  for (uint32_t i = 0; i < array.Length(); ++i) {
    const Napi::Value element = array.Get(i);
    if (!element.IsNumber()) throw std::invalid_argument(std::string("Expected numbers in ") + name);
    result.push_back(element.As<Napi::Number>().Int32Value());
  }
  return result;
}

std::vector<float> floatVector(const Napi::Value& value, const char* name) {
  if (!value.IsTypedArray() || value.As<Napi::TypedArray>().TypedArrayType() != napi_float32_array) {
    throw std::invalid_argument(std::string("Expected ") + name + " to be a Float32Array");
  }
  auto array = value.As<Napi::Float32Array>();
  return std::vector<float>(array.Data(), array.Data() + array.ElementLength());
}

GradientRule ruleNamed(const std::string& name) {
  if (name == "masked") return GradientRule::masked;
  if (name == "ste") return GradientRule::ste;
  if (name == "sr-ste") return GradientRule::srSte;
  throw std::invalid_argument("Expected the gradient rule to be masked, ste or sr-ste");
}

InitialScale initialScaleNamed(const std::string& name) {
  if (name == "dense") return InitialScale::dense;
  if (name == "variance") return InitialScale::variance;
  throw std::invalid_argument("Expected the initial scale to be dense or variance");
}

NewMoment newMomentNamed(const std::string& name) {
  if (name == "zero") return NewMoment::zero;
  if (name == "row-mean") return NewMoment::rowMean;
  throw std::invalid_argument("Expected new moments to be zero or row-mean");
}

MaskRule maskRuleNamed(const std::string& name) {
  if (name == "magnitude") return MaskRule::magnitude;
  if (name == "gradient") return MaskRule::gradient;
  if (name == "random") return MaskRule::random;
  throw std::invalid_argument("Expected the mask rule to be magnitude, gradient or random");
}

Role roleNamed(const std::string& name) {
  if (name == "online") return Role::online;
  if (name == "target") return Role::target;
  if (name == "inference") return Role::inference;
  throw std::invalid_argument("Expected the role to be online, target or inference");
}

// { sizes, patterns: [n0, m0, n1, m1, ...], maskShape, members, rule, srLambda, densityPower, initialScale,
//   newMoment, low, high, role, seed, stream }
NetworkSpec specOf(const Napi::Object& o) {
  NetworkSpec spec;
  spec.sizes = intVector(o.Get("sizes"), "sizes");
  const std::vector<int> pairs = intVector(o.Get("patterns"), "patterns");
  for (size_t i = 0; i + 1 < pairs.size(); i += 2) spec.patterns.push_back({pairs[i], pairs[i + 1]});
  spec.maskShape = maskShapeNamed(o.Get("maskShape").ToString().Utf8Value());
  spec.members = o.Get("members").ToNumber().Int32Value();
  spec.rule = ruleNamed(o.Get("rule").ToString().Utf8Value());
  spec.srLambda = o.Get("srLambda").ToNumber().FloatValue();
  spec.densityPower = o.Get("densityPower").ToNumber().DoubleValue();
  spec.initialScale = initialScaleNamed(o.Get("initialScale").ToString().Utf8Value());
  spec.newMoment = newMomentNamed(o.Get("newMoment").ToString().Utf8Value());
  spec.low = floatVector(o.Get("low"), "low");
  spec.high = floatVector(o.Get("high"), "high");
  spec.role = roleNamed(o.Get("role").ToString().Utf8Value());
  spec.seed = static_cast<uint64_t>(o.Get("seed").ToNumber().Int64Value());
  spec.stream = static_cast<uint64_t>(o.Get("stream").ToNumber().Int64Value());
  return spec;
}

Part partAt(const Napi::CallbackInfo& info, size_t index) {
  const int part = intAt(info, index);
  if (part < 0 || part > static_cast<int>(Part::biasGradient)) {
    throwArgument(info, index, "a part of a layer");
  }
  return static_cast<Part>(part);
}

// The specification first: reading it may run JavaScript, which may close the device.
std::shared_ptr<Network> networkOf(const Napi::CallbackInfo& info) {
  if (!info[1].IsObject()) throwArgument(info, 1, "a network specification");
  const NetworkSpec spec = specOf(info[1].As<Napi::Object>());
  return deviceAt(info, 0)->backend().network(spec);
}

size_t partSize(const Network& network, int layer, Part part) {
  if (layer < 0 || layer >= network.layers()) {
    throw std::invalid_argument("Expected layer to be within the network");
  }
  const size_t outputs = network.spec().sizes[layer + 1];
  return part >= Part::bias ? outputs : outputs * network.spec().sizes[layer];
}

}  // namespace

Napi::Function NetworkObject::define(Napi::Env env) {
  return DefineClass(env, "Network",
                     {InstanceMethod<&NetworkObject::forward>("forward"),
                      InstanceMethod<&NetworkObject::backward>("backward"),
                      InstanceMethod<&NetworkObject::adam>("adam"),
                      InstanceMethod<&NetworkObject::polyak>("polyak"),
                      InstanceMethod<&NetworkObject::copyFrom>("copyFrom"),
                      InstanceMethod<&NetworkObject::updateMasks>("updateMasks"),
                      InstanceMethod<&NetworkObject::scaleDormant>("scaleDormant"),
                      InstanceMethod<&NetworkObject::followMasks>("followMasks"),
                      InstanceMethod<&NetworkObject::divergence>("divergence"),
                      InstanceMethod<&NetworkObject::largestWeight>("largestWeight"),
                      InstanceMethod<&NetworkObject::largestMoment>("largestMoment"),
                      InstanceMethod<&NetworkObject::idleUnits>("idleUnits"),
                      InstanceMethod<&NetworkObject::read>("read"),
                      InstanceMethod<&NetworkObject::write>("write"),
                      InstanceMethod<&NetworkObject::adamSteps>("adamSteps"),
                      InstanceMethod<&NetworkObject::setAdamSteps>("setAdamSteps"),
                      InstanceMethod<&NetworkObject::bytes>("bytes"),
                      InstanceMethod<&NetworkObject::release>("release")});
}

NetworkObject::NetworkObject(const Napi::CallbackInfo& info)
    : ObjectWrap(info), network_(info.Env(), deviceAt(info, 0), kName, networkOf(info)) {
  info.This().As<Napi::Object>().TypeTag(&kTag);
}

// input view, output view, first member, members, keep
void NetworkObject::forward(const Napi::CallbackInfo& info) {
  network_->forward(viewAt(info, 0), viewAt(info, 3), membersAt(info, 6), boolAt(info, 8));
}

// output gradient view, first member, members, weightGradient, dormantGradient[, input gradient view, first input]
void NetworkObject::backward(const Napi::CallbackInfo& info) {
  const bool toInput = info.Length() > 7;
  network_->backward(viewAt(info, 0), membersAt(info, 3), {boolAt(info, 5), boolAt(info, 6)},
                     toInput ? viewAt(info, 7) : MatrixView{}, toInput ? intAt(info, 10) : 0);
}

// learning rate, beta1, beta2, epsilon
void NetworkObject::adam(const Napi::CallbackInfo& info) {
  network_->adam({numberAt(info, 0), numberAt(info, 1), numberAt(info, 2), numberAt(info, 3)});
}

void NetworkObject::polyak(const Napi::CallbackInfo& info) {
  network_->polyak(*unwrapAt<NetworkObject>(info, 0).network_, static_cast<float>(numberAt(info, 1)));
}

void NetworkObject::copyFrom(const Napi::CallbackInfo& info) {
  network_->copyFrom(*unwrapAt<NetworkObject>(info, 0).network_);
}

// rule, drop fraction, seed, stream
Napi::Value NetworkObject::updateMasks(const Napi::CallbackInfo& info) {
  const MaskUpdate update = {maskRuleNamed(stringAt(info, 0)), numberAt(info, 1),
                             static_cast<uint64_t>(int64At(info, 2)),
                             static_cast<uint64_t>(int64At(info, 3))};
  return Napi::Number::New(info.Env(), static_cast<double>(network_->updateMasks(update)));
}

void NetworkObject::scaleDormant(const Napi::CallbackInfo& info) {
  network_->scaleDormant(static_cast<float>(numberAt(info, 0)));
}

Napi::Value NetworkObject::followMasks(const Napi::CallbackInfo& info) {
  const int64_t changed = network_->followMasks(*unwrapAt<NetworkObject>(info, 0).network_);
  return Napi::Number::New(info.Env(), static_cast<double>(changed));
}

Napi::Value NetworkObject::divergence(const Napi::CallbackInfo& info) {
  const int64_t total = network_->divergence(*unwrapAt<NetworkObject>(info, 0).network_, intAt(info, 1));
  return Napi::Number::New(info.Env(), static_cast<double>(total));
}

Napi::Value NetworkObject::largestWeight(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), network_->largestWeight(intAt(info, 0)));
}

Napi::Value NetworkObject::largestMoment(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), network_->largestMoment());
}

Napi::Value NetworkObject::idleUnits(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(network_->idleUnits(intAt(info, 0))));
}

// member, layer, part, array
void NetworkObject::read(const Napi::CallbackInfo& info) {
  const Part part = partAt(info, 2);
  const int layer = intAt(info, 1);
  network_->read(intAt(info, 0), layer, part, floatsAt(info, 3, partSize(*network_, layer, part)));
}

void NetworkObject::write(const Napi::CallbackInfo& info) {
  const Part part = partAt(info, 2);
  const int layer = intAt(info, 1);
  network_->write(intAt(info, 0), layer, part, floatsAt(info, 3, partSize(*network_, layer, part)));
}

Napi::Value NetworkObject::adamSteps(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(network_->adamSteps()));
}

void NetworkObject::setAdamSteps(const Napi::CallbackInfo& info) {
  network_->setAdamSteps(int64At(info, 0));
}

Napi::Value NetworkObject::bytes(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(network_->bytes()));
}

void NetworkObject::release(const Napi::CallbackInfo&) { network_.release(); }

}  // namespace rnm::addon

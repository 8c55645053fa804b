// A device's backend and what was made on it. Closing the device, or one of its objects, releases
// native memory at once, however long JavaScript holds on to the objects: they are errors from then on.
#pragma once

#include <napi.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <unordered_set>
#include <utility>

#include "core/backend.h"

namespace rnm::addon {

// Memory of the host that V8 does not see: its garbage collector has to know what an object holds.
class ExternalMemory {
 public:
  ExternalMemory(Napi::Env env, size_t bytes) : env_(env), bytes_(static_cast<int64_t>(bytes)) {
    adjust(bytes_);
  }
  ~ExternalMemory() { adjust(-bytes_); }
  ExternalMemory(const ExternalMemory&) = delete;
  ExternalMemory& operator=(const ExternalMemory&) = delete;

 private:
  // Not node-addon-api's, which throws: this runs in destructors.
  void adjust(int64_t change) {
    int64_t total = 0;
    if (change != 0) napi_adjust_external_memory(env_, change, &total);
  }
  napi_env env_;
  int64_t bytes_;
};

// Used by one thread, that of its JavaScript.
class OpenDevice {
 public:
  class Object {
   public:
    virtual void end() noexcept = 0;

   protected:
    ~Object() = default;
  };

  // `onHost`: what is made on it lies in the host's memory.
  OpenDevice(std::unique_ptr<Backend> backend, bool onHost)
      : backend_(std::move(backend)), onHost_(onHost) {}

  bool closed() const { return backend_ == nullptr; }
  bool onHost() const { return onHost_; }
  // Throws std::runtime_error once the device was closed.
  Backend& backend() const {
    if (backend_) return *backend_;
    throw std::runtime_error("This device was closed: make a new one and load the last checkpoint");
  }

  void add(Object* object) { objects_.insert(object); }
  void remove(Object* object) { objects_.erase(object); }
  void close() {
    if (closed()) return;
    backend_->requireReleasable("its device");
    for (Object* object : objects_) object->end();
    objects_.clear();
    backend_.reset();
  }

 private:
  std::unique_ptr<Backend> backend_;
  bool onHost_;
  std::unordered_set<Object*> objects_;
};

// Bytes that V8 is told of: a replay buffer's at once, though they are taken as rows arrive; a
// network's without its activations.
inline size_t bytesOf(const Matrix& matrix) {
  return static_cast<size_t>(matrix.rows()) * matrix.columns() * sizeof(float);
}
inline size_t bytesOf(const Network& network) { return network.bytes(); }
inline size_t bytesOf(const Replay& replay) {
  return static_cast<size_t>(replay.capacity()) * replay.rowLength() * sizeof(float);
}
inline size_t bytesOf(const Graph&) { return 0; }

// What a device made for an object of JavaScript, until it is released or the device is closed.
template <typename T>
class Made : private OpenDevice::Object {
 public:
  // `name` is for errors, such as "a network".
  Made(Napi::Env env, std::shared_ptr<OpenDevice> device, const char* name,
       std::shared_ptr<T> object)
      : device_(std::move(device)), name_(name), object_(std::move(object)) {
    if (object_ && device_->onHost()) {
      memory_ = std::make_unique<ExternalMemory>(env, bytesOf(*object_));
    }
    device_->add(this);
  }
  ~Made() { device_->remove(this); }
  Made(const Made&) = delete;
  Made& operator=(const Made&) = delete;

  // Throws if there is nothing any more.
  const std::shared_ptr<T>& shared() const {
    if (object_) return object_;
    device_->backend();
    throw std::runtime_error(std::string("Expected ") + name_ + " but received one that was closed");
  }
  explicit operator bool() const { return object_ != nullptr; }
  T& operator*() const { return *shared(); }
  T* operator->() const { return shared().get(); }

  void release() {
    if (!object_) return;
    device_->backend().requireReleasable(name_);
    end();
  }

 private:
  void end() noexcept override {
    object_.reset();
    memory_.reset();
  }

  std::shared_ptr<OpenDevice> device_;  // outlives the object
  const char* name_;
  std::shared_ptr<T> object_;
  std::unique_ptr<ExternalMemory> memory_;
};

}  // namespace rnm::addon

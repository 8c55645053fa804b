// Turns a typed kernel and its arguments into something that a stream can keep and run later.
#pragma once

#include <cstring>
#include <functional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "../driver_types.h"

namespace rnm::emulator {

// An argument's words that may be device addresses: a pointer itself, or those within a struct.
struct KernelPointer {
  int argument;
  const void* address;
  bool inStruct;
};

struct KernelCall {
  const void* function;
  std::function<void()> body;  // runs the kernel for the current thread
  std::vector<KernelPointer> pointers;
};

cudaError_t launch(const cudaLaunchConfig_t* config, KernelCall call);

template <typename T>
void collectPointers(int index, const T& argument, std::vector<KernelPointer>& pointers) {
  if constexpr (std::is_pointer_v<T>) {
    pointers.push_back({index, reinterpret_cast<const void*>(argument), false});
  } else if constexpr (std::is_class_v<T>) {
    static_assert(std::is_trivially_copyable_v<T>, "kernel arguments are copied bytewise");
    for (size_t at = 0; at + sizeof(void*) <= sizeof(T); at += alignof(void*)) {
      const void* word;
      std::memcpy(&word, reinterpret_cast<const char*>(&argument) + at, sizeof(word));
      pointers.push_back({index, word, true});
    }
  }
}

template <typename... Parameters>
cudaError_t launch(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                   std::tuple<Parameters...> arguments) {
  KernelCall call{reinterpret_cast<const void*>(kernel), nullptr, {}};
  int index = 0;
  std::apply([&](const auto&... each) { (collectPointers(index++, each, call.pointers), ...); }, arguments);
  call.body = [kernel, arguments] { std::apply(kernel, arguments); };
  return launch(config, std::move(call));
}

}  // namespace rnm::emulator

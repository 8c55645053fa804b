// The parts of AddressSanitizer's interface that the emulator uses, or nothing without it.
#pragma once

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define RNM_EMULATOR_ASAN 1
#else
#define RNM_EMULATOR_ASAN 0
#define ASAN_POISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(address, size) ((void)(address), (void)(size))
#endif

// For the emulator's own look at memory that nobody else may touch. Such functions must not call
// memset or memcmp, which the sanitizer checks by itself.
#define RNM_EMULATOR_UNCHECKED __attribute__((no_sanitize("address", "undefined"), noinline, optimize("no-tree-loop-distribute-patterns")))

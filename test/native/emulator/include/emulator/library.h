// Stands in for dlopen, dlsym and dlerror of libcublasLt and libcusparseLt.
#pragma once

// Opens the emulated library whose name is in `file` ("libcusparseLt.so.0"); null if there is none
// of that name or the failure "library:NAME" is injected.
void* rnmEmulatorOpenLibrary(const char* file);
// Null if the library has no function of this name.
void* rnmEmulatorSymbol(void* library, const char* name);
// Why the last of these calls on this thread failed; null if it did not.
const char* rnmEmulatorLibraryError();

# The CUDA plugin, built beside rnm.node: rnm_cuda.so, or rnm_cuda_emulated.so from the same sources
# for tests without a GPU. RNM_CUDA says which: see CMakeLists.txt.
set(RNM_EMULATOR ${CMAKE_CURRENT_SOURCE_DIR}/test/native/emulator)
rnm_sources(cuda RNM_CUDA_SOURCES)

# A plugin with one exported symbol and everything but the system's libraries within it.
function(rnm_plugin name)
  add_library(${name} MODULE ${RNM_CUDA_SOURCES} ${ARGN})
  set_target_properties(${name} PROPERTIES PREFIX "" SUFFIX ".so" CXX_VISIBILITY_PRESET hidden
    CUDA_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  target_include_directories(${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/native)
  target_compile_definitions(${name} PRIVATE RNM_CONTRACT="${RNM_CONTRACT}")
  find_package(Threads REQUIRED)
  target_link_libraries(${name} PRIVATE Threads::Threads ${CMAKE_DL_LIBS})
  # Like the addon it is never unloaded: the runtime's exit handlers lie in its code.
  target_link_options(${name} PRIVATE -Wl,-z,nodelete)
endfunction()

# Folders of Python's packages that bring CUDA's headers.
function(rnm_python_hints result)
  set(script "import nvidia, pathlib\\nfor p in nvidia.__path__:\\n for d in pathlib.Path(p).glob('*/include'): print(d)")
  foreach(python python3 python python3.13 python3.12 python3.11 python3.10)
    execute_process(COMMAND ${python} -c "exec(\"${script}\")" OUTPUT_VARIABLE found ERROR_QUIET)
    string(REGEX REPLACE "\n" ";" found "${found}")
    list(APPEND folders ${found})
  endforeach()
  list(REMOVE_DUPLICATES folders)
  set(${result} ${folders} PARENT_SCOPE)
endfunction()

# The folders of the headers that the plugin is compiled with. `missing` is empty if all are there.
function(rnm_cuda_headers folders missing)
  rnm_python_hints(python)
  foreach(header cublasLt.h cusparse.h cusparseLt.h)
    string(MAKE_C_IDENTIFIER RNM_${header} variable)
    find_path(${variable} ${header}
      HINTS ${RNM_CUDA_HINTS} $ENV{RNM_CUDA_HINTS} ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES}
        ${python} /usr/local/cuda/include
      PATH_SUFFIXES include libcusparseLt libcusparseLt/12 libcusparseLt/13)
    if(${variable})
      list(APPEND found ${${variable}})
    else()
      list(APPEND absent ${header})
    endif()
  endforeach()
  list(REMOVE_DUPLICATES found)
  set(${folders} ${found} PARENT_SCOPE)
  set(${missing} ${absent} PARENT_SCOPE)
endfunction()

# One line on what was decided; RNM_CUDA=ON insists.
function(rnm_no_cuda reason)
  set(help "Install the CUDA toolkit and `pip install nvidia-cusparselt-cu13 nvidia-cublas nvidia-cusparse`, or set RNM_CUDA_HINTS.")
  if(RNM_CUDA STREQUAL "ON")
    message(FATAL_ERROR "No CUDA: ${reason}. ${help}")
  endif()
  message(STATUS "CPU only: ${reason}")
endfunction()

function(rnm_add_cuda)
  rnm_cuda_headers(folders missing)
  if(missing)
    rnm_no_cuda("${missing} not found")
    return()
  endif()
  rnm_plugin(rnm_cuda)
  set_target_properties(rnm_cuda PROPERTIES CUDA_RUNTIME_LIBRARY Static
    CUDA_ARCHITECTURES "${CMAKE_CUDA_ARCHITECTURES}")
  target_include_directories(rnm_cuda SYSTEM PRIVATE ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES}
    ${folders})
  target_compile_options(rnm_cuda PRIVATE
    $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra $<$<BOOL:${RNM_WERROR}>:-Werror>>
    $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra
      $<$<BOOL:${RNM_WERROR}>:--Werror=all-warnings>>)
  message(STATUS "CUDA ${CMAKE_CUDA_COMPILER_VERSION} for ${CMAKE_CUDA_ARCHITECTURES}")
endfunction()

# The host's compiler takes the same sources; the emulator's headers stand in for CUDA's.
function(rnm_add_emulated_cuda)
  file(READ ${RNM_EMULATOR}/sources.json RNM_SOURCES_JSON)
  rnm_sources(emulator emulator)
  rnm_plugin(rnm_cuda_emulated ${emulator})
  target_include_directories(rnm_cuda_emulated BEFORE PRIVATE ${RNM_EMULATOR}/include)
  target_compile_definitions(rnm_cuda_emulated PRIVATE RNM_CUDA_EMULATED)
  target_compile_options(rnm_cuda_emulated PRIVATE -Wno-unknown-pragmas)
  target_link_libraries(rnm_cuda_emulated PRIVATE rnm_options)
  set_source_files_properties(${RNM_CUDA_SOURCES} PROPERTIES LANGUAGE CXX)
  foreach(source ${RNM_CUDA_SOURCES})
    if(source MATCHES "[.]cu$")
      set_source_files_properties(${source} PROPERTIES COMPILE_OPTIONS "-x;c++")
    endif()
  endforeach()
endfunction()

# A plugin of an earlier build must not be found beside a new addon.
file(REMOVE ${CMAKE_LIBRARY_OUTPUT_DIRECTORY}/rnm_cuda.so)
if(RNM_CUDA STREQUAL "EMULATED")
  rnm_add_emulated_cuda()
elseif(RNM_CUDA STREQUAL "AUTO" OR RNM_CUDA STREQUAL "ON")
  # NVIDIA's packages put nvcc where PATH does not lead, and CMake looks nowhere else.
  find_program(RNM_NVCC nvcc HINTS ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda PATH_SUFFIXES bin)
  if(RNM_NVCC AND NOT DEFINED ENV{CUDACXX})
    set(ENV{CUDACXX} ${RNM_NVCC})
  endif()
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    if(NOT CMAKE_CUDA_ARCHITECTURES AND RNM_CUDA STREQUAL "AUTO")
      # An installation has no minutes to spare: sm_86 and sm_89 run code for sm_80, and later ones PTX.
      set(CMAKE_CUDA_ARCHITECTURES "80-real;90")
    elseif(NOT CMAKE_CUDA_ARCHITECTURES)
      set(CMAKE_CUDA_ARCHITECTURES "80-real;86-real;89-real;90")
    endif()
    enable_language(CUDA)
    # CMake knows this flag since 3.26 only.
    if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)
      set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
    endif()
    rnm_add_cuda()
  else()
    rnm_no_cuda("nvcc was not found")
  endif()
elseif(NOT RNM_CUDA STREQUAL "OFF")
  message(FATAL_ERROR "Expected RNM_CUDA to be AUTO, ON, OFF or EMULATED but received ${RNM_CUDA}")
endif()

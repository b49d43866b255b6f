# Options and flags that hold for every target.
option(HILUM_TESTS "Build the tests" ON)
option(HILUM_BENCH "Build the benchmarks" ON)
option(HILUM_FUZZ "Build the fuzz targets with libFuzzer (needs clang)" OFF)
option(HILUM_CUDA "Build the CUDA side of kernels/ and link LibTorch's CUDA libraries" OFF)
option(HILUM_WERROR "Warnings are errors" OFF)
option(HILUM_UNITY "Compile six sources as one; OFF where tools ask for each file's own command" ON)
option(HILUM_PCH "Parse the headers that most files include once (g++)" ON)
set(HILUM_SANITIZE "" CACHE STRING "address or thread: what the sanitizer presets use")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

# The compiler may not fuse a*b+c by itself: kernels write fmaf where they mean it. Release
# binaries run on any x86-64: no -march=native anywhere.
add_compile_options($<$<COMPILE_LANGUAGE:C,CXX>:-Wall>
                    $<$<COMPILE_LANGUAGE:C,CXX>:-Wextra>
                    # Designated initialisers leave fields at their defaults on purpose.
                    $<$<COMPILE_LANGUAGE:C,CXX>:-Wno-missing-field-initializers>
                    $<$<COMPILE_LANGUAGE:C,CXX>:-ffp-contract=off>
                    $<$<COMPILE_LANGUAGE:C,CXX>:-fno-math-errno>
                    # gRPC asks for it; parsed headers need the same flags everywhere.
                    $<$<COMPILE_LANGUAGE:C,CXX>:-pthread>)
if(HILUM_WERROR)
  add_compile_options($<$<COMPILE_LANGUAGE:C,CXX>:-Werror>)
endif()
if(CMAKE_CXX_COMPILER_ID MATCHES Clang)
  add_compile_options(-Wthread-safety)
endif()
if(HILUM_SANITIZE STREQUAL address)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined
                      -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=address,undefined)
elseif(HILUM_SANITIZE STREQUAL thread)
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=thread)
  # ThreadSanitizer learns of absl::Mutex; linked first into everything.
  find_package(absl REQUIRED)
  add_library(tsan_mutex SHARED ${PROJECT_SOURCE_DIR}/tests/tsan_mutex.cc)
  target_link_libraries(tsan_mutex PRIVATE absl::synchronization ${CMAKE_DL_LIBS})
  link_libraries($<BUILD_INTERFACE:tsan_mutex>)
endif()
if(HILUM_SANITIZE)
  add_compile_definitions(HILUM_SANITIZED=1)
endif()

find_program(HILUM_CCACHE ccache)
if(HILUM_CCACHE)
  # These let it keep files that use parsed headers (its manual, "Precompiled headers").
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros ${HILUM_CCACHE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)
  endif()
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${HILUM_CCACHE})
endif()
find_program(HILUM_MOLD mold)
if(HILUM_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

if(HILUM_CUDA)
  enable_language(CUDA)
  set(CMAKE_CUDA_STANDARD 20)
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)  # CMake 3.25 does not know nvcc's flag
  set(CMAKE_CUDA_ARCHITECTURES 80 90 100 CACHE STRING "" FORCE)
endif()

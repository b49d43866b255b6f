# One call a target. Targets are named hilum::FOLDER.

# hilum_headers(NAME HEADERS <a> ... [DEPS ...] [PROGRAMS]): headers that hilum_use_headers(TARGET
# NAME) finds already parsed. Both need the same flags; PROGRAMS says that executables use them
# (-fPIE, where libraries have -fPIC). Each file still includes what it uses: clang (fuzz) compiles
# without this.
function(hilum_headers name)
  cmake_parse_arguments(arg "PROGRAMS" "" "HEADERS;DEPS" ${ARGN})
  if(NOT HILUM_PCH OR NOT CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    return()
  endif()
  set(source ${PROJECT_BINARY_DIR}/headers/${name}.cc)
  file(CONFIGURE OUTPUT ${source} CONTENT "")
  add_library(hilum_headers_${name} OBJECT ${source})
  target_link_libraries(hilum_headers_${name} PRIVATE ${arg_DEPS})
  target_precompile_headers(hilum_headers_${name} PRIVATE ${arg_HEADERS})
  if(arg_PROGRAMS)
    set_target_properties(hilum_headers_${name} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(hilum_headers_${name} PRIVATE -fPIE)
  endif()
endfunction()

function(hilum_use_headers target name)
  if(TARGET hilum_headers_${name})
    target_precompile_headers(${target} REUSE_FROM hilum_headers_${name})
    # g++ 12 is wrong about the standard library's own strings here; it forgets that they are not
    # ours once they come parsed.
    target_compile_options(${target} PRIVATE
                           $<$<COMPILE_LANGUAGE:CXX>:-Wno-array-bounds;-Wno-restrict>
                           $<$<COMPILE_LANGUAGE:CXX>:-Wno-stringop-overflow;-Wno-stringop-overread>)
  endif()
endfunction()

# What most libraries include; cli/ has its own.
set(HILUM_LIBRARY_HEADERS libraries)
find_package(absl REQUIRED)
hilum_headers(libraries DEPS absl::status absl::statusor absl::strings
  HEADERS <algorithm> <array> <cstdint> <filesystem> <functional> <map> <memory> <optional> <set>
          <span> <sstream> <string> <vector> <absl/status/status.h> <absl/status/statusor.h>
          <absl/strings/str_cat.h>)

# hilum_library(NAME SRCS a.cc ... DEPS hilum::base ... [PRIVATE_DEPS ...])
function(hilum_library name)
  cmake_parse_arguments(arg "" "" "SRCS;DEPS;PRIVATE_DEPS" ${ARGN})
  if(arg_SRCS)
    add_library(hilum_${name} STATIC ${arg_SRCS})
    set(scope PUBLIC)
    target_link_libraries(hilum_${name} PRIVATE ${arg_PRIVATE_DEPS})
    hilum_use_headers(hilum_${name} "${HILUM_LIBRARY_HEADERS}")
  else()
    add_library(hilum_${name} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(hilum_${name} ${scope} $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}>
                             $<INSTALL_INTERFACE:include/hilum>)
  target_link_libraries(hilum_${name} ${scope} ${arg_DEPS})
  set_target_properties(hilum_${name} PROPERTIES EXPORT_NAME ${name})
  add_library(hilum::${name} ALIAS hilum_${name})
endfunction()

# hilum_program(hilum-NAME SRCS ... DEPS ...): a program in bin/.
function(hilum_program name)
  cmake_parse_arguments(arg "" "" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${arg_SRCS})
  target_link_libraries(${name} PRIVATE ${arg_DEPS})
  set_property(GLOBAL APPEND PROPERTY HILUM_PROGRAMS ${name})
endfunction()

# hilum_test(NAME SRCS ... [APART ...] DEPS ... [LABELS ...] [ENVIRONMENT ...] [WHOLE] [TIMEOUT s])
# Six of SRCS are compiled as one, since most of a test's time goes to the headers; those in APART
# are not: they have names of their own that others have as well.
# One binary; each of its tests is one CTest, or with WHOLE the binary is (slow start-ups).
function(hilum_test name)
  cmake_parse_arguments(arg "WHOLE" "TIMEOUT" "SRCS;APART;DEPS;LABELS;ENVIRONMENT" ${ARGN})
  find_package(GTest REQUIRED)
  add_executable(${name}_test ${arg_SRCS} ${arg_APART})
  set_source_files_properties(${arg_APART} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  target_include_directories(${name}_test PRIVATE ${PROJECT_SOURCE_DIR})
  target_compile_definitions(${name}_test PRIVATE HILUM_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                             HILUM_BIN_DIR="${CMAKE_RUNTIME_OUTPUT_DIRECTORY}")
  target_link_libraries(${name}_test PRIVATE ${arg_DEPS} GTest::gtest GTest::gmock
                        GTest::gtest_main)
  hilum_use_headers(${name}_test "${HILUM_TEST_HEADERS}")
  set_target_properties(${name}_test PROPERTIES
                        RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests
                        UNITY_BUILD ${HILUM_UNITY} UNITY_BUILD_BATCH_SIZE 6)
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  set(properties TIMEOUT ${arg_TIMEOUT})
  if(arg_LABELS)
    list(APPEND properties LABELS "${arg_LABELS}")
  endif()
  if(arg_ENVIRONMENT)
    list(APPEND properties ENVIRONMENT "${arg_ENVIRONMENT}")
  endif()
  if(arg_WHOLE)
    add_test(NAME ${name} COMMAND ${name}_test)
    set_tests_properties(${name} PROPERTIES ${properties}
                         SKIP_REGULAR_EXPRESSION "\\[  SKIPPED \\]")
  else()
    include(GoogleTest)
    gtest_discover_tests(${name}_test TEST_PREFIX ${name}/ DISCOVERY_MODE PRE_TEST
                         DISCOVERY_TIMEOUT 120
                         PROPERTIES ${properties})
  endif()
endfunction()

# hilum_bench(NAME SRCS ... DEPS ...): a Google Benchmark program in bench/.
function(hilum_bench name)
  cmake_parse_arguments(arg "" "" "SRCS;DEPS" ${ARGN})
  find_package(benchmark REQUIRED)
  add_executable(${name}_bench ${arg_SRCS})
  target_include_directories(${name}_bench PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(${name}_bench PRIVATE ${arg_DEPS} benchmark::benchmark)
  set_target_properties(${name}_bench PROPERTIES
                        RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bench)
endfunction()

# hilum_fuzz(NAME SRC file.cc DEPS ... CORPUS folder)
# The source defines LLVMFuzzerTestOneInput. With HILUM_FUZZ it becomes a libFuzzer program;
# always it becomes a CTest that replays the corpus.
function(hilum_fuzz name)
  cmake_parse_arguments(arg "" "SRC;CORPUS" "DEPS" ${ARGN})
  add_executable(fuzz_replay_${name} ${arg_SRC} ${PROJECT_SOURCE_DIR}/tests/fuzz/replay_main.cc)
  target_include_directories(fuzz_replay_${name} PRIVATE ${PROJECT_SOURCE_DIR})
  target_link_libraries(fuzz_replay_${name} PRIVATE ${arg_DEPS})
  set_target_properties(fuzz_replay_${name} PROPERTIES
                        RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
  add_test(NAME fuzz_replay/${name} COMMAND fuzz_replay_${name} ${arg_CORPUS})
  set_tests_properties(fuzz_replay/${name} PROPERTIES LABELS fuzz TIMEOUT 120)
  if(HILUM_FUZZ)
    add_executable(fuzz_${name} ${arg_SRC})
    target_include_directories(fuzz_${name} PRIVATE ${PROJECT_SOURCE_DIR})
    target_link_libraries(fuzz_${name} PRIVATE ${arg_DEPS})
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer,address,undefined)
    set_target_properties(fuzz_${name} PROPERTIES
                          RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/fuzz)
  endif()
endfunction()

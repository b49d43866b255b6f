# Configures kernels/ with its tests and benches as a bare GPU computer would: no gRPC, Protobuf,
# DCMTK, OpenCV, LibTorch, OpenSSL or SQLite; and builds TARGET there when it is given.
#   cmake -DSOURCE=... -DBUILD=... -DCOMPILER=... [-DTARGET=...] -P configure_alone.cmake
set(absent)
foreach(package gRPC Protobuf DCMTK OpenCV OpenSSL SQLite3 PkgConfig nlohmann_json prometheus-cpp
        CLI11)
  list(APPEND absent -DCMAKE_DISABLE_FIND_PACKAGE_${package}=ON)
endforeach()
execute_process(
  COMMAND ${CMAKE_COMMAND} -S ${SOURCE} -B ${BUILD} -G Ninja -DCMAKE_CXX_COMPILER=${COMPILER}
          -DCMAKE_BUILD_TYPE=Release "-DHILUM_FOLDERS=base;kernels"
          -DLIBTORCH_ROOT=/nonexistent ${absent}
  RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "kernels/, tests/kernels and bench/ do not configure by themselves")
endif()
if(TARGET)
  execute_process(COMMAND ${CMAKE_COMMAND} --build ${BUILD} --target ${TARGET} --parallel 2
                  RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "${TARGET} does not build with ${COMPILER}")
  endif()
endif()

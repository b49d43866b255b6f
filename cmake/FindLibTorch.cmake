# LibTorch::torch, our own imported target; docs/architecture.md, section 8, says why Torch's
# CMake package is not used.
set(LIBTORCH_ROOT "$ENV{LIBTORCH}" CACHE PATH "Folder with LibTorch's include/ and lib/")
if(NOT LIBTORCH_ROOT)
  set(LIBTORCH_ROOT ${PROJECT_SOURCE_DIR}/.deps/libtorch)
endif()
if(NOT EXISTS ${LIBTORCH_ROOT}/lib/libtorch_cpu.so)
  message(FATAL_ERROR "LibTorch is not at ${LIBTORCH_ROOT}: run ./dev setup, or set "
          "LIBTORCH_ROOT to a folder with LibTorch's include/ and lib/.")
endif()
if(EXISTS ${LIBTORCH_ROOT}/include/google)
  message(FATAL_ERROR "${LIBTORCH_ROOT}/include/google holds protobuf headers of another "
          "version, which shadow the system's: remove that folder.")
endif()
if(NOT TARGET LibTorch::torch)
  add_library(LibTorch::torch INTERFACE IMPORTED GLOBAL)
  target_include_directories(LibTorch::torch SYSTEM INTERFACE
    ${LIBTORCH_ROOT}/include ${LIBTORCH_ROOT}/include/torch/csrc/api/include)
  target_link_libraries(LibTorch::torch INTERFACE
    ${LIBTORCH_ROOT}/lib/libtorch_cpu.so ${LIBTORCH_ROOT}/lib/libc10.so)
  target_link_options(LibTorch::torch INTERFACE -Wl,--allow-shlib-undefined
                      -Wl,-rpath,${LIBTORCH_ROOT}/lib)
  if(HILUM_CUDA AND NOT EXISTS ${LIBTORCH_ROOT}/lib/libtorch_cuda.so)
    message(FATAL_ERROR "LibTorch in ${LIBTORCH_ROOT} has no CUDA libraries: run ./dev setup cuda")
  endif()
  if(HILUM_CUDA)
    target_link_libraries(LibTorch::torch INTERFACE -Wl,--no-as-needed
      ${LIBTORCH_ROOT}/lib/libtorch_cuda.so ${LIBTORCH_ROOT}/lib/libc10_cuda.so
      -Wl,--as-needed)
  endif()
endif()
set(LibTorch_FOUND TRUE)

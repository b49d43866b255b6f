// The GPU side of exec.h, which includes it: a phase is one step of real threads.
#ifndef HILUM_KERNELS_EXEC_CUDA_H_
#define HILUM_KERNELS_EXEC_CUDA_H_

#include <cstdint>

namespace hilum::kernels {

// One CUDA thread block. Each call of f is one real thread.
template <class Program>
class Block {
 public:
  // A value that each thread keeps between phases: one register set per thread.
  template <class T>
  struct PerThread {
    T value{};
    HILUM_KERNEL T& operator[](int) { return value; }
  };

  HILUM_KERNEL Block(int64_t block_index, typename Program::Shared& shared)
      : index(block_index), shared_(shared) {}

  template <class F>
  HILUM_KERNEL void Local(int64_t n, F f) const {
    if (static_cast<int64_t>(threadIdx.x) < n) f(static_cast<int>(threadIdx.x));
  }
  template <class F>
  HILUM_KERNEL void Local(F f) const {
    f(static_cast<int>(threadIdx.x));
  }
  template <class F>
  HILUM_KERNEL void Phase(int64_t n, F f) const {
    Local(n, [&](int t) { f(t, shared_); });
    __syncthreads();
  }
  template <class F>
  HILUM_KERNEL void Phase(F f) const {
    Phase(Program::kThreads, f);
  }
  template <class F>
  HILUM_KERNEL void PhaseOfLanes(int width, int64_t n, F f) const {
    Phase(n * width, [&](int t, auto& shared) { f(t / width, t % width, shared); });
  }
  template <class F>
  HILUM_KERNEL void PhaseOfGrid(int64_t n_rows, int64_t n_columns, F f) const {
    for (int64_t i = threadIdx.x; i < n_rows * n_columns; i += Program::kThreads) {
      f(i / n_columns, i % n_columns, shared_);
    }
    __syncthreads();
  }

  int64_t index;

 private:
  typename Program::Shared& shared_;
};

template <class Program>
__global__ void __launch_bounds__(Program::kThreads) Run(Program program) {
  __shared__ typename Program::Shared shared;
  program(Block<Program>(blockIdx.x, shared));
}

// Queues `program` on `stream`. 0 <= blocks < 2^31.
template <class Program>
cudaError_t Launch(cudaStream_t stream, const Program& program, int64_t blocks) {
  if (blocks == 0) return cudaSuccess;  // CUDA refuses an empty grid
  Run<<<static_cast<unsigned>(blocks), Program::kThreads, 0, stream>>>(program);
  return cudaGetLastError();
}

}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_EXEC_CUDA_H_

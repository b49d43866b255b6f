// Counts the GPUs.
#include <cuda_runtime_api.h>

#include "kernels/cuda_entry.h"

namespace hilum::kernels::cuda {

int DeviceCount() {
  int count = 0;
  if (cudaGetDeviceCount(&count) != cudaSuccess) {
    cudaGetLastError();  // no driver or no GPU is an answer, not an error of the next call
    return 0;
  }
  return count;
}

}  // namespace hilum::kernels::cuda

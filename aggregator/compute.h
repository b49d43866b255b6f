// What a server or an auditor computes with: the devices that hold the running sum, threads.
#ifndef HILUM_AGGREGATOR_COMPUTE_H_
#define HILUM_AGGREGATOR_COMPUTE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "kernels/device_queue.h"

namespace hilum::aggregator {

// As people write it.
struct ComputeOptions {
  std::string device = "cpu";         // auto, cpu, cuda:N or cuda:N,cuda:M,...
  int threads = 0;                    // of the CPU; 0: one for each core that the process may use
  uint64_t device_memory_mib = 4096;  // of each GPU, at most
};

// As it is used. By default the CPU.
struct Compute {
  std::vector<kernels::Device> devices = {kernels::Device::kCpu};
  int64_t device_budget_bytes = 0;  // of each
  // Makes the queues that feed each of `devices`. Null: the CPU adds where the words are.
  std::function<absl::StatusOr<std::vector<std::unique_ptr<kernels::DeviceQueues>>>()> make_queues;
};

// Also sets the number of threads of this process. "auto" takes a GPU only where there is one.
// InvalidArgument: not a device, a GPU twice, or one that is not here or not in this build; the
// sentence says which.
absl::StatusOr<Compute> ChooseCompute(const ComputeOptions& options);

// Logs the devices, the CPU's instruction set (HILUM_ISA) and the number of threads.
void LogCompute(const Compute& compute);

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_COMPUTE_H_

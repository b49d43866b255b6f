// What a server or an auditor computes with: the device that holds the running sum, and threads.
#ifndef HILUM_AGGREGATOR_COMPUTE_H_
#define HILUM_AGGREGATOR_COMPUTE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "kernels/device_queue.h"

namespace hilum::aggregator {

// As people write it.
struct ComputeOptions {
  std::string device = "cpu";         // auto, cpu or cuda:N
  int threads = 0;                    // of the CPU; 0: one for each core that the process may use
  uint64_t device_memory_mib = 4096;  // of a GPU, at most
};

// As it is used. By default the CPU.
struct Compute {
  kernels::Device device;
  int64_t device_budget_bytes = 0;
  // Makes the queues that feed `device`. Null: the CPU adds where the words are.
  std::function<absl::StatusOr<std::unique_ptr<kernels::DeviceQueues>>()> make_queues;
};

// Also sets the number of threads of this process. "auto" takes a GPU only where there is one.
// InvalidArgument: not a device, or a GPU that is not here or not in this build; the sentence says
// which.
absl::StatusOr<Compute> ChooseCompute(const ComputeOptions& options);

// Logs the device, the CPU's instruction set (HILUM_ISA) and the number of threads.
void LogCompute(const Compute& compute);

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_COMPUTE_H_

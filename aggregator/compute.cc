#include "aggregator/compute.h"

#include <utility>

#include "base/log.h"
#include "base/status_macros.h"
#include "kernels/cpu.h"

namespace hilum::aggregator {
namespace {

// One queue copies while the other adds.
constexpr int kQueues = 2;

using Queues = std::vector<std::unique_ptr<kernels::DeviceQueues>>;

}  // namespace

absl::StatusOr<Compute> ChooseCompute(const ComputeOptions& options) {
  const auto devices = kernels::ParseDevices(options.device);
  if (!devices.ok()) return absl::InvalidArgumentError(devices.status().message());
  Compute compute{.devices = *devices};
  if (devices->front().kind == kernels::Device::kCuda) {
    compute.device_budget_bytes = static_cast<int64_t>(options.device_memory_mib) << 20;
    compute.make_queues = [devices = *devices]() -> absl::StatusOr<Queues> {
      Queues queues;
      for (const kernels::Device device : devices) {
        HILUM_ASSIGN_OR_RETURN(auto one, kernels::DeviceQueues::Create(device, kQueues));
        queues.push_back(std::move(one));
      }
      return queues;
    };
  }
  kernels::SetCpuThreads(options.threads);
  return compute;
}

void LogCompute(const Compute& compute) {
  Log(LogLevel::kInfo, "computing",
      {{"device", kernels::ToString(compute.devices)},
       {"isa", kernels::ToString(kernels::DefaultIsa())},
       {"threads", kernels::CpuThreads()}});
}

}  // namespace hilum::aggregator

#include "aggregator/compute.h"

#include "base/log.h"
#include "kernels/cpu.h"

namespace hilum::aggregator {
namespace {

// One queue copies while the other adds.
constexpr int kQueues = 2;

}  // namespace

absl::StatusOr<Compute> ChooseCompute(const ComputeOptions& options) {
  const absl::StatusOr<kernels::Device> device = kernels::ParseDevice(options.device);
  if (!device.ok()) return absl::InvalidArgumentError(device.status().message());
  Compute compute{.device = *device};
  if (device->kind == kernels::Device::kCuda) {
    compute.device_budget_bytes = static_cast<int64_t>(options.device_memory_mib) << 20;
    compute.make_queues = [device = *device] {
      return kernels::DeviceQueues::Create(device, kQueues);
    };
  }
  kernels::SetCpuThreads(options.threads);
  return compute;
}

void LogCompute(const Compute& compute) {
  Log(LogLevel::kInfo, "computing",
      {{"device", kernels::ToString(compute.device)},
       {"isa", kernels::ToString(kernels::DefaultIsa())},
       {"threads", kernels::CpuThreads()}});
}

}  // namespace hilum::aggregator

#include "kernels/collective.h"

#include <algorithm>
#include <array>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "kernels/cuda_entry.h"

namespace hilum::kernels {
namespace {

constexpr size_t kBlock = 4096;  // coordinates whose sums stay in the first-level cache

// One thread a device. Device d adds up coordinates [d n / D, (d + 1) n / D) of all parts and
// writes them to the total, which all threads share: nothing is left to gather.
class CpuCollective final : public Collective {
 public:
  explicit CpuCollective(size_t n_devices) : Collective(n_devices) {}

 private:
  template <class T>
  static void SumSlice(std::span<const std::span<const T>> parts, std::span<T> total, size_t first,
                       size_t last) {
    std::array<T, kBlock> sums;
    for (size_t at = first; at < last; at += kBlock) {
      const size_t n = std::min(kBlock, last - at);
      std::copy_n(parts[0].data() + at, n, sums.data());
      for (const std::span<const T> part : parts.subspan(1)) {
        for (size_t j = 0; j < n; ++j) sums[j] += part[at + j];
      }
      std::copy_n(sums.data(), n, total.data() + at);
    }
  }
  template <class T>
  absl::Status RunOf(std::span<const std::span<const T>> parts, std::span<T> total) {
    const size_t n = total.size(), n_slices = n_devices();
    const auto slice = [=](size_t device) {
      SumSlice(parts, total, n * device / n_slices, n * (device + 1) / n_slices);
    };
    std::vector<std::thread> others;
    for (size_t device = 1; device < n_slices; ++device) others.emplace_back(slice, device);
    slice(0);
    for (std::thread& other : others) other.join();
    return absl::OkStatus();
  }
  absl::Status Run(std::span<const std::span<const uint32_t>> parts,
                   std::span<uint32_t> total) override {
    return RunOf(parts, total);
  }
  absl::Status Run(std::span<const std::span<const uint64_t>> parts,
                   std::span<uint64_t> total) override {
    return RunOf(parts, total);
  }
};

template <class T>
void ReferenceOf(std::span<const std::span<const T>> parts, std::span<T> total) {
  for (size_t j = 0; j < total.size(); ++j) {
    T sum = 0;
    for (const std::span<const T> part : parts) sum += part[j];
    total[j] = sum;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Collective>> Collective::Create(std::span<const Device> devices) {
  if (devices.empty() || devices.size() > kMaxCollectiveDevices) {
    return absl::InvalidArgumentError(absl::StrCat("a collective of ", devices.size(),
                                                   " devices was asked for; needed is 1 to ",
                                                   kMaxCollectiveDevices));
  }
  for (size_t i = 0; i < devices.size(); ++i) {
    if (devices[i].kind != devices[0].kind) {
      return absl::InvalidArgumentError(absl::StrCat("a collective of ", ToString(devices[0]),
                                                     " and ", ToString(devices[i]),
                                                     " was asked for; it joins GPUs only"));
    }
    const auto before = devices.first(i);
    if (devices[i].kind == Device::kCuda &&
        std::find(before.begin(), before.end(), devices[i]) != before.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat(ToString(devices[i]), " was named twice in one collective"));
    }
    HILUM_RETURN_IF_ERROR(CheckDevice(devices[i]));
  }
  if constexpr (kCudaBuild) {
    if (devices[0].kind == Device::kCuda) return cuda::MakeCollective(devices);
  }
  return std::make_unique<CpuCollective>(devices.size());
}

template <class T>
absl::Status Collective::CheckAndRun(std::span<const std::span<const T>> parts,
                                     std::span<T> total) {
  if (parts.size() != n_devices_) {
    return absl::InvalidArgumentError(
        absl::StrCat(parts.size(), " parts were given to a collective of ", n_devices_));
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].size() != total.size()) {
      return absl::InvalidArgumentError(absl::StrCat("part ", i, " has ", parts[i].size(),
                                                     " coordinates, the total ", total.size()));
    }
  }
  return total.empty() ? absl::OkStatus() : Run(parts, total);
}

absl::Status Collective::Sum(std::span<const std::span<const uint32_t>> parts,
                             std::span<uint32_t> total) {
  return CheckAndRun(parts, total);
}

absl::Status Collective::Sum(std::span<const std::span<const uint64_t>> parts,
                             std::span<uint64_t> total) {
  return CheckAndRun(parts, total);
}

void CollectiveSumReference(std::span<const std::span<const uint32_t>> parts,
                            std::span<uint32_t> total) {
  ReferenceOf(parts, total);
}

void CollectiveSumReference(std::span<const std::span<const uint64_t>> parts,
                            std::span<uint64_t> total) {
  ReferenceOf(parts, total);
}

}  // namespace hilum::kernels

#include "kernels/group_sum.h"

#include <utility>

#include "base/status_macros.h"

namespace hilum::kernels {
namespace {

absl::Status WasRead() { return absl::UnavailableError("the sum of the devices was read before"); }

}  // namespace

absl::StatusOr<std::unique_ptr<GroupSum>> GroupSum::Create(
    std::vector<std::unique_ptr<DeviceQueues>> queues, const ChunkPipelineOptions& options) {
  if (queues.empty()) return absl::InvalidArgumentError("a sum on no device was asked for");
  std::unique_ptr<GroupSum> sum(new GroupSum);
  for (const auto& device : queues) sum->devices_.push_back(device->device());
  if (queues.size() > 1) {
    HILUM_ASSIGN_OR_RETURN(sum->collective_, Collective::Create(sum->devices_));
  }
  for (auto& device : queues) {
    HILUM_ASSIGN_OR_RETURN(std::unique_ptr<ChunkPipeline> part,
                           ChunkPipeline::Create(std::move(device), options));
    sum->parts_.push_back(std::move(part));
  }
  return sum;
}

absl::StatusOr<ChunkPipeline*> GroupSum::Next() {
  if (parts_.empty()) return WasRead();
  return parts_[next_++ % parts_.size()].get();
}

absl::Status GroupSum::Add(int64_t chunk, std::span<const uint32_t> words) {
  HILUM_ASSIGN_OR_RETURN(ChunkPipeline* const part, Next());
  return part->Add(chunk, words);
}

absl::Status GroupSum::Subtract(int64_t chunk, std::span<const uint32_t> words) {
  HILUM_ASSIGN_OR_RETURN(ChunkPipeline* const part, Next());
  return part->Subtract(chunk, words);
}

absl::Status GroupSum::Read(std::span<uint64_t> total) && {
  if (parts_.empty()) return WasRead();
  std::vector<std::vector<uint64_t>> others(parts_.size() - 1);
  std::vector<std::span<const uint64_t>> parts = {total};
  HILUM_RETURN_IF_ERROR(parts_[0]->Read(total));
  for (size_t i = 0; i < others.size(); ++i) {
    others[i].resize(total.size());
    HILUM_RETURN_IF_ERROR(parts_[i + 1]->Read(others[i]));
    parts.emplace_back(others[i]);
  }
  parts_.clear();
  if (collective_ == nullptr) return absl::OkStatus();
  const absl::Status status = collective_->Sum(parts, total);
  return status.ok() ? status : absl::UnavailableError(status.message());  // full memory too
}

}  // namespace hilum::kernels

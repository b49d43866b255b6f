#include "kernels/chunk_pipeline.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace hilum::kernels {
namespace {

using Place = DeviceQueues::Place;

constexpr int64_t kWordBytes = sizeof(uint32_t), kTotalBytes = sizeof(uint64_t);

// One chunk of words, and at least one total on the way back.
int64_t SlotBytes(const ChunkPipelineOptions& options) {
  const int64_t longest = std::min(options.chunk_coords, options.n_coords);
  return (longest * kWordBytes + kTotalBytes - 1) / kTotalBytes * kTotalBytes;
}

}  // namespace

int64_t ChunkPipeline::DeviceBytes(const ChunkPipelineOptions& options, int n_queues) {
  return options.n_coords * kTotalBytes + n_queues * kBuffersPerQueue * SlotBytes(options);
}

ChunkPipeline::ChunkPipeline(std::unique_ptr<DeviceQueues> queues,
                             const ChunkPipelineOptions& options)
    : queues_(std::move(queues)), options_(options) {}

ChunkPipeline::~ChunkPipeline() {
  queues_->Finish().IgnoreError();  // a device that failed runs nothing any more
}

absl::StatusOr<std::unique_ptr<ChunkPipeline>> ChunkPipeline::Create(
    std::unique_ptr<DeviceQueues> queues, const ChunkPipelineOptions& options) {
  if (options.n_coords < 1 || options.n_coords > kMaxCoords || options.chunk_coords < 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a running sum of ", options.n_coords, " coordinates in chunks of ", options.chunk_coords,
        " was asked for; needed is 1 to ", kMaxCoords, " in chunks of at least 1"));
  }
  const int64_t needed_bytes = DeviceBytes(options, queues->n_queues());
  if (needed_bytes > options.budget_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "a running sum of ", options.n_coords, " coordinates takes ", needed_bytes, " bytes on ",
        ToString(queues->device()), ", the budget is ", options.budget_bytes));
  }
  std::unique_ptr<ChunkPipeline> pipeline(new ChunkPipeline(std::move(queues), options));
  HILUM_RETURN_IF_ERROR(pipeline->Reserve());
  return pipeline;
}

absl::Status ChunkPipeline::Reserve() {
  const size_t slot_bytes = static_cast<size_t>(SlotBytes(options_));
  HILUM_ASSIGN_OR_RETURN(
      total_,
      queues_->Allocate(Place::kDevice, static_cast<size_t>(options_.n_coords * kTotalBytes)));
  for (int queue = 0; queue < queues_->n_queues(); ++queue) {
    auto lane = std::make_unique<Lane>();
    const absl::MutexLock lock(&lane->mutex);
    for (Slot& slot : lane->slots) {
      HILUM_ASSIGN_OR_RETURN(slot.pinned, queues_->Allocate(Place::kPinned, slot_bytes));
      HILUM_ASSIGN_OR_RETURN(slot.there, queues_->Allocate(Place::kDevice, slot_bytes));
      HILUM_ASSIGN_OR_RETURN(slot.event, queues_->NewEvent());
    }
    lanes_.push_back(std::move(lane));
  }
  return absl::OkStatus();
}

absl::Status ChunkPipeline::Failure() const {
  const absl::MutexLock lock(&failure_mutex_);
  return failure_;
}

absl::Status ChunkPipeline::Keep(const absl::Status& status) {
  if (status.ok()) return status;
  const absl::MutexLock lock(&failure_mutex_);
  if (failure_.ok()) failure_ = absl::UnavailableError(status.message());
  return failure_;
}

absl::Status ChunkPipeline::Put(int64_t chunk, std::span<const uint32_t> words, int sign) {
  const int64_t n_chunks = (options_.n_coords + options_.chunk_coords - 1) / options_.chunk_coords;
  if (chunk < 0 || chunk >= n_chunks) {
    return absl::InvalidArgumentError(
        absl::StrCat("chunk ", chunk, " of a running sum of ", n_chunks, " chunks was given"));
  }
  const int64_t first = chunk * options_.chunk_coords;
  const int64_t n = std::min(options_.chunk_coords, options_.n_coords - first);
  if (std::ssize(words) != n) {
    return absl::InvalidArgumentError(
        absl::StrCat("chunk ", chunk, " was given with ", words.size(), " words, it has ", n));
  }
  return Keep(PutOn(static_cast<int>(chunk % queues_->n_queues()), first, words, sign));
}

absl::Status ChunkPipeline::PutOn(int queue, int64_t first, std::span<const uint32_t> words,
                                  int sign) {
  Lane& lane = *lanes_[static_cast<size_t>(queue)];
  const absl::MutexLock lock(&lane.mutex);
  HILUM_RETURN_IF_ERROR(Failure());
  Slot& slot = lane.slots[lane.next];
  HILUM_RETURN_IF_ERROR(queues_->Wait(slot.event));
  std::memcpy(slot.pinned.get(), words.data(), words.size_bytes());
  HILUM_RETURN_IF_ERROR(
      queues_->CopyToDevice(queue, slot.pinned.get(), slot.there.get(), words.size_bytes()));
  HILUM_RETURN_IF_ERROR(queues_->AddWords(queue, static_cast<const uint32_t*>(slot.there.get()),
                                          static_cast<uint64_t*>(total_.get()) + first,
                                          std::ssize(words), sign));
  HILUM_RETURN_IF_ERROR(queues_->Record(queue, slot.event));
  lane.next = (lane.next + 1) % lane.slots.size();
  return absl::OkStatus();
}

absl::Status ChunkPipeline::Add(int64_t chunk, std::span<const uint32_t> words) {
  return Put(chunk, words, 1);
}

absl::Status ChunkPipeline::Subtract(int64_t chunk, std::span<const uint32_t> words) {
  return Put(chunk, words, -1);
}

absl::Status ChunkPipeline::Read(std::span<uint64_t> total) {
  if (std::ssize(total) != options_.n_coords) {
    return absl::InvalidArgumentError(absl::StrCat("a result of ", total.size(),
                                                   " totals was given for a running sum of ",
                                                   options_.n_coords));
  }
  return Keep(ReadThrough(*lanes_[0], total));
}

// One buffer is filled by the device while the other is copied to its place.
absl::Status ChunkPipeline::ReadThrough(Lane& lane, std::span<uint64_t> total) {
  const absl::MutexLock lock(&lane.mutex);
  HILUM_RETURN_IF_ERROR(Failure());
  HILUM_RETURN_IF_ERROR(queues_->Finish());
  const size_t piece = static_cast<size_t>(SlotBytes(options_) / kTotalBytes);
  std::array<std::span<uint64_t>, kBuffersPerQueue> places;  // of what is in the pinned buffers
  const auto take = [&](size_t i) ABSL_EXCLUSIVE_LOCKS_REQUIRED(lane.mutex) -> absl::Status {
    HILUM_RETURN_IF_ERROR(queues_->Wait(lane.slots[i].event));
    std::memcpy(places[i].data(), lane.slots[i].pinned.get(), places[i].size_bytes());
    places[i] = {};
    return absl::OkStatus();
  };
  size_t i = 0;
  for (size_t first = 0; first < total.size(); first += piece, i = (i + 1) % places.size()) {
    if (!places[i].empty()) HILUM_RETURN_IF_ERROR(take(i));
    places[i] = total.subspan(first, std::min(piece, total.size() - first));
    HILUM_RETURN_IF_ERROR(
        queues_->CopyFromDevice(0, static_cast<const uint64_t*>(total_.get()) + first,
                                lane.slots[i].pinned.get(), places[i].size_bytes()));
    HILUM_RETURN_IF_ERROR(queues_->Record(0, lane.slots[i].event));
  }
  for (size_t n = 0; n < places.size(); ++n, i = (i + 1) % places.size()) {
    if (!places[i].empty()) HILUM_RETURN_IF_ERROR(take(i));
  }
  return absl::OkStatus();
}

}  // namespace hilum::kernels

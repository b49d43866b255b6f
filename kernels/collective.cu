// The sum over several GPUs by NCCL: each copies its part, ncclReduce adds them up on the first.
#include <nccl.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "kernels/collective.h"
#include "kernels/cuda_entry.h"
#include "kernels/cuda_memory.h"

namespace hilum::kernels::cuda {
namespace {

// What one stretch of coordinates may take of each GPU's memory.
constexpr size_t kPartBytes = size_t{256} << 20;

absl::Status FromNccl(ncclResult_t result, absl::string_view what) {
  if (result == ncclSuccess) return absl::OkStatus();
  return absl::UnavailableError(
      absl::StrCat("NCCL could not ", what, ": ", ncclGetErrorString(result)));
}

template <class T>
constexpr ncclDataType_t kNcclType = sizeof(T) == 4 ? ncclUint32 : ncclUint64;

// A stream and a stretch of memory on one GPU; both go at the end, the memory cleared.
class Member {
 public:
  static absl::StatusOr<Member> Create(int device_index, size_t bytes) {
    Member member;
    member.device_index_ = device_index;
    HILUM_RETURN_IF_ERROR(UseDevice(device_index));
    HILUM_RETURN_IF_ERROR(FromCuda(
        cudaStreamCreateWithFlags(&member.stream_, cudaStreamNonBlocking), "make a stream"));
    HILUM_RETURN_IF_ERROR(
        FromCuda(cudaMalloc(&member.data_, bytes), absl::StrCat("reserve ", bytes, " bytes")));
    member.bytes_ = bytes;
    return member;
  }
  Member(Member&& other) noexcept
      : device_index_(other.device_index_),
        stream_(std::exchange(other.stream_, nullptr)),
        data_(std::exchange(other.data_, nullptr)),
        bytes_(std::exchange(other.bytes_, 0)) {}
  Member& operator=(Member&&) = delete;
  ~Member() {
    if (stream_ == nullptr) return;
    cudaSetDevice(device_index_);
    cudaStreamSynchronize(stream_);
    if (data_ != nullptr) {
      cudaMemset(data_, 0, bytes_);
      cudaFree(data_);
    }
    cudaStreamDestroy(stream_);
  }

  absl::Status Use() const { return UseDevice(device_index_); }
  absl::Status Wait() const {
    HILUM_RETURN_IF_ERROR(Use());
    return FromCuda(cudaStreamSynchronize(stream_), "finish a sum");
  }
  cudaStream_t stream() const { return stream_; }
  void* data() const { return data_; }

 private:
  Member() = default;
  int device_index_ = 0;
  cudaStream_t stream_ = nullptr;
  void* data_ = nullptr;
  size_t bytes_ = 0;
};

class NcclCollective final : public Collective {
 public:
  explicit NcclCollective(std::vector<int> devices)
      : Collective(devices.size()), devices_(std::move(devices)) {}
  ~NcclCollective() override {
    for (const ncclComm_t link : links_) ncclCommDestroy(link);
  }

  absl::Status Join() {
    links_.resize(devices_.size());
    const ncclResult_t result =
        ncclCommInitAll(links_.data(), static_cast<int>(devices_.size()), devices_.data());
    if (result != ncclSuccess) links_.clear();
    return FromNccl(result, absl::StrCat("join ", devices_.size(), " GPUs"));
  }

 private:
  // After an error: a communicator that failed cannot be closed in peace.
  void Abort() {
    for (const ncclComm_t link : links_) ncclCommAbort(link);
    links_.clear();
  }

  template <class T>
  absl::Status Reduce(const std::vector<Member>& members, size_t n) {
    HILUM_RETURN_IF_ERROR(FromNccl(ncclGroupStart(), "begin a sum"));
    ncclResult_t result = ncclSuccess;
    for (size_t i = 0; i < members.size() && result == ncclSuccess; ++i) {
      result = ncclReduce(members[i].data(), members[i].data(), n, kNcclType<T>, ncclSum, 0,
                          links_[i], members[i].stream());
    }
    const ncclResult_t end = ncclGroupEnd();  // also after an error: the group is open
    return FromNccl(result != ncclSuccess ? result : end, "add up the parts");
  }

  template <class T>
  absl::Status SumStretch(const std::vector<Member>& members,
                          std::span<const std::span<const T>> parts, std::span<T> total,
                          size_t first) {
    const size_t bytes = total.size() * sizeof(T);
    for (size_t i = 0; i < members.size(); ++i) {
      HILUM_RETURN_IF_ERROR(members[i].Use());
      HILUM_RETURN_IF_ERROR(
          FromCuda(cudaMemcpyAsync(members[i].data(), parts[i].data() + first, bytes,
                                   cudaMemcpyHostToDevice, members[i].stream()),
                   "copy a part to its GPU"));
    }
    HILUM_RETURN_IF_ERROR(Reduce<T>(members, total.size()));
    HILUM_RETURN_IF_ERROR(members[0].Use());
    HILUM_RETURN_IF_ERROR(FromCuda(cudaMemcpyAsync(total.data(), members[0].data(), bytes,
                                                   cudaMemcpyDeviceToHost, members[0].stream()),
                                   "copy a total from the GPU"));
    for (const Member& member : members) HILUM_RETURN_IF_ERROR(member.Wait());
    return absl::OkStatus();
  }

  template <class T>
  absl::Status RunOf(std::span<const std::span<const T>> parts, std::span<T> total) {
    if (links_.empty()) {
      return absl::UnavailableError("an earlier sum over these GPUs failed: make a new collective");
    }
    const size_t longest = std::min(total.size(), kPartBytes / sizeof(T));
    std::vector<Member> members;
    for (const int device : devices_) {
      HILUM_ASSIGN_OR_RETURN(Member member, Member::Create(device, longest * sizeof(T)));
      members.push_back(std::move(member));
    }
    for (size_t first = 0; first < total.size(); first += longest) {
      const size_t n = std::min(longest, total.size() - first);
      const absl::Status status = SumStretch(members, parts, total.subspan(first, n), first);
      if (!status.ok()) {
        Abort();
        return status;
      }
    }
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

  const std::vector<int> devices_;
  std::vector<ncclComm_t> links_;  // none: a sum failed
};

}  // namespace

absl::StatusOr<std::unique_ptr<Collective>> MakeCollective(std::span<const Device> devices) {
  std::vector<int> indices;
  for (const Device device : devices) indices.push_back(device.index);
  auto collective = std::make_unique<NcclCollective>(std::move(indices));
  HILUM_RETURN_IF_ERROR(collective->Join());
  return collective;
}

}  // namespace hilum::kernels::cuda

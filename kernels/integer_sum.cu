#include "kernels/cuda_entry.h"
#include "kernels/cuda_memory.h"
#include "kernels/integer_sum_program.h"

namespace hilum::kernels::cuda {
namespace {

template <int kSign>
absl::Status LaunchSum(const uint32_t* words, uint64_t* total, int64_t n) {
  using Program = IntegerSumProgram<kSign>;
  return FromCuda(Launch(Stream(), Program{.words = words, .total = total, .n = n},
                         BlocksFor(n, Program::kTile)),
                  "start IntegerSum");
}

}  // namespace

absl::Status IntegerSum(std::span<const uint32_t> words, std::span<uint64_t> total, int sign,
                        int device_index) {
  HILUM_RETURN_IF_ERROR(UseDevice(device_index));
  HILUM_ASSIGN_OR_RETURN(const auto words_there, DeviceArray<uint32_t>::CopyOf(words));
  HILUM_ASSIGN_OR_RETURN(const auto total_there, DeviceArray<uint64_t>::CopyOf(total));
  const int64_t n = static_cast<int64_t>(words.size());
  HILUM_RETURN_IF_ERROR(sign > 0 ? LaunchSum<1>(words_there.data(), total_there.data(), n)
                                 : LaunchSum<-1>(words_there.data(), total_there.data(), n));
  return total_there.CopyTo(total);
}

absl::Status ReduceToRing(std::span<const uint64_t> total, uint32_t mask, std::span<uint32_t> ring,
                          int device_index) {
  HILUM_RETURN_IF_ERROR(UseDevice(device_index));
  HILUM_ASSIGN_OR_RETURN(const auto total_there, DeviceArray<uint64_t>::CopyOf(total));
  HILUM_ASSIGN_OR_RETURN(const auto ring_there, DeviceArray<uint32_t>::Create(ring.size()));
  const ReduceToRingProgram program{.total = total_there.data(),
                                    .ring = ring_there.data(),
                                    .n = static_cast<int64_t>(total.size()),
                                    .mask = mask};
  HILUM_RETURN_IF_ERROR(FromCuda(Launch(Stream(), program, BlocksFor(program.n, program.kTile)),
                                 "start ReduceToRing"));
  return ring_there.CopyTo(ring);
}

}  // namespace hilum::kernels::cuda

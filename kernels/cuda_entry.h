// The GPU side of each kernel: called by name.cc in a CUDA build, defined in name.cu.
//
// Spans are in the computer's memory; each function copies them to the GPU, runs the block program
// and copies the result back. Preconditions are checked by the caller.
// Unavailable: a CUDA call failed; the sentence holds CUDA's own reason.
#ifndef HILUM_KERNELS_CUDA_ENTRY_H_
#define HILUM_KERNELS_CUDA_ENTRY_H_

#include <cstdint>
#include <memory>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/dequantize.h"
#include "kernels/device.h"
#include "kernels/discrete_gaussian.h"
#include "kernels/keystream.h"
#include "kernels/quantize.h"
#include "kernels/server_step.h"
#include "kernels/tag_polynomial.h"
#include "kernels/updates.h"

namespace hilum::kernels {

#if defined(HILUM_CUDA)
inline constexpr bool kCudaBuild = true;
#else
inline constexpr bool kCudaBuild = false;  // calls of cuda:: are discarded, and need no definition
#endif

class Collective;
class DeviceQueues;
struct SortingNetwork;
struct TrimmedMeanProgram;

namespace cuda {

int DeviceCount();

// devices: GPUs, each once.
absl::StatusOr<std::unique_ptr<Collective>> MakeCollective(std::span<const Device> devices);
absl::StatusOr<std::unique_ptr<DeviceQueues>> MakeQueues(int device_index, int n_queues);

// sign: 1 adds, -1 subtracts.
absl::Status IntegerSum(std::span<const uint32_t> words, std::span<uint64_t> total, int sign,
                        int device_index);
absl::Status ReduceToRing(std::span<const uint64_t> total, uint32_t mask, std::span<uint32_t> ring,
                          int device_index);
// partial and largest: one a tile, see SumOfSquaresProgram.
absl::Status SumOfSquares(std::span<const float> values, std::span<float> partial,
                          std::span<int32_t> largest, int device_index);
absl::Status ScaleInPlace(std::span<float> values, float factor, int device_index);
absl::Status Quantize(std::span<const float> values, std::span<const uint32_t> random_words,
                      const QuantizeOptions& options, std::span<uint32_t> ring, int device_index);
absl::Status Dequantize(std::span<const uint32_t> ring, const DequantizeOptions& options,
                        std::span<double> mean, int device_index);
absl::Status AddMean(std::span<const uint32_t> ring, const DequantizeOptions& options, double rate,
                     std::span<float> model, int device_index);
// marks: one a tile, see WeightedSumProgram; 0 before.
absl::Status WeightedSum(Updates updates, std::span<const double> weights, double gain,
                         std::span<float> sum, std::span<int32_t> marks, int device_index);
// partial: see GramProgram; 0 before.
absl::Status Gram(Updates updates, std::span<double> partial, int device_index);
absl::Status AddVectors(std::span<const std::span<const uint32_t>> vectors,
                        std::span<uint64_t> total, int device_index);
absl::Status PackWords(std::span<const uint32_t> ring, int ring_bits, std::span<uint8_t> packed,
                       int device_index);
absl::Status UnpackWords(std::span<const uint8_t> packed, int ring_bits, std::span<uint32_t> ring,
                         int device_index);
absl::Status ServerStepFromRing(std::span<const uint32_t> ring, const DequantizeOptions& dequantize,
                                const ServerStepOptions& options, const ServerState& state,
                                int device_index);
absl::Status ServerStep(std::span<const float> mean, const ServerStepOptions& options,
                        const ServerState& state, int device_index);
// host: the program as the CPU would run it. marks: one for each host.width coordinates, 0 before.
absl::Status TrimmedMean(Updates updates, const TrimmedMeanProgram& host,
                         const SortingNetwork& network, std::span<float> result,
                         std::span<int32_t> marks, int device_index);

// mask: 2^ring_bits - 1. The keys are wiped on the GPU afterwards.
absl::Status ChaCha20Add(std::span<uint32_t> tile, const MaskKeys& keys, uint64_t first_coord,
                         uint32_t mask, int device_index);
// mask: 2^ring_bits - 1. The key is wiped on the GPU afterwards.
absl::Status AddDiscreteGaussian(std::span<uint32_t> ring, const GaussianParameters& gaussian,
                                 NoiseKey key, uint32_t mask, int device_index);
// words_per_coord: 1, or 2 for 64-bit sums.
absl::StatusOr<TagValues> EvaluateTags(std::span<const uint32_t> words, const TagValues& points,
                                       int words_per_coord, int device_index);

}  // namespace cuda
}  // namespace hilum::kernels

#endif  // HILUM_KERNELS_CUDA_ENTRY_H_

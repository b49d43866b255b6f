// The server's half of the straight line: total -> ring -> mean.
#ifndef HILUM_PRIVACY_UNMASK_H_
#define HILUM_PRIVACY_UNMASK_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/dequantize.h"
#include "kernels/device.h"
#include "kernels/keystream.h"
#include "privacy/round_config.h"

// The only maker of a MaskedTotal. aggregator/ is not included here, only named.
namespace hilum::aggregator {
class Accumulator;
}

namespace hilum::privacy {

struct MaskedTotalTestPeer;  // defined in tests only

// S of secure_aggregation.md, section 5: the plain integer sum of the members' vectors, [D] uint64.
// Only aggregator::Accumulator makes one. Movable only.
class MaskedTotal {
 public:
  MaskedTotal(MaskedTotal&&) = default;
  MaskedTotal& operator=(MaskedTotal&&) = default;

  std::span<const uint64_t> sums() const { return sums_; }
  uint32_t n_members() const { return n_members_; }  // |U3|: how many vectors were added
  std::vector<uint64_t> Release() && { return std::move(sums_); }

 private:
  friend class aggregator::Accumulator;
  friend struct MaskedTotalTestPeer;
  MaskedTotal(std::vector<uint64_t> sums, uint32_t n_members)
      : sums_(std::move(sums)), n_members_(n_members) {}

  std::vector<uint64_t> sums_;
  uint32_t n_members_ = 0;
};

// S as it lies in memory: of a server's running sum, or downloaded by a site that checks it.
struct MaskedSum {
  std::span<const uint64_t> sums;
  uint32_t n_members = 0;
};

// Masks go out of so many coordinates at a time: with a hundred keys about a second.
inline constexpr size_t kUnmaskStep = size_t{1} << 22;

// z: the sum of the members' vectors mod 2^b, masks removed, [D] words. Only Unmask makes one.
// Movable only.
class RingTotal {
 public:
  RingTotal(RingTotal&&) = default;
  RingTotal& operator=(RingTotal&&) = default;

  std::span<const uint32_t> words() const { return ring_; }
  uint32_t n_members() const { return n_members_; }

 private:
  friend absl::StatusOr<RingTotal> Unmask(const MaskedTotal& total, const RoundConfig& config,
                                          kernels::Device device);
  friend absl::StatusOr<RingTotal> Unmask(const MaskedSum& sum, const RoundConfig& config,
                                          const kernels::MaskKeys& masks, kernels::Device device,
                                          const std::atomic<bool>* cancel);
  friend class RingSample;
  friend class MeanDelta;
  RingTotal(std::vector<uint32_t> ring, uint32_t n_members)
      : ring_(std::move(ring)), n_members_(n_members) {}

  std::vector<uint32_t> ring_;
  uint32_t n_members_ = 0;
};

// In mode 0 z = S mod 2^b. The total stays: root(S) and the round record need it.
// InvalidArgument: the total's length is not the configuration's D. DataLoss: a sum that n_members
// words below 2^b cannot reach. PermissionDenied: there are masks, which need keys.
// FailedPrecondition: no such device.
absl::StatusOr<RingTotal> Unmask(const MaskedTotal& total, const RoundConfig& config,
                                 kernels::Device device = kernels::Device::kCpu);

// z = S + the keystreams of `masks` mod 2^b: their signs say that masks are taken out
// (secure_aggregation.md, section 5, R5). `cancel` is looked at every kUnmaskStep coordinates. The
// errors are those above; PermissionDenied: the round is open, or the keys are of another suite or
// ring. Cancelled: the flag was set.
absl::StatusOr<RingTotal> Unmask(const MaskedSum& sum, const RoundConfig& config,
                                 const kernels::MaskKeys& masks, kernels::Device device,
                                 const std::atomic<bool>* cancel = nullptr);

// About so many members look at each chunk of a sampled verification.
inline constexpr uint32_t kSampleMembers = 10;

// The chunks that one site looks at: each with probability min(1, kSampleMembers / n_members), from
// the operating system's generator, so that no server knows them before it publishes; and always
// those of the extra coordinates. Ascending. n_members > 0.
std::vector<uint32_t> DrawChunks(const RoundConfig& config, uint32_t n_members);

// z in some chunks. Only Make makes one. Movable only.
class RingSample {
 public:
  RingSample(RingSample&&) = default;
  RingSample& operator=(RingSample&&) = default;

  // Unmask in `chunks` alone: ascending, those of the extra coordinates among them. Errors as
  // Unmask; InvalidArgument also: other chunks.
  static absl::StatusOr<RingSample> Make(const MaskedSum& sum, const RoundConfig& config,
                                         const kernels::MaskKeys& masks,
                                         std::vector<uint32_t> chunks, kernels::Device device,
                                         const std::atomic<bool>* cancel = nullptr);

  // Whether `model` is base + rate * mean there, bit for bit: both [n_params]. Consumes the sample.
  // DataLoss: it is not; the sentence names the first parameter. Others: as Dequantize.
  absl::Status CheckModel(const RoundConfig& config, double rate, std::span<const float> base,
                          std::span<const float> model) &&;

 private:
  RingSample(RingTotal total, std::vector<uint32_t> chunks)
      : total_(std::move(total)), chunks_(std::move(chunks)) {}
  RingTotal total_;  // z in chunks_, elsewhere zero
  std::vector<uint32_t> chunks_;
};

// The weighted mean of the members' deltas, kept as ring words and one factor: so a server step
// reads 4 bytes a parameter, and every step starts from the same bits. Only Dequantize makes one.
// Movable only.
class MeanDelta {
 public:
  MeanDelta(MeanDelta&&) = default;
  MeanDelta& operator=(MeanDelta&&) = default;

  int64_t n_params() const { return n_params_; }
  uint64_t total_weight() const { return total_weight_; }  // sum of w_i
  uint32_t n_members() const { return n_members_; }
  double mean_loss() const { return mean_loss_; }  // plain mean over members of min(loss, 64)
  // mean_j = double(signed words()[j]) * options().gain, as kernels::Dequantize and
  // kernels::AddMean compute it.
  std::span<const uint32_t> words() const {
    return std::span<const uint32_t>(ring_).first(static_cast<size_t>(n_params_));
  }
  const kernels::DequantizeOptions& options() const { return options_; }

 private:
  friend absl::StatusOr<MeanDelta> Dequantize(RingTotal total, const RoundConfig& config);
  MeanDelta() = default;
  static std::vector<uint32_t> Take(RingTotal& total) { return std::move(total.ring_); }

  std::vector<uint32_t> ring_;
  int64_t n_params_ = 0;
  kernels::DequantizeOptions options_;
  uint64_t total_weight_ = 0;
  uint32_t n_members_ = 0;
  double mean_loss_ = 0.0;
};

// Whether the extras of z are ones that its members can have sent. Under masks nobody sees them
// before; Dequantize asks the same. InvalidArgument: z has another length than the configuration's
// D. DataLoss: they are not; the sentence says how.
absl::Status CheckExtras(const RingTotal& total, const RoundConfig& config);

// Reads the extras and fixes the factor g = W / (s * sum of weights), or 1 / (s * n) with n the
// size of the roster where the round has differential privacy. InvalidArgument: the total's length
// is not the configuration's D. DataLoss: the count coordinate is not n_members, or the weights or
// losses sum to what that many members cannot send (with differential privacy: other than W and no
// loss each).
absl::StatusOr<MeanDelta> Dequantize(RingTotal total, const RoundConfig& config);

// The FedAvg step in place: model'_j = float(double(model_j) + rate * mean_j).
//   model  [n_params] float32; rate  the server's learning rate eta, finite
// InvalidArgument: lengths differ, or rate is not finite. FailedPrecondition: no such device.
// Same bits on every device: a site or an auditor derives the same model.
absl::Status AddMean(const MeanDelta& mean, double rate, std::span<float> model,
                     kernels::Device device = kernels::Device::kCpu);

}  // namespace hilum::privacy

#endif  // HILUM_PRIVACY_UNMASK_H_

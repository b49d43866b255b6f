// Turns a weighted delta into the round's vector: integers of the ring Z/2^b, extras included.
#ifndef HILUM_PRIVACY_QUANTIZE_H_
#define HILUM_PRIVACY_QUANTIZE_H_

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "privacy/round_config.h"
#include "privacy/rounding_stream.h"
#include "privacy/weight.h"

namespace hilum::privacy {

class NoisedDelta;

// The vector's last coordinates: unsigned, and summed like the others (docs/architecture.md,
// section 5). The server learns their sums only.
struct Extras {
  double loss = 0.0;  // mean training loss, >= 0; sent as round(min(loss, kMaxLoss) * 2^16)
};
inline constexpr double kMaxLoss = 64.0;
inline constexpr int kLossFractionBits = 16;
inline constexpr uint32_t kMinExtras =
    3;  // weight, count, loss, in this order after the parameters

// x_i of secure_aggregation.md, section 6: [n_params + n_extras] words below 2^b. Only Quantize
// makes one. Movable only.
class QuantizedDelta {
 public:
  QuantizedDelta(QuantizedDelta&&) = default;
  QuantizedDelta& operator=(QuantizedDelta&&) = default;

  int64_t n_coords() const { return static_cast<int64_t>(ring_.size()); }

 private:
  friend absl::StatusOr<QuantizedDelta> Quantize(WeightedDelta delta, const RoundConfig& config,
                                                 const Extras& extras, RoundingStream stream,
                                                 kernels::Device device);
  friend class NoisedDelta;
  explicit QuantizedDelta(std::vector<uint32_t> ring) : ring_(std::move(ring)) {}
  static std::span<const float> ValuesOf(const WeightedDelta& delta) { return delta.values_; }

  std::vector<uint32_t> ring_;
};

// Rounds each coordinate stochastically with `stream`, and appends the extras. With differential
// privacy the extras are the same at every site (weight W, count 1, loss 0), and with unit silo a
// rounding that is longer than the sensitivity is drawn again (distributed_noise.h).
// InvalidArgument: delta's length or largest weight is not the configuration's; its weight is below
// W with differential privacy; the configuration
// breaks the no-wrap rule or has other than kMinExtras extras; the loss is negative.
// DataLoss: the loss is NaN or infinite. FailedPrecondition: no such device.
// Same bits on every device.
absl::StatusOr<QuantizedDelta> Quantize(WeightedDelta delta, const RoundConfig& config,
                                        const Extras& extras, RoundingStream stream,
                                        kernels::Device device = kernels::Device::kCpu);

}  // namespace hilum::privacy

#endif  // HILUM_PRIVACY_QUANTIZE_H_

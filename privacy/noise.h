// Differential privacy's place on the straight line: integer noise after quantization.
#ifndef HILUM_PRIVACY_NOISE_H_
#define HILUM_PRIVACY_NOISE_H_

#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bytes.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "kernels/device.h"
#include "privacy/quantize.h"
#include "privacy/round_config.h"

namespace hilum::privacy {

class MaskedUpdate;

// The random words of one site's noise in one attempt. Never seeded by a job. Movable only; not
// thread-safe.
class NoiseStream {
 public:
  // What sampling and noise draw from; each has words of its own.
  enum class Purpose { kNoise, kSample };

  // 64 bytes of the operating system's generator, mixed with the site's static secret, rid and the
  // purpose: a generator that repeats itself does not repeat noise across sites and rounds
  // (docs/secure_aggregation.md, section 2, "local stream key").
  static NoiseStream Of(const crypto::SecretKey& site_secret, const crypto::Rid& rid,
                        Purpose purpose);
  // A key of the operating system's generator alone.
  static NoiseStream FromFreshRandomness();

  // The next words.size() words.
  void Fill(std::span<uint32_t> words) { stream_.Fill(words); }

 private:
  explicit NoiseStream(crypto::SeededStream stream) : stream_(std::move(stream)) {}

  crypto::SeededStream stream_;
};

// A quantized delta after the noise step. Only AddNoise makes one. Movable only.
class NoisedDelta {
 public:
  NoisedDelta(NoisedDelta&&) = default;
  NoisedDelta& operator=(NoisedDelta&&) = default;

  int64_t n_coords() const { return static_cast<int64_t>(ring_.size()); }
  // What was added here. kNone: nothing, the values are the quantized ones.
  NoiseMechanism mechanism() const { return mechanism_; }

 private:
  friend absl::StatusOr<NoisedDelta> AddNoise(QuantizedDelta delta, const RoundConfig& config,
                                              NoiseStream stream, kernels::Device device);
  friend class MaskedUpdate;
  NoisedDelta(QuantizedDelta delta, NoiseMechanism mechanism)
      : ring_(std::move(delta.ring_)), mechanism_(mechanism) {}

  std::vector<uint32_t> ring_;
  NoiseMechanism mechanism_ = NoiseMechanism::kNone;
};

// Unit silo: adds a discrete Gaussian to each parameter, none to the extras, which say nothing
// about the data then. Its variance is this site's part: (z Delta_2)^2 / N, N the honest members
// that every transcript has (accountant.h, SiloRelease). Without differential privacy (mechanism
// kNone) the identity, and mechanism() says so; likewise with unit record, whose noise was added in
// training, sample by sample (models/train.h). PermissionDenied: the configuration asks for a
// mechanism that this version does not have, or for noise that cannot be added in this round; a
// vector is never sent with less noise than was agreed.
absl::StatusOr<NoisedDelta> AddNoise(QuantizedDelta delta, const RoundConfig& config,
                                     NoiseStream stream = NoiseStream::FromFreshRandomness(),
                                     kernels::Device device = kernels::Device::kCpu);

}  // namespace hilum::privacy

#endif  // HILUM_PRIVACY_NOISE_H_

#include "privacy/noise.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/labels.h"
#include "kernels/discrete_gaussian.h"
#include "kernels/secret.h"
#include "privacy/accountant.h"
#include "privacy/distributed_noise.h"

namespace hilum::privacy {
namespace {

absl::Status NoSuchNoise(const RoundConfig& config, absl::string_view why) {
  return absl::PermissionDeniedError(
      absl::StrCat("the round asks for noise mechanism ", static_cast<int>(config.mechanism),
                   " of unit ", ToString(config.unit), ": ", why, "; nothing is sent"));
}

}  // namespace

NoiseStream NoiseStream::Of(const crypto::SecretKey& site_secret, const crypto::Rid& rid,
                            Purpose purpose) {
  crypto::Secret<96> material;
  crypto::RandomBytes(std::span<uint8_t>(material.data(), 64));
  std::copy_n(site_secret.data(), 32, material.data() + 64);
  Bytes info;
  AppendU8(info, static_cast<uint8_t>(crypto::kLabelRng.size()));
  AppendText(info, crypto::kLabelRng);
  AppendBytes(info, rid);
  AppendText(info, purpose == Purpose::kNoise ? "noise" : "sample");
  const crypto::SecretKey key = crypto::DeriveKey(material.bytes(), info);
  std::array<uint8_t, 32> plain;
  std::copy(key.bytes().begin(), key.bytes().end(), plain.begin());
  NoiseStream stream{crypto::SeededStream(plain)};
  crypto::Wipe(plain);
  return stream;
}

NoiseStream NoiseStream::FromFreshRandomness() {
  std::array<uint8_t, 32> key = crypto::RandomArray<32>();
  NoiseStream stream{crypto::SeededStream(key)};
  crypto::Wipe(key);
  return stream;
}

absl::StatusOr<NoisedDelta> AddNoise(QuantizedDelta delta, const RoundConfig& config,
                                     NoiseStream stream, kernels::Device device) {
  if (config.mechanism == NoiseMechanism::kNone) {
    return NoisedDelta(std::move(delta), NoiseMechanism::kNone);
  }
  if (config.mechanism != NoiseMechanism::kDiscreteGaussian || config.unit == PrivacyUnit::kNone) {
    return NoSuchNoise(config, "this version has discrete Gaussian noise, for a silo or a record");
  }
  if (config.unit == PrivacyUnit::kRecord) {
    return NoisedDelta(std::move(delta), NoiseMechanism::kNone);
  }
  const absl::StatusOr<PrivateRelease> release = SiloRelease(config);
  if (!release.ok()) return NoSuchNoise(config, release.status().message());
  HILUM_ASSIGN_OR_RETURN(
      const kernels::Variance variance,
      SiteVariance({.n_sites = release->n_honest, .n_params = release->n_params, .l2 = release->l2},
                   release->sigma));
  HILUM_ASSIGN_OR_RETURN(const kernels::DiscreteGaussian gaussian,
                         kernels::DiscreteGaussian::Create(variance));
  NoisedDelta noised(std::move(delta), NoiseMechanism::kDiscreteGaussian);
  if (noised.ring_.size() != config.n_coords()) {
    return NoSuchNoise(config, absl::StrCat("the vector has ", noised.ring_.size(),
                                            " coordinates, the round ", config.n_coords()));
  }
  const kernels::SecretBytes key(kernels::NoiseKey::extent * sizeof(uint32_t));
  auto* const key_words = reinterpret_cast<uint32_t*>(key.data());
  stream.Fill({key_words, kernels::NoiseKey::extent});
  HILUM_RETURN_IF_ERROR(gaussian.AddNoise(
      std::span<uint32_t>(noised.ring_).first(static_cast<size_t>(config.n_params)),
      config.ring_bits, kernels::NoiseKey(key_words, kernels::NoiseKey::extent), device));
  return noised;
}

}  // namespace hilum::privacy

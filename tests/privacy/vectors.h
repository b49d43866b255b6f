// Reads the vector files of tests/vectors/privacy.
#ifndef HILUM_TESTS_PRIVACY_VECTORS_H_
#define HILUM_TESTS_PRIVACY_VECTORS_H_

#include <map>
#include <string>

#include "absl/strings/str_split.h"
#include "base/file.h"
#include "privacy/round_config.h"
#include "tests/status_matchers.h"

namespace hilum::privacy {

// name -> bytes, of lines "name = hexadecimal".
inline std::map<std::string, Bytes> ReadVectors(const std::string& file) {
  std::map<std::string, Bytes> vectors;
  const auto text =
      ReadTextFile(fs::path(HILUM_SOURCE_DIR) / "tests/vectors/privacy" / file, 1 << 20);
  EXPECT_TRUE(text.ok()) << text.status();
  for (const absl::string_view line : absl::StrSplit(*text, '\n', absl::SkipEmpty())) {
    if (line[0] == '#') continue;
    const std::pair<std::string, std::string> parts =
        absl::StrSplit(line, absl::MaxSplits(" = ", 1));
    const absl::StatusOr<Bytes> bytes = FromHex(parts.second);
    EXPECT_TRUE(bytes.ok()) << bytes.status();
    vectors[parts.first] = *bytes;
  }
  return vectors;
}

// The configuration of round_config.txt, field by field.
inline RoundConfig VectorConfig() {
  RoundConfig config;
  config.federation_id = FederationId("log.example.org/hilum", "vkey");
  config.round = 7;
  config.plan.fill(0x11);
  config.ledger_head.fill(0x22);
  config.model_hash.fill(0x33);
  config.architecture_digest.fill(0x44);
  config.optimiser = 1;
  config.optimiser_parameters.fill(0x55);
  config.optimiser_state.fill(0x66);
  config.n_params = 814;
  config.n_extras = 3;
  config.chunk_coords = 1 << 18;
  config.suite = Suite::kChaCha20;
  config.ring_bits = 32;
  config.value_bits = 30;
  config.scale = ScaleOf(2.5, 30);
  config.clip_l2 = 1.5;
  config.range = 2.5;
  config.max_weight = 100000;
  for (uint16_t i = 0; i < 3; ++i) {
    RosterEntry entry{.index = i, .key = {}};
    entry.key.bytes.fill(static_cast<uint8_t>(0xA0 + i));
    config.roster.push_back(entry);
  }
  config.c_max = 1;
  config.drop_max = 2;
  config.quorum = 3;
  config.u_min = 4;
  config.share_proof = ShareProof::kFeldman;
  config.mode = RoundMode::kMaskedMean;
  config.group_size = 8;
  config.unit = PrivacyUnit::kSilo;
  config.mechanism = NoiseMechanism::kSkellam;
  config.sigma = 0.75;
  config.delta = 1e-5;
  config.accountant = 1;
  config.epsilon_before = 0.125;
  config.deadlines = {101, 102, 103, 104, 105, 106, 107};
  config.audit_days = 30;
  return config;
}

}  // namespace hilum::privacy

#endif  // HILUM_TESTS_PRIVACY_VECTORS_H_

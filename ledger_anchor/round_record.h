// The round record: the evidence that a round-close pins (secure_aggregation.md, section 9).
// Canonical JSON in the content-addressed store (docs/wire.md).
#ifndef HILUM_LEDGER_ANCHOR_ROUND_RECORD_H_
#define HILUM_LEDGER_ANCHOR_ROUND_RECORD_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/bytes.h"
#include "crypto/sign.h"

namespace hilum::ledger_anchor {

inline constexpr uint64_t kRecordLimitBytes = 4 << 20;

// An update whose bytes are durable at the server.
struct CountedUpdate {
  uint16_t site_index = 0;
  Digest root{};  // R_i = Tree(r2-chunk, y_i)
  crypto::Signature signature;
  Digest object{};  // SHA-256 of the stored vector
  friend bool operator==(const CountedUpdate&, const CountedUpdate&) = default;
};

// What a masked round is judged by beside T (docs/secure_aggregation.md, section 9): bodies of the
// server's messages, and the opened secrets with the tags.
struct MaskedEvidence {
  Bytes key_list, u1, u2, complaints, votes;  // as privacy/secagg/evidence.h reads them
  Bytes opening;                              // RoundOpening
  Digest sum_object{};                        // S, as privacy/sum_object.h packs it: its address
  friend bool operator==(const MaskedEvidence&, const MaskedEvidence&) = default;
};

// The server's moments (strategy.h) before and after the round: addresses in the store. Zeros
// before the first round.
struct OptimiserState {
  Digest before{}, after{};
  friend bool operator==(const OptimiserState&, const OptimiserState&) = default;
};

struct RoundRecord {
  std::string job;
  uint64_t round = 0;
  uint8_t attempt = 0;
  Digest config{};                         // H(cfg)
  Digest config_object{};                  // SHA-256 of cfg's bytes: their address in the store
  Digest plan{};                           // of the canonical RoundPlan; also its address
  Bytes transcript;                        // EncodeTranscript
  Digest transcript_hash{};                // H(T)
  crypto::Signature transcript_signature;  // Sign(transcript, H(T)) by the aggregator
  Digest sum_root{};                       // root(S)
  Digest ring_root{};                      // root(z)
  Digest base_model{};                     // SHA-256 of the files
  Digest model{};
  std::vector<CountedUpdate> updates;  // ascending index; `object` is the vector's address
  std::vector<uint16_t> dropped;       // indices of the rest of the roster, ascending
  std::optional<MaskedEvidence> masked;
  std::optional<OptimiserState> optimiser;
  friend bool operator==(const RoundRecord&, const RoundRecord&) = default;
};

// InvalidArgument: a name that canonical JSON does not take, or over 4 MiB.
absl::StatusOr<std::string> EncodeRoundRecord(const RoundRecord& record);
// DataLoss: over 4 MiB, not canonical, or a field is missing, unknown or malformed.
absl::StatusOr<RoundRecord> ParseRoundRecord(absl::string_view text);

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_ROUND_RECORD_H_

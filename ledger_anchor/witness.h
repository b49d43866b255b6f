// A witness: cosigns the checkpoints of a log, and none that contradicts one that it cosigned
// before (C2SP tlog-witness at commit 5ba5ee83; docs/ledger.md). The request comes from anywhere,
// over a site's own stream or over HTTP: here are only bytes.
#ifndef HILUM_LEDGER_ANCHOR_WITNESS_H_
#define HILUM_LEDGER_ANCHOR_WITNESS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "crypto/sign.h"
#include "ledger_anchor/merkle.h"
#include "ledger_anchor/note.h"
#include "ledger_anchor/witness_store.h"

namespace hilum::ledger_anchor {

inline constexpr size_t kAddCheckpointLimitBytes = 256 << 10;
inline constexpr size_t kWitnessReplyLimitBytes = 64 << 10;
inline constexpr size_t kWitnessProofLimit = 63;  // hashes of a consistency proof

// What a log asks: "old <size>", the proof, an empty line, the checkpoint.
struct AddCheckpoint {
  uint64_t old_size = 0;
  HashList proof;
  std::string note;
};
// InvalidArgument: longer than the limit, a line of another form, more than 63 hashes, a hash that
// is not the strict base64 of 32 bytes, no checkpoint. The checkpoint itself is not looked at.
absl::StatusOr<AddCheckpoint> ParseAddCheckpoint(absl::string_view body);
std::string FormatAddCheckpoint(const AddCheckpoint& request);

// An answer in the terms of HTTP, whatever carries it.
struct WitnessReply {
  int status = 500;
  std::string content_type = "text/plain; charset=utf-8";
  std::string
      body;  // 200: cosignature lines; 409: the size that was cosigned last; else the reason
};
inline constexpr absl::string_view kSizeContentType = "text/x.tlog.size";

struct Witness {
  std::string name;
  const crypto::SigningKey& key;  // of this witness alone, and for nothing else
  std::vector<VerifierKey> logs;  // that it witnesses; the name of each is its origin
  WitnessStore& store;
};

// The nine steps, in their order: 400 malformed (413 too long), 404 another log, 403 the log's
// signature, 400 an old size above the new one, 409 another size was cosigned last, 422 the proof
// does not hold, 503 the store failed or the clock stands before the last cosignature, 200. The
// cosignature leaves only after the store has it on disk. What a known log signed and contradicts
// an earlier checkpoint is kept as evidence. Thread-safe where the store is.
WitnessReply HandleAddCheckpoint(const Witness& witness, absl::string_view body, uint64_t now_s);

// The last cosigned checkpoint of the log whose origin hashes to `hex_origin_hash`, with the log's
// and this witness's lines: 200, or 404 (503: the store failed).
WitnessReply HandleGetCheckpoint(const Witness& witness, absl::string_view hex_origin_hash);

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_WITNESS_H_

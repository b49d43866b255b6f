// The log's side of witnessing: asks one witness to cosign a checkpoint, and judges what it answers
// (C2SP tlog-witness; docs/ledger.md). A lying witness counts as missing; only the log's own
// signature under a contradiction stops the log.
#ifndef HILUM_LEDGER_ANCHOR_FEED_H_
#define HILUM_LEDGER_ANCHOR_FEED_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "ledger_anchor/checkpoint.h"
#include "ledger_anchor/merkle.h"
#include "ledger_anchor/note.h"
#include "ledger_anchor/witness.h"

namespace hilum::ledger_anchor {

// How far witnesses' clocks may stand from the log's.
inline constexpr uint64_t kCosignatureSkewS = 300;

// Carries bytes to one witness and back. Unavailable, DeadlineExceeded: it did not answer.
class WitnessTransport {
 public:
  virtual ~WitnessTransport() = default;
  virtual absl::StatusOr<WitnessReply> AddCheckpoint(absl::string_view body) = 0;
  virtual absl::StatusOr<WitnessReply> GetCheckpoint() = 0;  // the last one that it cosigned
};

// The checkpoint to be cosigned, and the log behind it.
struct FedCheckpoint {
  VerifierKey log;
  Checkpoint checkpoint;
  std::string note;                                                  // as the log signed it
  std::function<absl::StatusOr<HashList>(uint64_t old_size)> prove;  // 1 to the checkpoint's size
  // Of the log as it is now. InvalidArgument: it is not that large.
  std::function<absl::StatusOr<Digest>(uint64_t size)> root_at;
};

enum class FeedVerdict {
  kCosigned,
  kMissing,        // no answer, or a fault that may pass: ask again later
  kMisconfigured,  // it does not know this log or its key (403, 404, 400): an operator must look
  kFaulty,         // it lies or is broken: an incident; the log goes on while the quorum holds
  kContradiction,  // it holds a checkpoint that this log's key signed and this log does not have
};

struct FeedResult {
  FeedVerdict verdict = FeedVerdict::kMissing;
  SignatureLine line{};    // kCosigned
  std::string reason{};    // else; one sentence
  std::string evidence{};  // kContradiction: the note; kFaulty: what the witness sent, if anything
};

// One witness, asked by one thread at a time.
class WitnessFeed {
 public:
  explicit WitnessFeed(VerifierKey witness) : witness_(std::move(witness)) {}

  // At most two requests, and one for the witness's checkpoint. An error of `prove` or `root_at`
  // is kMissing.
  FeedResult Ask(const FedCheckpoint& fed, WitnessTransport& transport, uint64_t now_s);

  const VerifierKey& witness() const { return witness_; }

 private:
  FeedResult Judge(const FedCheckpoint& fed, const WitnessReply& reply, uint64_t now_s);
  FeedResult Confront(const FedCheckpoint& fed, WitnessTransport& transport,
                      absl::string_view reason);
  VerifierKey witness_;
  uint64_t size_ = 0;  // that it cosigned last, as far as is known here
};

}  // namespace hilum::ledger_anchor

#endif  // HILUM_LEDGER_ANCHOR_FEED_H_

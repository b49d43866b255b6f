// The running sum S of a round, and updates on their way into it.
#ifndef HILUM_AGGREGATOR_ACCUMULATE_H_
#define HILUM_AGGREGATOR_ACCUMULATE_H_

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "aggregator/validate.h"
#include "base/bytes.h"
#include "crypto/tree.h"
#include "ledger_anchor/store.h"
#include "privacy/unmask.h"

namespace hilum::aggregator {

class Accumulator;

// One site's vector while it arrives. Each chunk is hashed, written to the store and added to S in
// one pass. An upload that ends without Accumulator::Count is taken out of S again, exactly, from
// the bytes that were written. Not thread-safe by itself, but safe against Accumulator::Close.
class Upload {
 public:
  Upload(const Upload&) = delete;
  ~Upload();

  // Chunks come in order 0, 1, 2, ...; each holds kChunkCoords words but the last.
  // InvalidArgument: another index, another length, or a word that is not below 2^b; the sentence
  // names the site. ResourceExhausted: the disk is full. FailedPrecondition: the round was closed.
  absl::Status AddChunk(uint32_t index, ByteView chunk);

  // InvalidArgument: chunks are missing. The vector is then complete, but not durable yet.
  absl::StatusOr<ReceivedUpdate> Finish();

 private:
  friend class Accumulator;
  struct Impl;
  explicit Upload(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<Impl> impl_;
};

// S in uint64, [D], and the rule of who is in it. Memory is 8 D bytes and one chunk an upload,
// whatever the number of sites. Thread-safe: uploads add in parallel, chunk by chunk.
class Accumulator {
 public:
  // `store` must outlive this.
  Accumulator(const ledger_anchor::Store* store, const VectorShape& shape);
  ~Accumulator();

  // ResourceExhausted, Unavailable: the store failed. FailedPrecondition: closed.
  absl::StatusOr<std::unique_ptr<Upload>> Begin(absl::string_view site);

  // Makes the vector durable in the store; its address is in the result. Only then may the update
  // be acknowledged. The upload stays in S. ResourceExhausted, Unavailable: the store failed.
  // FailedPrecondition: closed.
  absl::StatusOr<Digest> Count(const AcceptedUpdate& update, Upload& upload);

  // Takes a counted vector out again: the round's state did not take it.
  absl::Status Discount(const AcceptedUpdate& update, const Digest& object);

  // Adds a vector that was counted before a restart, read back from the store.
  // NotFound, DataLoss: the stored vector is missing, damaged or not the one with `root`.
  absl::Status AddStored(const StoredUpdate& update);

  // No further upload: those in flight are taken out, and fail from now on.
  absl::Status Close();

  // S of the counted updates. FailedPrecondition: not closed yet.
  absl::StatusOr<privacy::MaskedTotal> Total() &&;

  uint32_t n_counted() const;
  uint64_t added_bytes() const;   // all chunks that were added, also of broken uploads
  double adding_seconds() const;  // time spent adding, all threads together

 private:
  friend class Upload;
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_ACCUMULATE_H_

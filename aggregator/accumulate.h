// The running sum S of a round, and updates on their way into it.
#ifndef HILUM_AGGREGATOR_ACCUMULATE_H_
#define HILUM_AGGREGATOR_ACCUMULATE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "aggregator/compute.h"
#include "aggregator/validate.h"
#include "base/bytes.h"
#include "ledger_anchor/store.h"
#include "privacy/packed_vector.h"
#include "privacy/round_config.h"
#include "privacy/unmask.h"

namespace hilum::aggregator {

struct RunningSum;   // private to accumulate.cc
struct UploadState;  // likewise

// The length and width of the round's vectors.
struct VectorShape {
  uint64_t n_coords = 0;  // D
  uint32_t chunk_coords = privacy::kChunkCoords;
  uint8_t ring_bits = 32;      // b, bits of a word, packed
  uint32_t max_weight = 0;     // W
  bool tells_nothing = false;  // differential privacy: the weight is W, the loss 0

  privacy::VectorLayout layout() const {
    return {.n_coords = n_coords, .chunk_coords = chunk_coords, .ring_bits = ring_bits};
  }
};

// One site's vector while it arrives. Each chunk goes through the cache once, in blocks of 64 KiB:
// what is there is hashed for the vector's tree and for the object's address, written to the store
// and added to S before the next block comes. An upload that ends without being counted is taken
// out of S again, exactly, from the bytes that were written. One thread uses an upload;
// Accumulator::Close may run beside it.
class Upload {
 public:
  Upload(const Upload&) = delete;
  ~Upload();

  // Chunks come in order 0, 1, 2, ...; each holds chunk_coords words, packed, but the last.
  // InvalidArgument: another index, another length, or a bit after its words that is set; the
  // sentence names the site. ResourceExhausted: the disk is full. FailedPrecondition: the round was
  // closed, or an earlier chunk was refused for its bits or by the disk, which ends the upload.
  absl::Status AddChunk(uint32_t index, ByteView chunk);

  // The whole vector is here, but not durable yet. InvalidArgument: chunks are missing, or the
  // statistics at its end are out of range: weight 1..W, count 1, loss at most 64; with
  // differential privacy W, 1 and 0, or one site could make a sum that no round can be closed on.
  // Under masks nobody can read them, and only their sums are judged, when the round is closed.
  absl::StatusOr<ReceivedUpdate> Finish();

 private:
  friend class Accumulator;
  explicit Upload(std::shared_ptr<UploadState> state) : state_(std::move(state)) {}
  std::shared_ptr<UploadState> state_;
};

// S in uint64, [D], and the rule of what is in it. Memory is 8 D bytes and one block an upload,
// whatever the number of sites. Thread-safe: uploads add in parallel, chunk by chunk.
//
// On a GPU S lies in the GPU's memory, the chunks go there by kernels/chunk_pipeline.h, and an
// upload holds one chunk. Several GPUs take chunks in turn and have a part of S each, which
// kernels/collective.h adds up. Where a GPU or the budget has no room, S is made on the CPU, with
// the same bits, and the log says so.
class Accumulator {
 public:
  // `store` must outlive this. Null: only AddVector may be called.
  Accumulator(const ledger_anchor::Store* store, const VectorShape& shape,
              const Compute& compute = {});
  ~Accumulator();

  // ResourceExhausted, Unavailable: the store failed. FailedPrecondition: closed.
  // An upload of a repeated ticket is hashed only.
  absl::StatusOr<std::unique_ptr<Upload>> Begin(const UpdateTicket& ticket);

  // Makes the vector durable in the store and then asks `admit`, with the object's address, whether
  // the round takes it. Only an OK from here may be acknowledged; after anything else the vector is
  // not in S. Close waits for a Count that has begun, so nothing is counted behind its back.
  using Admit = std::function<absl::Status(const Digest& object)>;
  absl::Status Count(const AcceptedUpdate& update, Upload& upload, const Admit& admit);

  // Adds a vector that was counted before a restart, read back from the store.
  // NotFound, DataLoss: the stored vector is missing, damaged or not the one with `root`.
  absl::Status AddStored(const Digest& object, const Digest& root);

  // The same for a whole vector in memory, packed. DataLoss: another length or root.
  absl::Status AddVector(ByteView vector, const Digest& root);

  // No further upload: those in flight are taken out, and fail from now on.
  void Close();

  // S and how many vectors are in it. FailedPrecondition: not closed. DataLoss: bytes of a broken
  // upload could not be read back. Unavailable: the GPU that held S failed; uploads were received
  // all the same. After both S is worthless and has to be made again by AddStored.
  absl::StatusOr<privacy::MaskedTotal> Total() &&;

  uint32_t n_counted() const;
  std::vector<kernels::Device> devices() const;  // where S is

 private:
  std::shared_ptr<RunningSum> sum_;
};

}  // namespace hilum::aggregator

#endif  // HILUM_AGGREGATOR_ACCUMULATE_H_

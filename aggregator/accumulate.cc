#include "aggregator/accumulate.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <list>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/status_macros.h"
#include "crypto/labels.h"
#include "crypto/tree.h"
#include "kernels/integer_sum.h"
#include "privacy/quantize.h"

namespace hilum::aggregator {

using kernels::Device;

// S with one lock a chunk: uploads that are at different chunks do not wait for each other.
struct RunningSum {
  RunningSum(const ledger_anchor::Store* s, const VectorShape& v)
      : store(s),
        shape(v),
        n_chunks(static_cast<uint32_t>((v.n_coords + v.chunk_coords - 1) / v.chunk_coords)),
        sums(v.n_coords),
        chunk_locks(std::make_unique<absl::Mutex[]>(n_chunks)) {}

  uint64_t WordsOf(uint32_t chunk) const {
    return std::min<uint64_t>(shape.chunk_coords,
                              shape.n_coords - uint64_t{chunk} * shape.chunk_coords);
  }
  std::span<uint64_t> SumsOf(uint32_t chunk) {
    return std::span(sums).subspan(uint64_t{chunk} * shape.chunk_coords, WordsOf(chunk));
  }
  absl::Status Add(uint32_t chunk, std::span<const uint32_t> words) {
    const absl::MutexLock lock(&chunk_locks[chunk]);
    return kernels::AddWords(words, SumsOf(chunk), Device::kCpu);
  }
  absl::Status Subtract(uint32_t chunk, std::span<const uint32_t> words) {
    const absl::MutexLock lock(&chunk_locks[chunk]);
    return kernels::SubtractWords(words, SumsOf(chunk), Device::kCpu);
  }

  const ledger_anchor::Store* const store;
  const VectorShape shape;
  const uint32_t n_chunks;
  std::vector<uint64_t> sums;  // [D]; each part under its chunk's lock
  std::unique_ptr<absl::Mutex[]> chunk_locks;
  std::atomic<uint32_t> n_counted{0};
  std::atomic<bool> broken{false};

  absl::Mutex mutex;
  bool closed ABSL_GUARDED_BY(mutex) = false;
  std::list<std::weak_ptr<UploadState>> uploads ABSL_GUARDED_BY(mutex);
};

// Lock order: an upload's mutex, then a chunk's.
struct UploadState {
  UploadState(std::shared_ptr<RunningSum> s, UpdateTicket t)
      : sum(std::move(s)), ticket(std::move(t)), tree(crypto::kLabelR2Chunk) {}

  enum class Phase { kOpen, kCounted, kWithdrawn };

  const std::shared_ptr<RunningSum> sum;
  const UpdateTicket ticket;

  absl::Mutex mutex;
  Phase phase ABSL_GUARDED_BY(mutex) = Phase::kOpen;
  std::optional<ledger_anchor::StoreWriter> writer ABSL_GUARDED_BY(mutex);  // none: hash only
  crypto::ChunkTree tree ABSL_GUARDED_BY(mutex);
  std::vector<uint32_t> words ABSL_GUARDED_BY(mutex);                       // of the chunk at hand
  std::array<uint32_t, privacy::kMinExtras> tail ABSL_GUARDED_BY(mutex){};  // the last words
  uint32_t n_added ABSL_GUARDED_BY(mutex) = 0;                              // chunks that are in S

  absl::Status Bad(absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat("site ", ticket.site().name, " sent ", what));
  }
  absl::Status CheckOpen() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    if (phase == Phase::kOpen) return absl::OkStatus();
    return absl::FailedPreconditionError(absl::StrCat(
        "round ", ticket.round().round.number, " of job ", ticket.round().job.name,
        " was closed before the update of site ", ticket.site().name, " was complete"));
  }
  absl::Status TakeWords(uint32_t index, ByteView chunk) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void KeepTail() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void Withdraw() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status SubtractWritten() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
};

absl::Status UploadState::TakeWords(uint32_t index, ByteView chunk) {
  if (index != tree.n_chunks() || index >= sum->n_chunks) {
    return Bad(absl::StrCat("chunk ", index, ", chunk ", tree.n_chunks(), " of ", sum->n_chunks,
                            " is next"));
  }
  words.resize(sum->WordsOf(index));
  if (chunk.size() != words.size() * sizeof(uint32_t)) {
    return Bad(absl::StrCat("chunk ", index, " with ", chunk.size(), " bytes, it has ",
                            words.size() * sizeof(uint32_t)));
  }
  std::memcpy(words.data(), chunk.data(), chunk.size());
  if (sum->shape.ring_bits == 32) return absl::OkStatus();
  const uint32_t limit = uint32_t{1} << sum->shape.ring_bits;
  const uint32_t largest = *std::max_element(words.begin(), words.end());
  if (largest < limit) return absl::OkStatus();
  return Bad(absl::StrCat("the word ", largest, ", every word is below ", limit));
}

void UploadState::KeepTail() {
  for (const uint32_t word : std::span(words).last(std::min(words.size(), tail.size()))) {
    std::rotate(tail.begin(), tail.begin() + 1, tail.end());
    tail.back() = word;
  }
}

absl::Status UploadState::SubtractWritten() {
  for (uint32_t chunk = 0; chunk < n_added; ++chunk) {
    words.resize(sum->WordsOf(chunk));
    const uint64_t offset = uint64_t{chunk} * sum->shape.chunk_coords * sizeof(uint32_t);
    HILUM_RETURN_IF_ERROR(writer->ReadBack(
        offset, {reinterpret_cast<uint8_t*>(words.data()), words.size() * sizeof(uint32_t)}));
    HILUM_RETURN_IF_ERROR(sum->Subtract(chunk, words));
  }
  return absl::OkStatus();
}

void UploadState::Withdraw() {
  if (phase != Phase::kOpen) return;
  phase = Phase::kWithdrawn;
  if (!SubtractWritten().ok()) sum->broken = true;
  writer.reset();
}

Upload::~Upload() {
  const absl::MutexLock lock(&state_->mutex);
  state_->Withdraw();
}

absl::Status Upload::AddChunk(uint32_t index, ByteView chunk) {
  UploadState& state = *state_;
  const absl::MutexLock lock(&state.mutex);
  HILUM_RETURN_IF_ERROR(state.CheckOpen());
  HILUM_RETURN_IF_ERROR(state.TakeWords(index, chunk));
  state.tree.Add(chunk);
  state.KeepTail();
  if (!state.writer.has_value()) return absl::OkStatus();
  HILUM_RETURN_IF_ERROR(state.writer->Append(chunk));
  HILUM_RETURN_IF_ERROR(state.sum->Add(index, state.words));
  ++state.n_added;
  return absl::OkStatus();
}

absl::StatusOr<ReceivedUpdate> Upload::Finish() {
  UploadState& state = *state_;
  const absl::MutexLock lock(&state.mutex);
  HILUM_RETURN_IF_ERROR(state.CheckOpen());
  if (state.tree.n_chunks() != state.sum->n_chunks) {
    return state.Bad(
        absl::StrCat("the end after chunk ", state.tree.n_chunks(), " of ", state.sum->n_chunks));
  }
  const auto& [weight, count, loss] = state.tail;
  if (weight < 1 || weight > state.sum->shape.max_weight) {
    return state.Bad(
        absl::StrCat("the weight ", weight, ", the range is 1 to ", state.sum->shape.max_weight));
  }
  if (count != 1) return state.Bad(absl::StrCat("the count ", count, ", one site counts 1"));
  constexpr double kLossUnit = 1 << privacy::kLossFractionBits;
  if (loss > privacy::kMaxLoss * kLossUnit) {
    return state.Bad(
        absl::StrCat("the loss ", loss / kLossUnit, ", the limit is ", privacy::kMaxLoss));
  }
  ReceivedUpdate received;
  received.root_ = state.tree.Root();
  received.statistics_ = {.weight = weight, .loss = loss / kLossUnit};
  return received;
}

Accumulator::Accumulator(const ledger_anchor::Store* store, const VectorShape& shape)
    : sum_(std::make_shared<RunningSum>(store, shape)) {}

Accumulator::~Accumulator() { Close(); }

absl::StatusOr<std::unique_ptr<Upload>> Accumulator::Begin(const UpdateTicket& ticket) {
  auto state = std::make_shared<UploadState>(sum_, ticket);
  {
    const absl::MutexLock lock(&state->mutex);
    if (!ticket.repeated()) {
      HILUM_ASSIGN_OR_RETURN(state->writer, sum_->store->NewObject());
    }
  }
  const absl::MutexLock lock(&sum_->mutex);
  if (sum_->closed) {
    return absl::FailedPreconditionError(absl::StrCat("round ", ticket.round().round.number,
                                                      " of job ", ticket.round().job.name,
                                                      " takes no further update"));
  }
  sum_->uploads.remove_if([](const auto& upload) { return upload.expired(); });
  sum_->uploads.push_back(state);
  return std::unique_ptr<Upload>(new Upload(std::move(state)));
}

absl::Status Accumulator::Count(const AcceptedUpdate& update, Upload& upload, const Admit& admit) {
  UploadState& state = *upload.state_;
  const absl::MutexLock lock(&state.mutex);
  HILUM_RETURN_IF_ERROR(state.CheckOpen());
  if (!state.writer.has_value() || update.site_index() != state.ticket.site_index()) {
    return absl::InternalError("an update that is hashed only, or another site's, cannot count");
  }
  absl::StatusOr<Digest> object = state.writer->Commit();
  absl::Status status = object.ok() ? admit(*object) : object.status();
  if (!status.ok()) {
    state.Withdraw();
    return status;
  }
  state.phase = UploadState::Phase::kCounted;
  state.writer.reset();
  ++sum_->n_counted;
  return absl::OkStatus();
}

namespace {

// Adds a vector chunk by chunk and compares its root at the end.
class VectorAdder {
 public:
  explicit VectorAdder(RunningSum& sum) : sum_(sum), tree_(crypto::kLabelR2Chunk) {}

  // Where the bytes of chunk `index` go before Add.
  std::span<uint8_t> Buffer(uint32_t index) {
    words_.resize(sum_.WordsOf(index));
    return {reinterpret_cast<uint8_t*>(words_.data()), words_.size() * sizeof(uint32_t)};
  }
  absl::Status Add(uint32_t index) {
    tree_.Add(Buffer(index));
    return sum_.Add(index, words_);
  }
  absl::Status CheckRoot(const Digest& root) const {
    if (tree_.Root() == root) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat("a vector has the root ", ToHex(tree_.Root()),
                                            ", its update names ", ToHex(root)));
  }

 private:
  RunningSum& sum_;
  crypto::ChunkTree tree_;
  std::vector<uint32_t> words_;
};

absl::Status CheckLength(const RunningSum& sum, uint64_t size_bytes) {
  const uint64_t expected = sum.shape.n_coords * sizeof(uint32_t);
  if (size_bytes == expected) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("a vector has ", size_bytes, " bytes, the round's have ", expected));
}

absl::Status AddFromStore(RunningSum& sum, ledger_anchor::StoreReader& reader, const Digest& root) {
  VectorAdder adder(sum);
  for (uint32_t chunk = 0; chunk < sum.n_chunks; ++chunk) {
    const std::span<uint8_t> buffer = adder.Buffer(chunk);
    HILUM_ASSIGN_OR_RETURN(const size_t n_read, reader.Read(buffer));
    if (n_read != buffer.size()) return absl::DataLossError("a stored vector is cut");
    HILUM_RETURN_IF_ERROR(adder.Add(chunk));
  }
  return adder.CheckRoot(root);
}

absl::Status AddFromMemory(RunningSum& sum, ByteView vector, const Digest& root) {
  VectorAdder adder(sum);
  for (uint32_t chunk = 0; chunk < sum.n_chunks; ++chunk) {
    const std::span<uint8_t> buffer = adder.Buffer(chunk);
    std::memcpy(buffer.data(), vector.data(), buffer.size());
    vector = vector.subspan(buffer.size());
    HILUM_RETURN_IF_ERROR(adder.Add(chunk));
  }
  return adder.CheckRoot(root);
}

}  // namespace

absl::Status Accumulator::AddStored(const Digest& object, const Digest& root) {
  HILUM_ASSIGN_OR_RETURN(ledger_anchor::StoreReader reader, sum_->store->OpenObject(object));
  HILUM_RETURN_IF_ERROR(CheckLength(*sum_, reader.size_bytes()));
  const absl::Status status = AddFromStore(*sum_, reader, root);
  if (status.ok()) {
    ++sum_->n_counted;
  } else {
    sum_->broken = true;
  }
  return status;
}

absl::Status Accumulator::AddVector(ByteView vector, const Digest& root) {
  HILUM_RETURN_IF_ERROR(CheckLength(*sum_, vector.size()));
  const absl::Status status = AddFromMemory(*sum_, vector, root);
  if (status.ok()) {
    ++sum_->n_counted;
  } else {
    sum_->broken = true;
  }
  return status;
}

void Accumulator::Close() {
  std::list<std::weak_ptr<UploadState>> uploads;
  {
    const absl::MutexLock lock(&sum_->mutex);
    sum_->closed = true;
    uploads.swap(sum_->uploads);
  }
  for (const std::weak_ptr<UploadState>& upload : uploads) {
    if (const std::shared_ptr<UploadState> state = upload.lock()) {
      const absl::MutexLock lock(&state->mutex);
      state->Withdraw();
    }
  }
}

absl::StatusOr<privacy::MaskedTotal> Accumulator::Total() && {
  {
    const absl::MutexLock lock(&sum_->mutex);
    if (!sum_->closed) return absl::FailedPreconditionError("the sum is still open");
  }
  if (sum_->broken) {
    return absl::DataLossError("the bytes of a broken upload could not be taken out of the sum");
  }
  return privacy::MaskedTotal(std::move(sum_->sums), sum_->n_counted);
}

uint32_t Accumulator::n_counted() const { return sum_->n_counted; }

}  // namespace hilum::aggregator

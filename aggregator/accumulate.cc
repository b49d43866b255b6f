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
#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "base/check.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "crypto/labels.h"
#include "crypto/tree.h"
#include "kernels/group_sum.h"
#include "kernels/integer_sum.h"
#include "kernels/pack.h"
#include "privacy/quantize.h"

namespace hilum::aggregator {

using kernels::Device;

namespace {

// 64 KiB: its bytes, its words and its part of S stay in the second-level cache. Of a multiple of 8
// words, so that a block ends on a byte boundary.
constexpr size_t kBlockWords = 16384;

}  // namespace

// S with one lock a chunk: uploads that are at different chunks do not wait for each other.
struct RunningSum {
  RunningSum(const ledger_anchor::Store* s, const VectorShape& v, const Compute& compute)
      : store(s),
        shape(v),
        layout(v.layout()),
        n_chunks(layout.n_chunks()),
        group(MakeGroup(v, compute)),
        sums(group == nullptr ? v.n_coords : 0),
        chunk_locks(std::make_unique<absl::Mutex[]>(n_chunks)) {}

  // Null: S is made on the CPU.
  static std::unique_ptr<kernels::GroupSum> MakeGroup(const VectorShape& shape,
                                                      const Compute& compute) {
    if (compute.make_queues == nullptr) return nullptr;
    absl::Status status;
    if (auto queues = compute.make_queues(); queues.ok()) {
      auto group = kernels::GroupSum::Create(*std::move(queues),
                                             {.n_coords = static_cast<int64_t>(shape.n_coords),
                                              .chunk_coords = shape.chunk_coords,
                                              .budget_bytes = compute.device_budget_bytes});
      if (group.ok()) return *std::move(group);
      status = group.status();
    } else {
      status = queues.status();
    }
    Log(LogLevel::kWarning, "the sum is made on the CPU",
        {{"device", kernels::ToString(compute.devices)}, {"reason", status}});
    return nullptr;
  }

  // Bytes of `n` words that begin a block or a chunk.
  size_t BytesOf(size_t n) const {
    return static_cast<size_t>(kernels::PackedSizeBytes(static_cast<int64_t>(n), layout.ring_bits));
  }
  // Where the words of a block, `first` of its chunk and on, are put before they are added: the
  // CPU adds block by block, a GPU takes whole chunks.
  std::span<uint32_t> PlaceOf(uint32_t chunk, size_t first, std::vector<uint32_t>& words) const {
    const size_t n_chunk = layout.CoordsOf(chunk), n = std::min(kBlockWords, n_chunk - first);
    const bool whole = group != nullptr;
    words.resize(whole ? n_chunk : n);
    return std::span(words).subspan(whole ? first : 0, n);
  }
  void AddBlock(uint32_t chunk, size_t first, std::span<const uint32_t> words, int sign = 1) {
    if (group != nullptr) return;
    const uint64_t at = uint64_t{chunk} * shape.chunk_coords + first;
    const std::span<uint64_t> part = std::span(sums).subspan(at, words.size());
    const absl::MutexLock lock(&chunk_locks[chunk]);
    HILUM_CHECK((sign > 0 ? kernels::AddWords(words, part, Device::kCpu)
                          : kernels::SubtractWords(words, part, Device::kCpu))
                    .ok());
  }
  // After the last block. A GPU that fails spoils S, not the uploads: they are in the store.
  void AddChunk(uint32_t chunk, std::span<const uint32_t> words, int sign = 1) {
    if (group == nullptr || device_failed) return;
    const absl::Status status = sign > 0 ? group->Add(chunk, words) : group->Subtract(chunk, words);
    if (status.ok() || device_failed.exchange(true)) return;
    Log(LogLevel::kError, "the sum on the device is lost",
        {{"device", kernels::ToString(group->devices())}, {"reason", status}});
  }

  const ledger_anchor::Store* const store;
  const VectorShape shape;
  const privacy::VectorLayout layout;
  const uint32_t n_chunks;
  const std::unique_ptr<kernels::GroupSum> group;
  std::vector<uint64_t> sums;  // [D], each part under its chunk's lock; or empty: on the device
  std::unique_ptr<absl::Mutex[]> chunk_locks;
  std::atomic<uint32_t> n_counted{0};
  std::atomic<bool> broken{false};
  std::atomic<bool> device_failed{false};

  absl::Mutex mutex;
  bool closed ABSL_GUARDED_BY(mutex) = false;
  std::list<std::weak_ptr<UploadState>> uploads ABSL_GUARDED_BY(mutex);
};

// Lock order: an upload's mutex, then a chunk's.
struct UploadState {
  UploadState(std::shared_ptr<RunningSum> s, UpdateTicket t)
      : sum(std::move(s)), ticket(std::move(t)), tree(crypto::kLabelR2Chunk) {}

  enum class Phase { kOpen, kCounted, kWithdrawn, kRefused };

  const std::shared_ptr<RunningSum> sum;
  const UpdateTicket ticket;

  absl::Mutex mutex;
  Phase phase ABSL_GUARDED_BY(mutex) = Phase::kOpen;
  std::optional<ledger_anchor::StoreWriter> writer ABSL_GUARDED_BY(mutex);  // none: hash only
  crypto::ChunkTree tree ABSL_GUARDED_BY(mutex);
  std::vector<uint32_t> words ABSL_GUARDED_BY(mutex);                       // of the block at hand
  std::array<uint32_t, privacy::kMinExtras> tail ABSL_GUARDED_BY(mutex){};  // the last words
  uint32_t n_added ABSL_GUARDED_BY(mutex) = 0;                              // chunks that are in S

  absl::Status Bad(absl::string_view what) const {
    return absl::InvalidArgumentError(absl::StrCat("site ", ticket.site().name, " sent ", what));
  }
  absl::Status CheckOpen() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    if (phase == Phase::kOpen) return absl::OkStatus();
    if (phase == Phase::kRefused) {
      return absl::FailedPreconditionError(absl::StrCat("the update of site ", ticket.site().name,
                                                        " ended when a chunk of it was refused"));
    }
    return absl::FailedPreconditionError(absl::StrCat(
        "round ", ticket.round().round.number, " of job ", ticket.round().job.name,
        " was closed before the update of site ", ticket.site().name, " was complete"));
  }
  absl::Status CheckChunk(uint32_t index, ByteView chunk) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status TakeBlock(uint32_t index, size_t first, ByteView block)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void Refuse(uint32_t index, ByteView added) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void KeepTail(std::span<const uint32_t> block) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  void Withdraw() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
  absl::Status SubtractWritten() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
};

absl::Status UploadState::CheckChunk(uint32_t index, ByteView chunk) const {
  if (index != tree.n_chunks() || index >= sum->n_chunks) {
    return Bad(absl::StrCat("chunk ", index, ", chunk ", tree.n_chunks(), " of ", sum->n_chunks,
                            " is next"));
  }
  const uint64_t expected = sum->layout.BytesOf(index);
  if (chunk.size() == expected) return absl::OkStatus();
  return Bad(absl::StrCat("chunk ", index, " with ", chunk.size(), " bytes, it has ", expected));
}

// Everything that happens to a block, while it is in the cache. Last of all it is added.
absl::Status UploadState::TakeBlock(uint32_t index, size_t first, ByteView block) {
  const std::span<uint32_t> place = sum->PlaceOf(index, first, words);
  const absl::Status unpacked = privacy::UnpackWords(block, sum->layout.ring_bits, place);
  if (!unpacked.ok()) {
    return Bad(absl::StrCat("chunk ", index, " with bad bits: ", unpacked.message()));
  }
  tree.AddPart(block);
  KeepTail(place);
  if (!writer.has_value()) return absl::OkStatus();
  HILUM_RETURN_IF_ERROR(writer->Append(block));
  sum->AddBlock(index, first, place);
  return absl::OkStatus();
}

// Ends the upload in the middle of chunk `index`, of which `added` is in S.
void UploadState::Refuse(uint32_t index, ByteView added) {
  for (size_t first = 0; !added.empty() && writer.has_value(); first += kBlockWords) {
    const std::span<uint32_t> place = sum->PlaceOf(index, first, words);
    const size_t n_bytes = sum->BytesOf(place.size());
    HILUM_CHECK(privacy::UnpackWords(added.first(n_bytes), sum->layout.ring_bits, place).ok());
    sum->AddBlock(index, first, place, -1);
    added = added.subspan(n_bytes);
  }
  Withdraw();
  phase = Phase::kRefused;
}

void UploadState::KeepTail(std::span<const uint32_t> block) {
  for (const uint32_t word : block.last(std::min(block.size(), tail.size()))) {
    std::rotate(tail.begin(), tail.begin() + 1, tail.end());
    tail.back() = word;
  }
}

absl::Status UploadState::SubtractWritten() {
  const privacy::VectorLayout& layout = sum->layout;
  Bytes packed;
  for (uint32_t chunk = 0; chunk < n_added; ++chunk) {
    words.resize(layout.CoordsOf(chunk));
    packed.resize(layout.BytesOf(chunk));
    HILUM_RETURN_IF_ERROR(writer->ReadBack(uint64_t{chunk} * layout.BytesOf(0), packed));
    HILUM_RETURN_IF_ERROR(privacy::UnpackWords(packed, layout.ring_bits, words));
    sum->AddBlock(chunk, 0, words, -1);
    sum->AddChunk(chunk, words, -1);
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
  HILUM_RETURN_IF_ERROR(state.CheckChunk(index, chunk));
  const size_t block_bytes = state.sum->BytesOf(kBlockWords);
  size_t first = 0;
  for (size_t at = 0; at < chunk.size(); at += block_bytes, first += kBlockWords) {
    const ByteView block = chunk.subspan(at, std::min(block_bytes, chunk.size() - at));
    const absl::Status status = state.TakeBlock(index, first, block);
    if (!status.ok()) {
      state.Refuse(index, chunk.first(at));
      return status;
    }
  }
  state.tree.EndChunk();
  if (!state.writer.has_value()) return absl::OkStatus();
  state.sum->AddChunk(index, state.words);
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
  ReceivedUpdate received;
  received.root_ = state.tree.Root();
  if (state.ticket.masked()) return received;
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
  if (state.sum->shape.tells_nothing && (weight != state.sum->shape.max_weight || loss != 0)) {
    return state.Bad(absl::StrCat("the weight ", weight, " and the loss ", loss / kLossUnit,
                                  ", with differential privacy they are ",
                                  state.sum->shape.max_weight, " and 0"));
  }
  received.statistics_ = {.weight = weight, .loss = loss / kLossUnit};
  return received;
}

Accumulator::Accumulator(const ledger_anchor::Store* store, const VectorShape& shape,
                         const Compute& compute)
    : sum_(std::make_shared<RunningSum>(store, shape, compute)) {}

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

// Adds a vector block by block and compares its root at the end.
class VectorAdder {
 public:
  // Fills the next bytes of the vector.
  using Read = absl::FunctionRef<absl::Status(std::span<uint8_t> bytes)>;

  explicit VectorAdder(RunningSum& sum) : sum_(sum), tree_(crypto::kLabelR2Chunk) {}

  absl::Status Add(Read read) {
    for (uint32_t chunk = 0; chunk < sum_.n_chunks; ++chunk) {
      for (size_t first = 0; first < sum_.layout.CoordsOf(chunk);) {
        const std::span<uint32_t> place = sum_.PlaceOf(chunk, first, words_);
        packed_.resize(sum_.BytesOf(place.size()));
        HILUM_RETURN_IF_ERROR(read(std::span<uint8_t>(packed_)));
        HILUM_RETURN_IF_ERROR(privacy::UnpackWords(packed_, sum_.layout.ring_bits, place));
        tree_.AddPart(packed_);
        sum_.AddBlock(chunk, first, place);
        first += place.size();
      }
      tree_.EndChunk();
      sum_.AddChunk(chunk, words_);
    }
    return absl::OkStatus();
  }
  absl::Status CheckRoot(const Digest& root) const {
    if (tree_.Root() == root) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat("a vector has the root ", ToHex(tree_.Root()),
                                            ", its update names ", ToHex(root)));
  }

 private:
  RunningSum& sum_;
  crypto::ChunkTree tree_;
  Bytes packed_;  // of the block at hand
  std::vector<uint32_t> words_;
};

absl::Status CheckLength(const RunningSum& sum, uint64_t size_bytes) {
  const uint64_t expected = sum.layout.size_bytes();
  if (size_bytes == expected) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("a vector has ", size_bytes, " bytes, the round's have ", expected));
}

absl::Status AddFromStore(RunningSum& sum, ledger_anchor::StoreReader& reader, const Digest& root) {
  VectorAdder adder(sum);
  HILUM_RETURN_IF_ERROR(adder.Add([&](std::span<uint8_t> bytes) -> absl::Status {
    HILUM_ASSIGN_OR_RETURN(const size_t n_read, reader.Read(bytes));
    if (n_read != bytes.size()) return absl::DataLossError("a stored vector is cut");
    return absl::OkStatus();
  }));
  return adder.CheckRoot(root);
}

absl::Status AddFromMemory(RunningSum& sum, ByteView vector, const Digest& root) {
  VectorAdder adder(sum);
  HILUM_RETURN_IF_ERROR(adder.Add([&](std::span<uint8_t> bytes) {
    std::memcpy(bytes.data(), vector.data(), bytes.size());
    vector = vector.subspan(bytes.size());
    return absl::OkStatus();
  }));
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
  if (sum_->group != nullptr) {
    sum_->sums.resize(sum_->shape.n_coords);
    HILUM_RETURN_IF_ERROR(std::move(*sum_->group).Read(sum_->sums));
  }
  return privacy::MaskedTotal(std::move(sum_->sums), sum_->n_counted);
}

uint32_t Accumulator::n_counted() const { return sum_->n_counted; }

std::vector<Device> Accumulator::devices() const {
  return sum_->group == nullptr ? std::vector<Device>{Device::kCpu} : sum_->group->devices();
}

}  // namespace hilum::aggregator

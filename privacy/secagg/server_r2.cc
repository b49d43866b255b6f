#include "privacy/secagg/server_r2.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/labels.h"
#include "crypto/tree.h"
#include "kernels/integer_sum.h"
#include "privacy/packed_vector.h"

namespace hilum::privacy::secagg {
namespace {

template <class... Parts>
absl::Status Wrong(const Parts&... parts) {
  return absl::FailedPreconditionError(absl::StrCat(parts...));
}

Digest LeafOf(uint32_t index, ByteView bytes) {
  return crypto::ChunkLeafHash(crypto::kLabelR2Chunk, index, bytes);
}

}  // namespace

ServerCollecting::ServerCollecting(ServerSelf self, Facts facts,
                                   std::map<uint16_t, ShareCommitments> commitments)
    : self_(self), facts_(std::move(facts)), commitments_(std::move(commitments)) {}

absl::StatusOr<Opened> ServerCollecting::OpenOfU2(ByteView message) const {
  HILUM_ASSIGN_OR_RETURN(const Opened opened, OpenFrame(*facts_.context, message));
  if (!Holds(facts_.u2, opened.sender)) {
    return absl::InvalidArgumentError(absl::StrCat("member ", opened.sender, " is not of U2"));
  }
  if (withdrawn_.count(opened.sender) != 0) {
    return Wrong("the vector of member ", opened.sender, " was withdrawn from this round");
  }
  return opened;
}

absl::StatusOr<Receipt> ServerCollecting::TakeChunk(uint16_t peer, ByteView message) {
  HILUM_ASSIGN_OR_RETURN(const Opened opened, OpenOfU2(message));
  if (opened.sender != peer) {
    return absl::PermissionDeniedError(
        absl::StrCat("a chunk from member ", peer, " names member ", opened.sender));
  }
  if (sums_.empty() && !closes_.empty()) return Wrong("the sum of this attempt is the caller's");
  const RoundConfig& config = facts_.context->config();
  HILUM_ASSIGN_OR_RETURN(const ChunkView chunk, DecodeChunk(opened.body, config));
  Vector& vector = vectors_[opened.sender];
  const Digest leaf = LeafOf(chunk.index, chunk.bytes);
  if (chunk.index < vector.leaves.size()) {
    if (vector.leaves[chunk.index] == leaf) return Receipt{opened.sender, false};
    return Wrong("member ", opened.sender, " sent other bytes for chunk ", chunk.index);
  }
  if (chunk.index != vector.leaves.size()) {
    return Wrong("member ", opened.sender, " sent chunk ", chunk.index, ", the next is ",
                 vector.leaves.size());
  }
  const size_t first = size_t{chunk.index} * config.chunk_coords;
  sums_.resize(static_cast<size_t>(config.n_coords()));
  HILUM_RETURN_IF_ERROR(kernels::AddWords(
      chunk.words, std::span(sums_).subspan(first, chunk.words.size()), kernels::Device::kCpu));
  vector.leaves.push_back(leaf);
  return Receipt{.sender = opened.sender, .is_new = true};
}

absl::StatusOr<Receipt> ServerCollecting::TakeClose(ByteView message) {
  HILUM_ASSIGN_OR_RETURN(const Opened opened, OpenOfU2(message));
  const RoundConfig& config = facts_.context->config();
  const std::vector<Digest>& leaves = vectors_[opened.sender].leaves;
  if (leaves.size() != CountChunks(config)) {
    return absl::InvalidArgumentError(absl::StrCat("member ", opened.sender, " closes after ",
                                                   leaves.size(), " chunks, a vector has ",
                                                   CountChunks(config)));
  }
  return Enter(message, opened, crypto::TreeRoot(leaves));
}

absl::StatusOr<Receipt> ServerCollecting::TakeSummed(ByteView message, const Digest& root) {
  if (!sums_.empty()) return Wrong("this attempt adds its vectors chunk by chunk");
  HILUM_ASSIGN_OR_RETURN(const Opened opened, OpenOfU2(message));
  return Enter(message, opened, root);
}

// The close of a whole vector with that root.
absl::StatusOr<Receipt> ServerCollecting::Enter(ByteView message, const Opened& opened,
                                                const Digest& root) {
  HILUM_ASSIGN_OR_RETURN(const Receipt receipt, inbox_.Look(opened.sender, message));
  if (!receipt.is_new) return receipt;
  HILUM_ASSIGN_OR_RETURN(const MaskedInputClose close, DecodeMaskedInputClose(opened.body));
  if (close.fields.u2_hash != facts_.u2_hash ||
      close.fields.n_coords != facts_.context->config().n_coords() || close.fields.root != root) {
    return absl::DataLossError(
        absl::StrCat("member ", opened.sender, " closes another vector than it sent"));
  }
  HILUM_RETURN_IF_ERROR(facts_.context->Verify(crypto::kLabelR2Root, opened.sender,
                                               UpdateMessage(close.fields), close.signature,
                                               "the close of a masked input"));
  inbox_.Put(opened.sender, message);
  closes_.emplace(opened.sender, close);
  return receipt;
}

absl::Status ServerCollecting::CheckWithdrawal(
    const Vector& vector, const std::function<absl::StatusOr<Bytes>(uint32_t)>& stored) const {
  for (uint32_t index = 0; index < vector.leaves.size(); ++index) {
    HILUM_ASSIGN_OR_RETURN(const Bytes bytes, stored(index));
    if (bytes.size() != LayoutOf(facts_.context->config()).BytesOf(index) ||
        LeafOf(index, bytes) != vector.leaves[index]) {
      return absl::DataLossError(
          absl::StrCat("the stored chunk ", index, " is not the one that was added"));
    }
  }
  return absl::OkStatus();
}

absl::Status ServerCollecting::Withdraw(
    uint16_t member, const std::function<absl::StatusOr<Bytes>(uint32_t)>& stored) {
  if (closes_.count(member) != 0) return Wrong("the vector of member ", member, " is whole");
  const Vector& vector = vectors_[member];
  HILUM_RETURN_IF_ERROR(CheckWithdrawal(vector, stored));
  const RoundConfig& config = facts_.context->config();
  for (uint32_t index = 0; index < vector.leaves.size(); ++index) {
    HILUM_ASSIGN_OR_RETURN(const Bytes bytes, stored(index));  // checked above
    std::vector<uint32_t> words(ChunkCoords(config, index));
    HILUM_RETURN_IF_ERROR(UnpackWords(bytes, config.ring_bits, words));
    const auto coords = std::span(sums_).subspan(size_t{index} * config.chunk_coords, words.size());
    HILUM_RETURN_IF_ERROR(kernels::SubtractWords(words, coords, kernels::Device::kCpu));
  }
  vectors_.erase(member);
  withdrawn_.insert(member);
  return absl::OkStatus();
}

Indices ServerCollecting::Unfinished() const {
  Indices members;
  for (const auto& [member, vector] : vectors_) {
    if (!vector.leaves.empty() && closes_.count(member) == 0) members.push_back(member);
  }
  return members;
}

Indices ServerCollecting::Finished() const {
  Indices members;
  for (const auto& [member, close] : closes_) members.push_back(member);
  return members;
}

absl::StatusOr<DurableStep<ServerConfirming>> ServerCollecting::CloseWith(
    std::vector<uint64_t> sums) && {
  if (!sums_.empty()) return Wrong("this attempt adds its vectors chunk by chunk");
  if (sums.size() != facts_.context->config().n_coords()) {
    return absl::InvalidArgumentError(absl::StrCat("a sum of ", sums.size(), " coordinates, a ",
                                                   "vector has ",
                                                   facts_.context->config().n_coords()));
  }
  sums_ = std::move(sums);
  return std::move(*this).Confirm();
}

absl::StatusOr<DurableStep<ServerConfirming>> ServerCollecting::Close() && {
  if (const Indices unfinished = Unfinished(); !unfinished.empty()) {
    return Wrong("the sum holds a part of the vector of member ", unfinished.front());
  }
  if (sums_.empty() && !closes_.empty()) return Wrong("the sum of this attempt is the caller's");
  sums_.resize(static_cast<size_t>(facts_.context->config().n_coords()));
  return std::move(*this).Confirm();
}

absl::StatusOr<DurableStep<ServerConfirming>> ServerCollecting::Confirm() && {
  const Context& context = *facts_.context;
  SignedTranscript shown;
  Transcript& transcript = shown.transcript;
  transcript.u1_hash = facts_.u1_hash;
  transcript.u2_hash = facts_.u2_hash;
  transcript.model_hash = context.config().model_hash;
  transcript.n_coords = context.config().n_coords();
  transcript.sum_root = SumRoot(sums_, context.config());
  for (const auto& [member, close] : closes_) {
    transcript.members.push_back(
        {.index = member, .root = close.fields.root, .signature = close.signature});
  }
  const Indices u3 = MembersOf(transcript);
  if (u3.size() < context.min_count()) {
    return absl::UnavailableError(
        absl::StrCat(u3.size(), " members sent vectors, the round needs ", context.min_count()));
  }
  for (const uint16_t member : facts_.u2) {
    if (facts_.graph->HoldersIn(member, u3) < facts_.graph->threshold()) {
      return absl::UnavailableError(
          absl::StrCat("too few holders of member ", member, " sent vectors to open its secret"));
    }
  }
  if (const absl::Status runs = CheckRuns(context, *facts_.graph, u3); !runs.ok()) {
    return absl::UnavailableError(runs.message());
  }
  shown.server_signature =
      self_.Sign(context, crypto::kLabelTranscript, HashOf(context, transcript));
  const Bytes body = Encode(shown);
  Outgoing out(body, Frame(context, crypto::kServerSender, body));
  ServerConfirming next(self_, std::move(facts_), std::move(commitments_), std::move(sums_),
                        std::move(transcript));
  return DurableStep<ServerConfirming>{.next = std::move(next), .out = std::move(out)};
}

}  // namespace hilum::privacy::secagg

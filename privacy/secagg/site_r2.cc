#include "privacy/secagg/site_r2.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/status_macros.h"
#include "crypto/labels.h"
#include "privacy/secagg/journal.h"
#include "privacy/secagg/masks.h"
#include "privacy/secagg/r2_messages.h"

namespace hilum::privacy::secagg {
namespace {

// m_i added, s_ij added for i < j and subtracted for i > j.
absl::StatusOr<kernels::MaskKeys> MaskKeysOf(const SiteKeep& keep, const Facts& facts) {
  SignedKeys keys;
  keys.Add(SelfMaskKey(*facts.context, keep.index, keep.b, facts.u2_hash), 1);
  for (const uint16_t neighbour : facts.NeighboursInU2(keep.index)) {
    auto key = PairMaskKey(*facts.context, {.mask_private = keep.mask_private,
                                            .peer = facts.keys.at(neighbour).mask_key,
                                            .i = keep.index,
                                            .j = neighbour,
                                            .u2_hash = facts.u2_hash});
    if (!key.ok()) {
      return absl::DataLossError(absl::StrCat("member ", neighbour, ": ", key.status().message()));
    }
    keys.Add(*std::move(key), PairSign(keep.index, neighbour));
  }
  return keys.Schedule(facts.context->config());
}

}  // namespace

uint32_t Upload::n_chunks() const { return CountChunks(context_->config()); }

Bytes Upload::Chunk(uint32_t index) const {
  HILUM_CHECK(index < n_chunks());
  const size_t first = size_t{index} * context_->config().chunk_coords;
  return Frame(
      *context_, index_,
      EncodeChunk(index, vector_->words().subspan(first, ChunkCoords(context_->config(), index)),
                  context_->config()));
}

Upload PendingUpload::MakeUpload(const Facts& facts, const SiteKeep& keep,
                                 std::shared_ptr<const MaskedUpdate> vector, const Digest& root) {
  const Context& context = *facts.context;
  MaskedInputClose close{
      .fields = {.u2_hash = facts.u2_hash, .root = root, .n_coords = context.config().n_coords()},
      .signature = {}};
  close.signature = context.Sign(*keep.signing_key, crypto::kLabelR2Root, keep.index,
                                 UpdateMessage(close.fields));
  return Upload(facts.context, keep.index, std::move(vector),
                Frame(context, keep.index, Encode(close)));
}

absl::StatusOr<SiteReady::MaskStep> SiteReady::MaskInput(NoisedDelta input,
                                                         kernels::Device device) && {
  SiteKeep keep = std::move(keep_);
  Facts facts = std::move(facts_);
  const RoundConfig& config = facts.context->config();
  HILUM_ASSIGN_OR_RETURN(const kernels::MaskKeys keys, MaskKeysOf(keep, facts));
  keep.mask_private.Erase();
  keep.b = Scalar();
  HILUM_ASSIGN_OR_RETURN(MaskedUpdate masked, Mask(std::move(input), config, keys, device));
  const auto vector = std::make_shared<const MaskedUpdate>(std::move(masked));
  const Digest root = UpdateRoot(vector->words(), LayoutOf(config));
  Bytes record =
      Encode(InputRecord{.rid = facts.context->rid(), .u2_hash = facts.u2_hash, .root = root});
  PendingUpload upload(std::move(record), PendingUpload::MakeUpload(facts, keep, vector, root));
  SiteMasked::Input own{.index = keep.index,
                        .signing_key = keep.signing_key,
                        .nonce = keep.nonce,
                        .held = std::move(keep.held),
                        .root = root,
                        .vector = vector};
  return MaskStep{.next = SiteMasked(std::move(own), std::move(facts)),
                  .upload = std::move(upload)};
}

}  // namespace hilum::privacy::secagg

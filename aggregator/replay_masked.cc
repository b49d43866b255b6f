// A masked round computed again: every signature, vote, tag and opened secret, every member's
// vector against its root and its tag, their sum, and what is left when the masks are out
// (docs/secure_aggregation.md, section 8, modes A and C; with ReplayDepth::kTags mode A alone).
#include <algorithm>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "aggregator/accumulate.h"
#include "aggregator/replay_parts.h"
#include "aggregator/spending.h"
#include "base/status_macros.h"
#include "kernels/tag_polynomial.h"
#include "privacy/packed_vector.h"
#include "privacy/secagg/evidence.h"
#include "privacy/secagg/verify_round.h"
#include "privacy/sum_object.h"
#include "privacy/transcript.h"

namespace hilum::aggregator {

namespace secagg = privacy::secagg;

namespace {

absl::StatusOr<secagg::Evidence> GetEvidence(const ReplayInputs& inputs, const RoundRecord& record,
                                             const Recipe& recipe) {
  const ledger_anchor::Member* aggregator = inputs.members->Find(inputs.close.by);
  if (aggregator == nullptr) return absl::DataLossError("its signer is not a member");
  HILUM_ASSIGN_OR_RETURN(secagg::ContextPtr context,
                         secagg::Context::Create({.config = recipe.config,
                                                  .attempt = record.attempt,
                                                  .server_key = aggregator->entry_key}));
  const MaskedEvidence& masked = *record.masked;
  return secagg::ReadEvidence(std::move(context), {.key_list = masked.key_list,
                                                   .u1 = masked.u1,
                                                   .u2 = masked.u2,
                                                   .complaints = masked.complaints,
                                                   .transcript = record.transcript,
                                                   .votes = masked.votes,
                                                   .opening = masked.opening});
}

absl::StatusOr<std::vector<uint64_t>> GetSum(Objects& objects, const RoundRecord& record,
                                             const privacy::RoundConfig& config) {
  HILUM_ASSIGN_OR_RETURN(const Bytes sum, objects.Get("sum", record.masked->sum_object,
                                                      privacy::SumObjectBytes(config)));
  return privacy::UnpackSum(sum, config);
}

// The record's vectors are those of T.
absl::Status CheckMembers(const Pair& pair, const RoundRecord& record,
                          const privacy::Transcript& transcript) {
  const bool same =
      std::equal(record.updates.begin(), record.updates.end(), transcript.members.begin(),
                 transcript.members.end(), [](const CountedUpdate& update, const auto& member) {
                   return update.site_index == member.index && update.root == member.root &&
                          update.signature == member.signature;
                 });
  return same ? absl::OkStatus()
              : Differs(pair.close,
                        "the record's updates are not the "
                        "transcript's");
}

// The member's tag against its own vector. VerifySum looks at a vector without a tag.
absl::Status CheckTag(const secagg::PublishedRound& published, const kernels::TagValues& challenge,
                      uint16_t member, ByteView vector) {
  const secagg::RoundOpening& opening = published.opening;
  const auto tag = std::find_if(opening.tags.begin(), opening.tags.end(),
                                [&](const auto& one) { return one.index == member; });
  if (tag == opening.tags.end()) return absl::OkStatus();
  HILUM_ASSIGN_OR_RETURN(
      const std::vector<uint32_t> words,
      privacy::UnpackVector(vector, privacy::LayoutOf(published.facts.context->config())));
  HILUM_ASSIGN_OR_RETURN(const kernels::TagValues values,
                         kernels::EvaluateTags(words, challenge, kernels::Device::kCpu));
  if (values == tag->tag.values) return absl::OkStatus();
  return absl::DataLossError("its tag is not of this vector");
}

// Adds the stored vectors and compares with the published sum.
absl::Status CheckVectors(Objects& objects, const ReplayInputs& inputs, const Pair& pair,
                          const RoundRecord& record, const Recipe& recipe,
                          const secagg::PublishedRound& published,
                          const kernels::TagValues& challenge, ReplayResult& result) {
  Accumulator sum(nullptr, {.n_coords = recipe.config.n_coords(),
                            .chunk_coords = recipe.config.chunk_coords,
                            .ring_bits = recipe.config.ring_bits,
                            .max_weight = recipe.config.max_weight});
  for (const CountedUpdate& update : record.updates) {
    const std::string what = absl::StrCat("update of ", recipe.roster[update.site_index].site.name);
    Tell(inputs, what, result.n_read++, record.updates.size());
    HILUM_ASSIGN_OR_RETURN(
        const Bytes vector,
        objects.Get(what, update.object, privacy::LayoutOf(recipe.config).size_bytes()));
    absl::Status status = sum.AddVector(vector, update.root);
    if (status.ok()) status = CheckTag(published, challenge, update.site_index, vector);
    if (!status.ok()) return Differs(pair.close, absl::StrCat(what, ": ", status.message()));
  }
  sum.Close();
  HILUM_ASSIGN_OR_RETURN(const privacy::MaskedTotal total, std::move(sum).Total());
  const bool same = std::equal(total.sums().begin(), total.sums().end(), published.sums.begin(),
                               published.sums.end());
  if (same) return absl::OkStatus();
  return Differs(pair.close, "the published sum is not that of the stored vectors");
}

// The vectors of members without a tag, one at a time; with kTags no other is read.
using UntaggedVector = std::function<absl::StatusOr<std::vector<uint32_t>>(uint16_t member)>;
UntaggedVector ReaderOf(Objects& objects, const ReplayInputs& inputs, const RoundRecord& record,
                        const Recipe& recipe, ReplayResult& result) {
  return [&](uint16_t member) -> absl::StatusOr<std::vector<uint32_t>> {
    const auto update =
        std::find_if(record.updates.begin(), record.updates.end(),
                     [member](const CountedUpdate& one) { return one.site_index == member; });
    if (update == record.updates.end()) return absl::DataLossError("a vector is of no update");
    const std::string what = absl::StrCat("update of ", recipe.roster[member].site.name);
    if (inputs.depth == ReplayDepth::kTags) {
      Tell(inputs, what, result.n_read++, record.updates.size());
    }
    HILUM_ASSIGN_OR_RETURN(
        const Bytes vector,
        objects.Get(what, update->object, privacy::LayoutOf(recipe.config).size_bytes()));
    return privacy::UnpackVector(vector, privacy::LayoutOf(recipe.config));
  };
}

// An auditor reads the evidence of a server: whatever is wrong with it is a contradiction. That it
// cannot be reached is none.
absl::Status AsDifference(const Pair& pair, const absl::Status& status) {
  if (status.ok() || absl::IsNotFound(status) || absl::IsDataLoss(status) ||
      absl::IsUnavailable(status)) {
    return status;
  }
  return Differs(pair.close, status.message());
}

// The messages, before anything large is read; then S, the vectors, and z.
absl::StatusOr<privacy::RingTotal> VerifiedTotal(Objects& objects, const ReplayInputs& inputs,
                                                 const Pair& pair, const RoundRecord& record,
                                                 const Recipe& recipe,
                                                 const secagg::Evidence& evidence,
                                                 ReplayResult& result) {
  secagg::PublishedRound published{.facts = evidence.facts,
                                   .transcript = evidence.transcript,
                                   .votes = evidence.votes,
                                   .opening = evidence.opening,
                                   .sums = {},
                                   .ring_root = record.ring_root,
                                   .untagged = ReaderOf(objects, inputs, record, recipe, result)};
  const absl::StatusOr<secagg::VerifiedMessages> messages = secagg::VerifyMessages(published);
  HILUM_RETURN_IF_ERROR(AsDifference(pair, messages.status()));
  const absl::StatusOr<std::vector<uint64_t>> sums = GetSum(objects, record, recipe.config);
  HILUM_RETURN_IF_ERROR(AsDifference(pair, sums.status()));
  published.sums = *sums;
  if (inputs.depth == ReplayDepth::kVectors) {
    HILUM_RETURN_IF_ERROR(CheckVectors(objects, inputs, pair, record, recipe, published,
                                       messages->challenge(), result));
    Tell(inputs, "masks out of the sum", record.updates.size(), record.updates.size());
  }
  absl::StatusOr<privacy::RingTotal> ring =
      secagg::VerifyRound(published, *messages, kernels::Device::kCpu);
  HILUM_RETURN_IF_ERROR(AsDifference(pair, ring.status()));
  return ring;
}

}  // namespace

absl::Status ReplayMaskedRound(Objects& objects, const ReplayInputs& inputs, const Pair& pair,
                               ReplayResult& result) {
  HILUM_ASSIGN_OR_RETURN(const RoundRecord record, GetRecord(objects, pair, inputs.close.study));
  HILUM_ASSIGN_OR_RETURN(const Recipe recipe, GetRecipe(objects, inputs, pair, record));
  HILUM_RETURN_IF_ERROR(
      CompareDigests(pair.close, "H(cfg)", record.config, pair.close.secagg->cfg));
  if (pair.close.secagg->suite != static_cast<uint64_t>(recipe.config.suite)) {
    return Differs(pair.close, "the ledger names another mask suite than the configuration");
  }
  if (!record.masked.has_value()) return Differs(pair.close, "the record has no masks' evidence");
  HILUM_RETURN_IF_ERROR(CheckCounted(objects, pair, record, recipe));
  HILUM_RETURN_IF_ERROR(CheckServerSignature(inputs, pair, record, recipe));
  const absl::StatusOr<secagg::Evidence> evidence = GetEvidence(inputs, record, recipe);
  HILUM_RETURN_IF_ERROR(AsDifference(pair, evidence.status()));
  HILUM_RETURN_IF_ERROR(CheckTranscriptHash(pair, record, recipe, evidence->transcript));
  HILUM_RETURN_IF_ERROR(CheckMembers(pair, record, evidence->transcript));
  HILUM_ASSIGN_OR_RETURN(privacy::RingTotal ring,
                         VerifiedTotal(objects, inputs, pair, record, recipe, *evidence, result));
  HILUM_ASSIGN_OR_RETURN(proto::SafetensorsFile base, GetBase(objects, pair, recipe.plan.spec));
  HILUM_ASSIGN_OR_RETURN(Bytes moments, GetMoments(objects, inputs, pair, record, recipe));
  HILUM_ASSIGN_OR_RETURN(
      const RoundOutcome outcome,
      OutcomeOfRing(
          {.config = recipe.config, .attempt = record.attempt, .transcript = evidence->transcript},
          std::move(ring), std::move(base),
          {.strategy = recipe.plan.strategy,
           .job = {record.job},
           .round = {record.round},
           .origin = inputs.origin,
           .state = std::move(moments)}));
  HILUM_RETURN_IF_ERROR(CompareOutcome(pair, record, recipe.plan, outcome));
  HILUM_RETURN_IF_ERROR(CheckDpOfClose(pair.close, inputs.earlier, recipe.plan, recipe.config));
  HILUM_RETURN_IF_ERROR(objects.Get("model", pair.close.model, kModelLimitBytes));
  result.device = kernels::ToString(kernels::Device::kCpu);
  result.model = outcome.model.sha256();
  result.n_updates = static_cast<uint32_t>(record.updates.size());
  result.total_weight = FilmsOf(recipe.config, outcome);
  result.mean_loss = outcome.mean_loss;
  return absl::OkStatus();
}

}  // namespace hilum::aggregator

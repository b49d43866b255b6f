// A masked round computed again: every signature, vote, tag and opened secret, every member's
// vector against its root and its tag, their sum, and what is left when the masks are out
// (docs/secure_aggregation.md, section 8, modes A and C).
#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "aggregator/accumulate.h"
#include "aggregator/replay_parts.h"
#include "aggregator/spending.h"
#include "aggregator/sum_object.h"
#include "base/status_macros.h"
#include "kernels/tag_polynomial.h"
#include "privacy/secagg/r1_messages.h"
#include "privacy/secagg/tags.h"
#include "privacy/secagg/verify_round.h"
#include "privacy/transcript.h"

namespace hilum::aggregator {

namespace secagg = privacy::secagg;

namespace {

using Vectors = std::map<uint16_t, std::vector<uint32_t>>;

// The evidence of the record, parsed.
struct Evidence {
  secagg::Facts facts;
  privacy::Transcript transcript;
  secagg::VoteList votes;
  secagg::RoundOpening opening;
  std::vector<uint64_t> sums;
};

// What the flights fixed, with every signature in it.
absl::StatusOr<secagg::Facts> GetFacts(const ReplayInputs& inputs, const RoundRecord& record,
                                       const Recipe& recipe) {
  const ledger_anchor::Member* aggregator = inputs.members->Find(inputs.close.by);
  if (aggregator == nullptr) return absl::DataLossError("its signer is not a member");
  HILUM_ASSIGN_OR_RETURN(secagg::ContextPtr context,
                         secagg::Context::Create({.config = recipe.config,
                                                  .attempt = record.attempt,
                                                  .server_key = aggregator->entry_key}));
  HILUM_ASSIGN_OR_RETURN(const secagg::KeyList list,
                         secagg::DecodeKeyList(record.masked->key_list));
  HILUM_ASSIGN_OR_RETURN(secagg::Facts facts, secagg::AcceptKeyList(std::move(context), list));
  HILUM_ASSIGN_OR_RETURN(const secagg::U1 u1, secagg::DecodeU1(record.masked->u1));
  HILUM_RETURN_IF_ERROR(secagg::AcceptU1(u1, facts));
  HILUM_ASSIGN_OR_RETURN(const secagg::U2 u2, secagg::DecodeU2(record.masked->u2));
  HILUM_RETURN_IF_ERROR(secagg::AcceptU2(u2.members, u2.server_signature, facts));
  return facts;
}

absl::StatusOr<Evidence> GetEvidence(Objects& objects, const ReplayInputs& inputs,
                                     const RoundRecord& record, const Recipe& recipe) {
  Evidence evidence;
  HILUM_ASSIGN_OR_RETURN(evidence.facts, GetFacts(inputs, record, recipe));
  HILUM_ASSIGN_OR_RETURN(evidence.transcript, privacy::DecodeTranscript(record.transcript));
  HILUM_ASSIGN_OR_RETURN(evidence.votes, secagg::DecodeVoteList(record.masked->votes));
  HILUM_ASSIGN_OR_RETURN(evidence.opening, secagg::DecodeRoundOpening(record.masked->opening));
  HILUM_ASSIGN_OR_RETURN(const Bytes sum, objects.Get("sum", record.masked->sum_object,
                                                      SumObjectBytes(recipe.config)));
  HILUM_ASSIGN_OR_RETURN(evidence.sums, UnpackSum(sum, recipe.config));
  return evidence;
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

// The member's tag against its own vector; a vector without a tag is kept for VerifyRound.
absl::Status CheckTag(const Evidence& evidence, uint16_t member, std::vector<uint32_t> words,
                      Vectors& untagged) {
  const auto& tags = evidence.opening.tags;
  const auto tag =
      std::find_if(tags.begin(), tags.end(), [&](const auto& one) { return one.index == member; });
  if (tag == tags.end()) {
    untagged.emplace(member, std::move(words));
    return absl::OkStatus();
  }
  const secagg::Context& context = *evidence.facts.context;
  const Digest votes_hash =
      secagg::HashVotes(secagg::HashOf(context, evidence.transcript), evidence.votes);
  HILUM_ASSIGN_OR_RETURN(const kernels::TagValues values,
                         kernels::EvaluateTags(words, secagg::ChallengeOf(context, votes_hash),
                                               kernels::Device::kCpu));
  if (values == tag->tag.values) return absl::OkStatus();
  return absl::DataLossError("its tag is not of this vector");
}

// Adds the stored vectors and compares with the published sum.
absl::StatusOr<Vectors> CheckVectors(Objects& objects, const Pair& pair, const RoundRecord& record,
                                     const Recipe& recipe, const Evidence& evidence) {
  Accumulator sum(nullptr, {.n_coords = recipe.config.n_coords(),
                            .chunk_coords = recipe.config.chunk_coords,
                            .ring_bits = recipe.config.ring_bits,
                            .max_weight = recipe.config.max_weight});
  Vectors untagged;
  for (const CountedUpdate& update : record.updates) {
    const std::string what = absl::StrCat("update of ", recipe.roster[update.site_index].site.name);
    HILUM_ASSIGN_OR_RETURN(
        const Bytes vector,
        objects.Get(what, update.object, recipe.config.n_coords() * sizeof(uint32_t)));
    absl::Status status = sum.AddVector(vector, update.root);
    if (status.ok()) {
      std::vector<uint32_t> words(vector.size() / sizeof(uint32_t));
      std::memcpy(words.data(), vector.data(), vector.size());
      status = CheckTag(evidence, update.site_index, std::move(words), untagged);
    }
    if (!status.ok()) return Differs(pair.close, absl::StrCat(what, ": ", status.message()));
  }
  sum.Close();
  HILUM_ASSIGN_OR_RETURN(const privacy::MaskedTotal total, std::move(sum).Total());
  const bool same = std::equal(total.sums().begin(), total.sums().end(), evidence.sums.begin(),
                               evidence.sums.end());
  if (!same) return Differs(pair.close, "the published sum is not that of the stored vectors");
  return untagged;
}

absl::StatusOr<privacy::RingTotal> Verify(const RoundRecord& record, const Evidence& evidence,
                                          const Vectors& untagged) {
  secagg::PublishedRound round{.facts = evidence.facts,
                               .transcript = evidence.transcript,
                               .votes = evidence.votes,
                               .opening = evidence.opening,
                               .sums = evidence.sums,
                               .ring_root = record.ring_root,
                               .untagged = {}};
  for (const auto& [member, words] : untagged) round.untagged.emplace(member, words);
  return secagg::VerifyRound(round, kernels::Device::kCpu);
}

// An auditor reads the evidence of a server: whatever is wrong with it is a contradiction.
absl::Status AsDifference(const Pair& pair, const absl::Status& status) {
  if (status.ok() || absl::IsNotFound(status) || absl::IsDataLoss(status)) return status;
  return Differs(pair.close, status.message());
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
  const absl::StatusOr<Evidence> evidence = GetEvidence(objects, inputs, record, recipe);
  HILUM_RETURN_IF_ERROR(AsDifference(pair, evidence.status()));
  HILUM_RETURN_IF_ERROR(CheckMembers(pair, record, evidence->transcript));
  HILUM_ASSIGN_OR_RETURN(const Vectors untagged,
                         CheckVectors(objects, pair, record, recipe, *evidence));
  absl::StatusOr<privacy::RingTotal> ring = Verify(record, *evidence, untagged);
  HILUM_RETURN_IF_ERROR(AsDifference(pair, ring.status()));
  HILUM_ASSIGN_OR_RETURN(proto::SafetensorsFile base, GetBase(objects, pair, recipe.plan.spec));
  HILUM_ASSIGN_OR_RETURN(
      const RoundOutcome outcome,
      OutcomeOfRing(
          {.config = recipe.config, .attempt = record.attempt, .transcript = evidence->transcript},
          *std::move(ring), std::move(base),
          {.strategy = recipe.plan.strategy,
           .job = {record.job},
           .round = {record.round},
           .origin = inputs.origin}));
  HILUM_RETURN_IF_ERROR(CompareOutcome(pair, record, recipe.plan, outcome));
  HILUM_RETURN_IF_ERROR(CheckDpOfClose(pair.close, recipe.plan, recipe.config));
  HILUM_RETURN_IF_ERROR(objects.Get("model", pair.close.model, kModelLimitBytes));
  result.device = kernels::ToString(kernels::Device::kCpu);
  result.model = outcome.model.sha256();
  result.n_updates = static_cast<uint32_t>(record.updates.size());
  result.total_weight = outcome.total_weight;
  result.mean_loss = outcome.mean_loss;
  return absl::OkStatus();
}

}  // namespace hilum::aggregator

#include "aggregator/replay.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "aggregator/accumulate.h"
#include "aggregator/outcome.h"
#include "aggregator/replay_parts.h"
#include "aggregator/spending.h"
#include "base/status_macros.h"
#include "ledger_anchor/chain.h"
#include "ledger_anchor/round_record.h"
#include "privacy/packed_vector.h"
#include "privacy/transcript.h"

namespace hilum::aggregator {
namespace {

// Every vector with its root and signature, added up.
absl::StatusOr<privacy::MaskedTotal> Sum(Objects& objects, const Pair& pair,
                                         const RoundRecord& record, const Recipe& recipe,
                                         const ReplayInputs& inputs, const Compute& compute,
                                         ReplayResult& result) {
  HILUM_ASSIGN_OR_RETURN(const privacy::Transcript transcript,
                         privacy::DecodeTranscript(record.transcript));
  HILUM_RETURN_IF_ERROR(CheckTranscriptHash(pair, record, recipe, transcript));
  HILUM_RETURN_IF_ERROR(privacy::VerifyOpenTranscript(transcript, recipe.config, record.attempt));
  Accumulator sum(nullptr,
                  {.n_coords = recipe.config.n_coords(),
                   .chunk_coords = recipe.config.chunk_coords,
                   .ring_bits = recipe.config.ring_bits,
                   .max_weight = recipe.config.max_weight},
                  compute);
  result.device = kernels::ToString(sum.devices());
  result.n_read = 0;
  for (const CountedUpdate& update : record.updates) {
    const std::string what = absl::StrCat("update of ", recipe.roster[update.site_index].site.name);
    Tell(inputs, what, result.n_read++, record.updates.size());
    HILUM_ASSIGN_OR_RETURN(
        const Bytes vector,
        objects.Get(what, update.object, privacy::LayoutOf(recipe.config).size_bytes()));
    const absl::Status added = sum.AddVector(vector, update.root);
    if (!added.ok()) return Differs(pair.close, absl::StrCat(what, ": ", added.message()));
  }
  sum.Close();
  absl::StatusOr<privacy::MaskedTotal> total = std::move(sum).Total();
  if (!absl::IsUnavailable(total.status()) || compute.make_queues == nullptr) return total;
  return Sum(objects, pair, record, recipe, inputs, Compute{}, result);  // the GPU failed
}

absl::Status ReplayOpenRound(Objects& objects, const ReplayInputs& inputs, const Pair& pair,
                             ReplayResult& result) {
  HILUM_ASSIGN_OR_RETURN(const RoundRecord record, GetRecord(objects, pair, inputs.close.study));
  HILUM_ASSIGN_OR_RETURN(const Recipe recipe, GetRecipe(objects, inputs, pair, record));
  HILUM_RETURN_IF_ERROR(
      CompareDigests(pair.close, "H(cfg)", record.config, pair.close.secagg->cfg));
  HILUM_RETURN_IF_ERROR(CheckCounted(objects, pair, record, recipe));
  HILUM_RETURN_IF_ERROR(CheckServerSignature(inputs, pair, record, recipe));
  HILUM_ASSIGN_OR_RETURN(privacy::MaskedTotal total,
                         Sum(objects, pair, record, recipe, inputs, inputs.compute, result));
  HILUM_ASSIGN_OR_RETURN(proto::SafetensorsFile base, GetBase(objects, pair, recipe.plan.spec));
  HILUM_ASSIGN_OR_RETURN(Bytes moments, GetMoments(objects, inputs, pair, record, recipe));
  HILUM_ASSIGN_OR_RETURN(const RoundOutcome outcome,
                         ComputeOutcome({.config = recipe.config,
                                         .attempt = record.attempt,
                                         .counted = record.updates,
                                         .read =
                                             [&](const CountedUpdate& update) {
                                               return objects.Get(
                                                   "update", update.object,
                                                   privacy::LayoutOf(recipe.config).size_bytes());
                                             }},
                                        std::move(total), std::move(base),
                                        {.strategy = recipe.plan.strategy,
                                         .job = {record.job},
                                         .round = {record.round},
                                         .origin = inputs.origin,
                                         .state = std::move(moments)}));
  HILUM_RETURN_IF_ERROR(CompareOutcome(pair, record, recipe.plan, outcome));
  HILUM_RETURN_IF_ERROR(CheckDpOfClose(pair.close, inputs.earlier, recipe.plan, recipe.config));
  // The stored file too: what an export hands on is what was computed.
  HILUM_RETURN_IF_ERROR(objects.Get("model", pair.close.model, kModelLimitBytes));
  result.model = outcome.model.sha256();
  result.n_updates = static_cast<uint32_t>(record.updates.size());
  result.total_weight = FilmsOf(recipe.config, outcome);
  result.mean_loss = outcome.mean_loss;
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ReplayResult> Replay(const ReplayInputs& inputs) {
  HILUM_ASSIGN_OR_RETURN(const Pair pair, CheckPair(inputs.open, inputs.close));
  HILUM_RETURN_IF_ERROR(ledger_anchor::CheckCloseOfOpen(pair.close, pair.open, inputs.open_leaf));
  HILUM_RETURN_IF_ERROR(CheckDpOfJob(pair.close, inputs.earlier));
  ReplayResult result{.job = inputs.close.study,
                      .round = pair.close.round,
                      .status = pair.close.status,
                      .model = pair.close.base_model};
  if (pair.close.status == "aborted") {
    HILUM_RETURN_IF_ERROR(CompareDigests(pair.close, "the model of an aborted round",
                                         pair.close.base_model, pair.close.model));
    return result;
  }
  if (!pair.close.secagg.has_value()) return Differs(pair.close, "the close has no evidence");
  Objects objects(inputs.fetch);
  const bool masked = pair.close.secagg->suite != static_cast<uint64_t>(privacy::Suite::kNone);
  if (!masked && inputs.depth == ReplayDepth::kTags) {
    return absl::InvalidArgumentError(
        absl::StrCat("round ", pair.close.round,
                     " is open, without masks: its updates have no tags; audit it without --tags"));
  }
  HILUM_RETURN_IF_ERROR(masked ? ReplayMaskedRound(objects, inputs, pair, result)
                               : ReplayOpenRound(objects, inputs, pair, result));
  result.read_bytes = objects.read_bytes();
  return result;
}

absl::StatusOr<std::vector<Digest>> ObjectsOfRound(
    const FetchObject& fetch, const ledger_anchor::Entry& open_entry,
    const ledger_anchor::Entry& close_entry, const std::optional<ledger_anchor::Entry>& before) {
  HILUM_ASSIGN_OR_RETURN(const Pair pair, CheckPair(open_entry, close_entry));
  std::vector<Digest> digests;
  for (const auto* list : {&pair.open.cohort, &pair.close.cohort, &pair.close.dropped}) {
    if (list->annex.has_value()) digests.push_back(*list->annex);
  }
  digests.push_back(pair.close.base_model);
  if (pair.close.secagg.has_value()) {
    Objects objects(fetch);
    HILUM_ASSIGN_OR_RETURN(const RoundRecord record, GetRecord(objects, pair, close_entry.study));
    digests.insert(digests.end(), {pair.close.secagg->evidence, record.config_object, record.plan,
                                   pair.close.model});
    for (const CountedUpdate& update : record.updates) digests.push_back(update.object);
    if (record.masked.has_value()) digests.push_back(record.masked->sum_object);
    if (record.optimiser.has_value()) {
      digests.push_back(record.optimiser->after);
      if (record.optimiser->before != Digest{}) digests.push_back(record.optimiser->before);
      const auto* earlier = before.has_value() ? std::get_if<RoundClose>(&before->body) : nullptr;
      if (earlier != nullptr && earlier->secagg.has_value()) {
        digests.push_back(earlier->secagg->evidence);
      }
    }
  }
  std::sort(digests.begin(), digests.end());
  digests.erase(std::unique(digests.begin(), digests.end()), digests.end());
  return digests;
}

}  // namespace hilum::aggregator

#include "aggregator/replay_parts.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "crypto/labels.h"
#include "ledger_anchor/updates.h"
#include "privacy/transcript.h"

namespace hilum::aggregator {
namespace {

constexpr uint64_t kConfigLimitBytes = 1 << 20;

}  // namespace

absl::StatusOr<Bytes> Objects::Get(absl::string_view what, const Digest& digest,
                                   uint64_t limit_bytes) {
  absl::StatusOr<Bytes> bytes = fetch_(digest, limit_bytes);
  if (!bytes.ok()) {
    return absl::Status(bytes.status().code(), absl::StrCat(what, ": ", bytes.status().message()));
  }
  if (crypto::Sha256(*bytes) != digest) {
    return absl::DataLossError(
        absl::StrCat(what, ": the object ", ToHex(digest), " hashes otherwise"));
  }
  read_bytes_ += bytes->size();
  return bytes;
}

absl::StatusOr<std::vector<std::string>> Objects::Names(absl::string_view what,
                                                        const ledger_anchor::NameList& list) {
  if (!list.annex.has_value()) return list.items;
  HILUM_ASSIGN_OR_RETURN(const Bytes text, Get(what, *list.annex, ledger_anchor::kAnnexLimitBytes));
  absl::StatusOr<std::vector<std::string>> names = ledger_anchor::NamesOf(list, AsText(text));
  if (names.ok()) return names;
  return absl::DataLossError(absl::StrCat(what, ": ", names.status().message()));
}

// "round 3 of job cxr-1: <what> differs": the sentence of every failure.
absl::Status Differs(const RoundClose& close, absl::string_view what) {
  return absl::DataLossError(absl::StrCat("round ", close.round, ": ", what));
}

absl::Status CompareDigests(const RoundClose& close, absl::string_view what, const Digest& computed,
                            const Digest& recorded) {
  if (computed == recorded) return absl::OkStatus();
  return Differs(close, absl::StrCat(what, " is ", ToHex(computed), " when computed again, ",
                                     ToHex(recorded), " on record"));
}

void Tell(const ReplayInputs& inputs, absl::string_view what, uint64_t n_done, uint64_t n_total) {
  if (inputs.progress) inputs.progress(what, n_done, n_total);
}

absl::StatusOr<Pair> CheckPair(const ledger_anchor::Entry& open_entry,
                               const ledger_anchor::Entry& close_entry) {
  const auto* open = std::get_if<RoundOpen>(&open_entry.body);
  const auto* close = std::get_if<RoundClose>(&close_entry.body);
  if (open == nullptr || close == nullptr || open_entry.study != close_entry.study) {
    return absl::InvalidArgumentError(
        "replay needs a round-open and the round-close of the same study");
  }
  return Pair{.open = *open, .close = *close};
}

absl::StatusOr<RoundRecord> GetRecord(Objects& objects, const Pair& pair, absl::string_view study) {
  HILUM_ASSIGN_OR_RETURN(const Bytes text, objects.Get("round record", pair.close.secagg->evidence,
                                                       kRecordLimitBytes));
  HILUM_ASSIGN_OR_RETURN(RoundRecord record, ParseRoundRecord(AsText(text)));
  if (record.job != study || record.round != pair.close.round) {
    return Differs(pair.close, "the round record is of another job or round");
  }
  HILUM_RETURN_IF_ERROR(
      CompareDigests(pair.close, "base model", record.base_model, pair.close.base_model));
  HILUM_RETURN_IF_ERROR(CompareDigests(pair.close, "model", record.model, pair.close.model));
  return record;
}

// The roster of the round-open with the keys that the ledger has.
absl::StatusOr<std::vector<RosterSite>> GetRoster(Objects& objects, const ReplayInputs& inputs,
                                                  const RoundOpen& open) {
  HILUM_ASSIGN_OR_RETURN(const std::vector<std::string> names,
                         objects.Names("cohort", open.cohort));
  std::vector<RosterSite> roster;
  for (const std::string& name : names) {
    const ledger_anchor::Member* member = inputs.members->Find(name);
    if (member == nullptr) {
      return absl::DataLossError(
          absl::StrCat("round ", open.round, ": site ", name, " is not a member"));
    }
    roster.push_back(
        {.site = {name},
         .entry_key = inputs.open_index ? member->KeyAt(*inputs.open_index) : member->entry_key});
  }
  return roster;
}

// cfg as stored is exactly what plan, roster and ledger make of it.
absl::StatusOr<Recipe> GetRecipe(Objects& objects, const ReplayInputs& inputs, const Pair& pair,
                                 const RoundRecord& record) {
  Recipe recipe;
  HILUM_ASSIGN_OR_RETURN(recipe.roster, GetRoster(objects, inputs, pair.open));
  HILUM_ASSIGN_OR_RETURN(const Bytes config_bytes,
                         objects.Get("configuration", record.config_object, kConfigLimitBytes));
  HILUM_ASSIGN_OR_RETURN(recipe.config, privacy::DecodeRoundConfig(config_bytes));
  HILUM_RETURN_IF_ERROR(
      CompareDigests(pair.close, "H(cfg)", privacy::HashConfig(recipe.config), pair.open.cfg));
  HILUM_ASSIGN_OR_RETURN(const Bytes plan_bytes, objects.Get("round plan", recipe.config.plan,
                                                             proto::kRoundPlanLimitBytes));
  HILUM_ASSIGN_OR_RETURN(recipe.plan, proto::ParseRoundPlan(AsText(plan_bytes)));
  HILUM_ASSIGN_OR_RETURN(
      const privacy::RoundConfig expected,
      MakeRoundConfig({.plan = recipe.plan,
                       .plan_bytes = AsText(plan_bytes),
                       .round = {pair.open.round},
                       .base_model = pair.open.base_model,
                       .roster = recipe.roster,
                       .federation_id = privacy::FederationId(inputs.origin, inputs.log_vkey),
                       .ledger_head = recipe.config.ledger_head,
                       .optimiser_state = recipe.config.optimiser_state,
                       .audit_days = recipe.config.audit_days,
                       .epsilon_before = recipe.config.epsilon_before}));
  if (privacy::EncodeRoundConfig(expected) != config_bytes || record.job != recipe.plan.job) {
    return Differs(pair.close,
                   "the configuration is not what its plan, roster and federation make");
  }
  return recipe;
}

// Cohort and dropped lists of the close against the record, and updates.root.
absl::Status CheckCounted(Objects& objects, const Pair& pair, const RoundRecord& record,
                          const Recipe& recipe) {
  HILUM_ASSIGN_OR_RETURN(const std::vector<std::string> cohort,
                         objects.Names("counted cohort", pair.close.cohort));
  HILUM_ASSIGN_OR_RETURN(const std::vector<std::string> dropped,
                         objects.Names("dropped sites", pair.close.dropped));
  std::vector<std::string> counted_names;
  std::vector<std::string> dropped_names;
  std::vector<ledger_anchor::UpdateLeaf> leaves;
  const size_t n_sites = recipe.roster.size();
  for (const CountedUpdate& update : record.updates) {
    if (update.site_index >= n_sites) return Differs(pair.close, "an update is of no site");
    counted_names.push_back(recipe.roster[update.site_index].site.name);
    leaves.push_back(
        {.site_index = update.site_index, .root = update.root, .signature = update.signature});
  }
  for (const uint16_t index : record.dropped) {
    if (index >= n_sites) return Differs(pair.close, "a dropped site is of no index");
    dropped_names.push_back(recipe.roster[index].site.name);
  }
  std::set<std::string> accounted(counted_names.begin(), counted_names.end());
  accounted.insert(dropped_names.begin(), dropped_names.end());
  if (counted_names.size() + dropped_names.size() != n_sites || accounted.size() != n_sites) {
    return Differs(pair.close, "the record does not account for each site of the roster once");
  }
  if (counted_names != cohort || dropped_names != dropped) {
    return Differs(pair.close, "the record counts other sites than the ledger's cohort");
  }
  HILUM_ASSIGN_OR_RETURN(const Digest root, ledger_anchor::UpdatesRoot(leaves));
  return CompareDigests(pair.close, "updates.root", root, pair.close.updates.root);
}

absl::Status CheckServerSignature(const ReplayInputs& inputs, const Pair& pair,
                                  const RoundRecord& record, const Recipe& recipe) {
  const ledger_anchor::Member* aggregator = inputs.members->Find(inputs.close.by);
  if (aggregator == nullptr) return Differs(pair.close, "its signer is not a member");
  const absl::Status status =
      crypto::VerifyLabelled(aggregator->entry_key,
                             {.label = crypto::kLabelTranscript,
                              .rid = privacy::RidOf(recipe.config, record.attempt),
                              .sender = crypto::kServerSender,
                              .cfg_hash = pair.open.cfg,
                              .message = record.transcript_hash},
                             record.transcript_signature);
  if (status.ok()) return status;
  return Differs(pair.close, "the transcript's signature is not the aggregator's");
}

absl::Status CheckTranscriptHash(const Pair& pair, const RoundRecord& record, const Recipe& recipe,
                                 const privacy::Transcript& transcript) {
  const Digest hash = privacy::HashTranscript(
      transcript, privacy::RidOf(recipe.config, record.attempt), pair.open.cfg);
  HILUM_RETURN_IF_ERROR(CompareDigests(pair.close, "H(T)", hash, record.transcript_hash));
  return CompareDigests(pair.close, "H(T)", hash, pair.close.secagg->transcript);
}

absl::StatusOr<Bytes> GetMoments(Objects& objects, const ReplayInputs& inputs, const Pair& pair,
                                 const RoundRecord& record, const Recipe& recipe) {
  if (proto::IsAdaptive(recipe.plan.strategy) != record.optimiser.has_value()) {
    return Differs(pair.close, "its record names an optimizer's state that its plan has not");
  }
  if (!record.optimiser.has_value()) {
    return recipe.config.optimiser_state == Digest{}
               ? absl::StatusOr<Bytes>(Bytes())
               : Differs(pair.close, "its configuration names an optimizer's state");
  }
  Digest left{};
  if (inputs.before.has_value()) {
    const auto* close = std::get_if<RoundClose>(&inputs.before->body);
    if (close == nullptr || !close->secagg.has_value()) {
      return Differs(pair.close, "the round before it has no result");
    }
    HILUM_ASSIGN_OR_RETURN(
        const Bytes text,
        objects.Get("record of the round before", close->secagg->evidence, kRecordLimitBytes));
    HILUM_ASSIGN_OR_RETURN(const RoundRecord earlier, ParseRoundRecord(AsText(text)));
    if (earlier.optimiser.has_value()) left = earlier.optimiser->after;
  }
  HILUM_RETURN_IF_ERROR(CompareDigests(pair.close, "the optimizer's state before the round", left,
                                       recipe.config.optimiser_state));
  HILUM_RETURN_IF_ERROR(CompareDigests(pair.close, "the optimizer's state in the record",
                                       recipe.config.optimiser_state, record.optimiser->before));
  if (left == Digest{}) return Bytes();
  return objects.Get("the optimizer's state", left, kModelLimitBytes);
}

absl::Status CompareOutcome(const Pair& pair, const RoundRecord& record,
                            const proto::RoundPlan& plan, const RoundOutcome& outcome) {
  const RoundClose& close = pair.close;
  HILUM_RETURN_IF_ERROR(
      CompareDigests(close, "root(S)", outcome.transcript.sum_root, record.sum_root));
  HILUM_RETURN_IF_ERROR(CompareDigests(close, "root(z)", outcome.ring_root, record.ring_root));
  if (privacy::EncodeTranscript(outcome.transcript) != record.transcript) {
    return Differs(close, "the transcript differs when it is made again");
  }
  HILUM_ASSIGN_OR_RETURN(const RuleIdentity rule, IdentifyRule(plan.strategy));
  if (rule.name != close.rule.name) return Differs(close, "the rule is not the plan's");
  HILUM_RETURN_IF_ERROR(
      CompareDigests(close, "the rule's parameters", rule.parameters, close.rule.params));
  if (record.optimiser.has_value()) {
    HILUM_RETURN_IF_ERROR(CompareDigests(close, "the optimizer's state after the round",
                                         outcome.model.state_sha256(), record.optimiser->after));
  }
  if (!(outcome.metrics == close.metrics)) return Differs(close, "the metrics differ");
  return CompareDigests(close, "the new model", outcome.model.sha256(), close.model);
}

uint64_t FilmsOf(const privacy::RoundConfig& config, const RoundOutcome& outcome) {
  return config.unit == privacy::PrivacyUnit::kNone ? outcome.total_weight : 0;
}

absl::StatusOr<proto::SafetensorsFile> GetBase(Objects& objects, const Pair& pair,
                                               const ModelSpec& spec) {
  HILUM_ASSIGN_OR_RETURN(const Bytes file,
                         objects.Get("base model", pair.close.base_model, kModelLimitBytes));
  return proto::ParseSafetensorsAs(file, spec);
}

}  // namespace hilum::aggregator

#include "aggregator/publish.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "aggregator/outcome.h"
#include "aggregator/seal.h"
#include "aggregator/spending.h"
#include "aggregator/strategy.h"
#include "base/status_macros.h"
#include "crypto/hash.h"
#include "crypto/labels.h"
#include "ledger_anchor/consent_tree.h"
#include "ledger_anchor/round_record.h"
#include "ledger_anchor/updates.h"
#include "privacy/packed_vector.h"
#include "privacy/transcript.h"
#include "proto/safetensors.h"

namespace hilum::aggregator {
namespace {

ledger_anchor::Entry NewEntry(const JobId& job, int64_t now_s, ledger_anchor::EntryBody body) {
  ledger_anchor::Entry entry;
  entry.by = std::string(kAggregatorName);
  entry.t = static_cast<uint64_t>(now_s);
  entry.study = job.name;
  entry.body = std::move(body);
  return entry;
}

absl::StatusOr<std::string> Sign(const Publisher& publisher, ledger_anchor::Entry entry) {
  return ledger_anchor::SignEntry(std::move(entry), publisher.origin, publisher.entry_key);
}

// A list of names; a long one goes into the store.
absl::StatusOr<ledger_anchor::NameList> ListNames(const Publisher& publisher,
                                                  const std::vector<std::string>& names) {
  std::string annex;
  HILUM_ASSIGN_OR_RETURN(ledger_anchor::NameList list, ledger_anchor::MakeNameList(names, &annex));
  if (!annex.empty()) HILUM_RETURN_IF_ERROR(publisher.store.Put(AsBytes(annex)));
  return list;
}

std::vector<std::string> NamesOf(const std::vector<RosterSite>& roster) {
  std::vector<std::string> names;
  for (const RosterSite& member : roster) names.push_back(member.site.name);
  return names;
}

absl::StatusOr<proto::RoundPlan> PlanOf(const Publisher& publisher,
                                        const privacy::RoundConfig& config) {
  HILUM_ASSIGN_OR_RETURN(const Bytes bytes,
                         publisher.store.Get(config.plan, proto::kRoundPlanLimitBytes));
  return proto::ParseRoundPlan(AsText(bytes));
}

// The fields of a round-close that do not depend on how the round went.
absl::StatusOr<ledger_anchor::RoundClose> BeginClose(const Publisher& publisher,
                                                     const RoundRow& row,
                                                     const proto::RoundPlan& plan) {
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::Entry opened,
                         ledger_anchor::ParseEntry(row.open_entry));
  const auto& open = std::get<ledger_anchor::RoundOpen>(opened.body);
  HILUM_ASSIGN_OR_RETURN(const RuleIdentity rule, IdentifyRule(plan.strategy));
  ledger_anchor::RoundClose close;
  close.round = row.round.number;
  close.prev = open.prev;
  close.open = row.open_leaf;
  close.base_model = row.base_model;
  close.rule = {.name = rule.name, .params = rule.parameters};
  close.build = publisher.build;
  return close;
}

// Cohort, dropped and the root over the counted updates.
absl::Status FillCohort(const Publisher& publisher, const Closing& closing,
                        ledger_anchor::RoundClose& close) {
  std::vector<std::string> counted;
  std::vector<ledger_anchor::UpdateLeaf> leaves;
  for (const CountedUpdate& update : closing.counted) {
    counted.push_back(closing.roster[update.site_index].site.name);
    leaves.push_back(
        {.site_index = update.site_index, .root = update.root, .signature = update.signature});
  }
  std::vector<std::string> dropped;
  for (const auto& [index, reason] : closing.dropped) {
    dropped.push_back(closing.roster[index].site.name);
  }
  HILUM_ASSIGN_OR_RETURN(close.cohort, ListNames(publisher, counted));
  HILUM_ASSIGN_OR_RETURN(close.dropped, ListNames(publisher, dropped));
  HILUM_ASSIGN_OR_RETURN(close.updates.root, ledger_anchor::UpdatesRoot(leaves));
  close.updates.n = leaves.size();
  return absl::OkStatus();
}

absl::StatusOr<proto::SafetensorsFile> ReadModel(const Publisher& publisher, const Digest& sha256,
                                                 const ModelSpec& spec) {
  HILUM_ASSIGN_OR_RETURN(const Bytes file, publisher.store.Get(sha256, kModelLimitBytes));
  return proto::ParseSafetensorsAs(file, spec);
}

RoundRecord MakeRecord(const Publisher& publisher, const RoundRow& row,
                       const privacy::RoundConfig& config, const Closing& closing,
                       const RoundOutcome& outcome) {
  RoundRecord record{.job = row.job.name,
                     .round = row.round.number,
                     .attempt = row.attempt,
                     .config = closing.cfg_hash,
                     .config_object = crypto::Sha256(row.config),
                     .plan = config.plan,
                     .transcript = privacy::EncodeTranscript(outcome.transcript),
                     .transcript_hash = outcome.transcript_hash,
                     .transcript_signature = {},
                     .sum_root = outcome.transcript.sum_root,
                     .ring_root = outcome.ring_root,
                     .base_model = row.base_model,
                     .model = row.model,
                     .updates = closing.counted,
                     .dropped = {}};
  for (const auto& [index, reason] : closing.dropped) record.dropped.push_back(index);
  record.transcript_signature =
      crypto::SignLabelled(publisher.entry_key, {.label = crypto::kLabelTranscript,
                                                 .rid = privacy::RidOf(config, row.attempt),
                                                 .sender = crypto::kServerSender,
                                                 .cfg_hash = closing.cfg_hash,
                                                 .message = record.transcript_hash});
  return record;
}

}  // namespace

absl::StatusOr<Digest> StateAfter(const ledger_anchor::Store& store,
                                  const std::string& close_entry) {
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::Entry entry, ledger_anchor::ParseEntry(close_entry));
  const auto* close = std::get_if<ledger_anchor::RoundClose>(&entry.body);
  if (close == nullptr || !close->secagg.has_value()) return Digest{};
  HILUM_ASSIGN_OR_RETURN(const Bytes text, store.Get(close->secagg->evidence, kRecordLimitBytes));
  HILUM_ASSIGN_OR_RETURN(const RoundRecord record, ParseRoundRecord(AsText(text)));
  return record.optimiser.has_value() ? record.optimiser->after : Digest{};
}

std::optional<ledger_anchor::ConsentPin> PinConsents(const ledger_anchor::StudyState& study,
                                                     const ledger_anchor::Checkpoint& head,
                                                     const std::vector<RosterSite>& roster) {
  if (roster.size() > ledger_anchor::kListLimit) return std::nullopt;
  ledger_anchor::ConsentPin pin{.size = head.size, .root = head.root, .sites = {}};
  for (const RosterSite& member : roster) {
    ledger_anchor::PinnedRoot one{.site = member.site.name,
                                  .active_root = ledger_anchor::EmptyActiveRoot(),
                                  .batch = std::nullopt};
    if (const auto newest = study.batches.find(one.site); newest != study.batches.end()) {
      one.active_root = newest->second.active_root;
      one.batch = newest->second.place.leaf_hash;
    }
    pin.sites.items.push_back(std::move(one));
  }
  pin.sites.n = pin.sites.items.size();
  return pin;
}

absl::StatusOr<RoundRow> PrepareOpening(const Publisher& publisher, const OpeningInputs& inputs) {
  HILUM_ASSIGN_OR_RETURN(const privacy::Accountant spent,
                         SpentBefore(inputs.plan, publisher.rounds, inputs.round));
  HILUM_ASSIGN_OR_RETURN(
      const privacy::RoundConfig config,
      MakeRoundConfig({.plan = inputs.plan,
                       .plan_bytes = inputs.plan_bytes,
                       .round = inputs.round,
                       .base_model = inputs.base_model,
                       .roster = inputs.roster,
                       .federation_id = publisher.federation_id,
                       .ledger_head = inputs.ledger_head,
                       .optimiser_state = inputs.optimiser_state,
                       .audit_days = inputs.audit_days,
                       .epsilon_before = spent.n_releases() == 0
                                             ? 0.0
                                             : spent.Epsilon(inputs.plan.privacy.delta)}));
  RoundRow row;
  row.job = {inputs.plan.job};
  row.round = inputs.round;
  row.config = privacy::EncodeRoundConfig(config);
  row.roster = inputs.roster;
  row.base_model = inputs.base_model;
  row.opened_s = inputs.now_s;
  HILUM_RETURN_IF_ERROR(publisher.store.Put(row.config));
  HILUM_RETURN_IF_ERROR(publisher.store.Put(AsBytes(inputs.plan_bytes)));
  ledger_anchor::RoundOpen open{
      .round = inputs.round.number,
      .prev = inputs.previous,
      .base_model = inputs.base_model,
      .cfg = privacy::HashConfig(config),
      .build = publisher.build,
      .cohort = {},
      .deadline = static_cast<uint64_t>(inputs.now_s + inputs.plan.cohort.deadline_s),
      .consent = inputs.consent};
  HILUM_ASSIGN_OR_RETURN(open.cohort, ListNames(publisher, NamesOf(inputs.roster)));
  HILUM_ASSIGN_OR_RETURN(row.open_entry,
                         Sign(publisher, NewEntry(row.job, inputs.now_s, std::move(open))));
  return row;
}

namespace {

// What a close starts from.
struct CloseBasis {
  privacy::RoundConfig config;
  proto::RoundPlan plan;
};

absl::StatusOr<CloseBasis> BasisOf(const Publisher& publisher, const RoundRow& row) {
  CloseBasis basis;
  HILUM_ASSIGN_OR_RETURN(basis.config, privacy::DecodeRoundConfig(row.config));
  HILUM_ASSIGN_OR_RETURN(basis.plan, PlanOf(publisher, basis.config));
  return basis;
}

absl::StatusOr<StepContext> StepOf(const Publisher& publisher, const RoundRow& row,
                                   const CloseBasis& basis) {
  StepContext step{.strategy = basis.plan.strategy,
                   .job = row.job,
                   .round = row.round,
                   .origin = publisher.origin};
  if (basis.config.optimiser_state != Digest{}) {
    HILUM_ASSIGN_OR_RETURN(step.state,
                           publisher.store.Get(basis.config.optimiser_state, kModelLimitBytes));
  }
  return step;
}

// Model, record and round-close of a round that has a result.
absl::StatusOr<RoundRow> Publish(const Publisher& publisher, RoundRow row, const CloseBasis& basis,
                                 const Closing& closing, const RoundOutcome& outcome,
                                 std::optional<MaskedEvidence> masked, int64_t now_s) {
  HILUM_ASSIGN_OR_RETURN(row.model, publisher.store.Put(outcome.model.file()));
  RoundRecord made = MakeRecord(publisher, row, basis.config, closing, outcome);
  if (!outcome.model.state().empty()) {
    HILUM_ASSIGN_OR_RETURN(const Digest after, publisher.store.Put(outcome.model.state()));
    made.optimiser = OptimiserState{.before = basis.config.optimiser_state, .after = after};
  }
  made.masked = std::move(masked);
  HILUM_ASSIGN_OR_RETURN(const std::string record, EncodeRoundRecord(made));
  HILUM_ASSIGN_OR_RETURN(const Digest evidence, publisher.store.Put(AsBytes(record)));
  HILUM_ASSIGN_OR_RETURN(ledger_anchor::RoundClose close, BeginClose(publisher, row, basis.plan));
  close.status = "ok";
  close.model = row.model;
  if (publisher.sealed != nullptr) {
    HILUM_ASSIGN_OR_RETURN(close.object,
                           Seal(*publisher.sealed, publisher.recipients, outcome.model.file()));
  }
  HILUM_RETURN_IF_ERROR(FillCohort(publisher, closing, close));
  close.secagg = {.suite = static_cast<uint64_t>(basis.config.suite),
                  .cfg = closing.cfg_hash,
                  .transcript = outcome.transcript_hash,
                  .evidence = evidence};
  close.metrics = outcome.metrics;
  HILUM_ASSIGN_OR_RETURN(close.dp, DpOfClose(basis.plan, publisher.rounds, row));
  HILUM_ASSIGN_OR_RETURN(row.close_entry,
                         Sign(publisher, NewEntry(row.job, now_s, std::move(close))));
  row.status = "ok";
  for (const auto& [index, reason] : closing.dropped) {
    row.dropped.push_back(closing.roster[index].site.name);
  }
  row.closed_s = now_s;
  // With differential privacy weights say nothing about films.
  const bool is_private = basis.config.unit != privacy::PrivacyUnit::kNone;
  row.total_weight = is_private ? 0 : outcome.total_weight;
  row.mean_loss = outcome.mean_loss;
  return row;
}

}  // namespace

absl::StatusOr<RoundRow> PrepareClose(const Publisher& publisher, RoundRow row,
                                      const Closing& closing, privacy::MaskedTotal total,
                                      int64_t now_s) {
  HILUM_ASSIGN_OR_RETURN(const CloseBasis basis, BasisOf(publisher, row));
  HILUM_ASSIGN_OR_RETURN(proto::SafetensorsFile base,
                         ReadModel(publisher, row.base_model, basis.plan.spec));
  HILUM_ASSIGN_OR_RETURN(const StepContext step, StepOf(publisher, row, basis));
  const uint64_t n_bytes = privacy::LayoutOf(basis.config).size_bytes();
  HILUM_ASSIGN_OR_RETURN(const RoundOutcome outcome,
                         ComputeOutcome({.config = basis.config,
                                         .attempt = row.attempt,
                                         .counted = closing.counted,
                                         .read =
                                             [&](const CountedUpdate& update) {
                                               return publisher.store.Get(update.object, n_bytes);
                                             }},
                                        std::move(total), std::move(base), step));
  return Publish(publisher, std::move(row), basis, closing, outcome, std::nullopt, now_s);
}

absl::StatusOr<RoundRow> PrepareMaskedClose(const Publisher& publisher, RoundRow row,
                                            const Closing& closing, const AttemptEvidence& evidence,
                                            privacy::secagg::OpenedRound opened,
                                            const Digest& sum_object, int64_t now_s) {
  HILUM_ASSIGN_OR_RETURN(const CloseBasis basis, BasisOf(publisher, row));
  HILUM_ASSIGN_OR_RETURN(proto::SafetensorsFile base,
                         ReadModel(publisher, row.base_model, basis.plan.spec));
  HILUM_ASSIGN_OR_RETURN(const StepContext step, StepOf(publisher, row, basis));
  HILUM_ASSIGN_OR_RETURN(
      const RoundOutcome outcome,
      OutcomeOfRing(
          {.config = basis.config, .attempt = row.attempt, .transcript = opened.transcript},
          std::move(opened.total), std::move(base), step));
  MaskedEvidence masked{.key_list = evidence.key_list,
                        .u1 = evidence.u1,
                        .u2 = evidence.u2,
                        .complaints = evidence.complaints,
                        .votes = evidence.votes,
                        .opening = Encode(opened.opening),
                        .sum_object = sum_object};
  return Publish(publisher, std::move(row), basis, closing, outcome, std::move(masked), now_s);
}

absl::StatusOr<RoundRow> PrepareAbort(const Publisher& publisher, RoundRow row,
                                      const std::string& reason, int64_t now_s) {
  HILUM_ASSIGN_OR_RETURN(const privacy::RoundConfig config, privacy::DecodeRoundConfig(row.config));
  HILUM_ASSIGN_OR_RETURN(const proto::RoundPlan plan, PlanOf(publisher, config));
  HILUM_ASSIGN_OR_RETURN(ledger_anchor::RoundClose close, BeginClose(publisher, row, plan));
  close.status = "aborted";
  close.model = row.base_model;
  HILUM_ASSIGN_OR_RETURN(close.dp, DpOfClose(plan, publisher.rounds, row));
  HILUM_ASSIGN_OR_RETURN(close.updates.root, ledger_anchor::UpdatesRoot({}));
  HILUM_ASSIGN_OR_RETURN(close.dropped, ListNames(publisher, NamesOf(row.roster)));
  HILUM_ASSIGN_OR_RETURN(row.close_entry,
                         Sign(publisher, NewEntry(row.job, now_s, std::move(close))));
  row.status = "aborted";
  row.dropped = NamesOf(row.roster);
  row.reason = reason;
  row.model = row.base_model;
  row.closed_s = now_s;
  return row;
}

}  // namespace hilum::aggregator

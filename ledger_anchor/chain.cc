#include "ledger_anchor/chain.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "ledger_anchor/consent_tree.h"

namespace hilum::ledger_anchor {
namespace {

absl::Status Broken(const Entry& entry, absl::string_view why) {
  return absl::DataLossError(
      absl::StrCat("study ", entry.study, ": the ", EntryType(entry), " ", why));
}

absl::Status CheckLink(absl::string_view what, const Digest& named, const Digest& real) {
  if (named == real) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("names ", what, " ", ToHex(named), ", it is ", ToHex(real)));
}

// The close's cohort and dropped sites together are the open's cohort. Lists in an annex are
// compared by their lengths; who has the store compares the rest.
absl::Status CheckCohorts(const RoundClose& close, const RoundOpen& open) {
  if (close.cohort.n + close.dropped.n != open.cohort.n) {
    return absl::DataLossError(absl::StrCat("accounts for ", close.cohort.n, " + ", close.dropped.n,
                                            " sites of a cohort of ", open.cohort.n));
  }
  if (open.cohort.annex || close.cohort.annex || close.dropped.annex) return absl::OkStatus();
  std::vector<std::string> accounted = close.cohort.items;
  accounted.insert(accounted.end(), close.dropped.items.begin(), close.dropped.items.end());
  std::vector<std::string> cohort = open.cohort.items;
  std::sort(accounted.begin(), accounted.end());
  std::sort(cohort.begin(), cohort.end());
  if (accounted == cohort) return absl::OkStatus();
  return absl::DataLossError("accounts for other sites than the round-open's cohort");
}

absl::Status CheckRoundNumber(uint64_t named, uint64_t expected) {
  if (named == expected) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("is of round ", named, ", the next is ", expected));
}

// What holds for an open after the study's state.
absl::Status CheckOpenAfterState(const RoundOpen& open, const StudyState& study) {
  HILUM_RETURN_IF_ERROR(CheckRoundNumber(open.round, study.round + 1));
  HILUM_RETURN_IF_ERROR(CheckLink("prev", open.prev, study.prev));
  if (!study.model) return absl::OkStatus();
  return CheckLink("base_model", open.base_model, *study.model);
}

// What a pin says of one site is what the site's own newest batch says.
absl::Status CheckPinned(const PinnedRoot& one, const ConsentPin& pin, const StudyState& study) {
  const auto newest = study.batches.find(one.site);
  if (newest == study.batches.end()) {
    if (!one.batch && one.active_root == EmptyActiveRoot()) return absl::OkStatus();
    return absl::DataLossError(
        absl::StrCat("pins an active set of ", one.site, ", which has logged no consent-batch"));
  }
  const LoggedBatch& batch = newest->second;
  if (one.batch != batch.place.leaf_hash || one.active_root != batch.active_root) {
    return absl::DataLossError(absl::StrCat("does not pin the newest consent-batch of ", one.site,
                                            ", which is entry ", batch.place.index));
  }
  if (batch.place.index < pin.size) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(
      "pins a checkpoint of ", pin.size, " entries, which ends before the newest consent-batch of ",
      one.site, " at entry ", batch.place.index));
}

absl::Status CheckPin(const ConsentPin& pin, const StudyState& study) {
  if (pin.size < study.pinned_size) {
    return absl::DataLossError(absl::StrCat("pins a checkpoint of ", pin.size,
                                            " entries, an earlier round pinned ", study.pinned_size,
                                            ": revocations would be undone"));
  }
  for (const PinnedRoot& one : pin.sites.items) {
    HILUM_RETURN_IF_ERROR(CheckPinned(one, pin, study));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckCloseOfOpen(const RoundClose& close, const RoundOpen& open,
                              const Digest& open_leaf) {
  HILUM_RETURN_IF_ERROR(CheckRoundNumber(close.round, open.round));
  HILUM_RETURN_IF_ERROR(CheckLink("open", close.open, open_leaf));
  HILUM_RETURN_IF_ERROR(CheckLink("prev", close.prev, open.prev));
  HILUM_RETURN_IF_ERROR(CheckLink("base_model", close.base_model, open.base_model));
  if (close.secagg) HILUM_RETURN_IF_ERROR(CheckLink("cfg", close.secagg->cfg, open.cfg));
  return CheckCohorts(close, open);
}

absl::Status CheckOpenAfterClose(const RoundOpen& open, const RoundClose& previous,
                                 const Digest& previous_leaf) {
  StudyState study;
  study.round = previous.round;
  study.prev = previous_leaf;
  study.model = previous.model;
  return CheckOpenAfterState(open, study);
}

absl::Status Chain::CheckOpen(const Entry& entry, const RoundOpen& open) const {
  const StudyState& study = Find(entry.study);
  if (study.open) {
    return Broken(entry, absl::StrCat("opens round ", open.round, " while round ",
                                      study.open->open.round, " is open"));
  }
  absl::Status status = CheckOpenAfterState(open, study);
  if (status.ok() && open.consent) status = CheckPin(*open.consent, study);
  return status.ok() ? status : Broken(entry, status.message());
}

absl::Status Chain::CheckClose(const Entry& entry, const RoundClose& close) const {
  const StudyState& study = Find(entry.study);
  if (!study.open) {
    return Broken(entry, absl::StrCat("closes round ", close.round, ", which is not open"));
  }
  const absl::Status status =
      CheckCloseOfOpen(close, study.open->open, study.open->place.leaf_hash);
  return status.ok() ? status : Broken(entry, status.message());
}

absl::Status Chain::CheckRelease(const Entry& entry, const ModelRelease& release) const {
  const auto closed = closed_.find(release.close);
  if (closed == closed_.end() || closed->second.index != release.close_index ||
      closed->second.study != entry.study) {
    return Broken(entry, absl::StrCat("names entry ", release.close_index,
                                      ", which is not that round-close of this study"));
  }
  if (closed->second.ok) return absl::OkStatus();
  return Broken(
      entry, absl::StrCat("releases the model of an aborted round at entry ", release.close_index));
}

absl::Status Chain::CheckManifest(const Entry& entry, const TrainManifest& manifest) const {
  const std::optional<OpenRound>& round = Find(entry.study).open;
  if (!round || round->open.round != manifest.round) {
    return Broken(entry, absl::StrCat("is of round ", manifest.round, ", which is not open"));
  }
  const absl::Status link = CheckLink("open", manifest.open, round->place.leaf_hash);
  if (!link.ok()) return Broken(entry, link.message());
  const std::vector<std::string>& cohort = round->open.cohort.items;
  if (!round->open.cohort.annex &&
      std::find(cohort.begin(), cohort.end(), manifest.site) == cohort.end()) {
    return Broken(entry, absl::StrCat("is of ", manifest.site, ", which is not of the cohort"));
  }
  if (round->manifests.count(manifest.site) > 0) {
    return Broken(entry,
                  absl::StrCat("is a second one of ", manifest.site, " in round ", manifest.round));
  }
  if (!round->open.consent) return absl::OkStatus();
  for (const PinnedRoot& pinned : round->open.consent->sites.items) {
    if (pinned.site != manifest.site || pinned.active_root == manifest.active_root) continue;
    return Broken(entry, absl::StrCat("has the active set ", ToHex(manifest.active_root),
                                      ", the round-open pins for ", manifest.site, " ",
                                      ToHex(pinned.active_root)));
  }
  return absl::OkStatus();
}

absl::Status Chain::CheckBatch(const Entry& entry, const ConsentBatch& batch) const {
  const auto known = batches_.find(batch.root);
  if (known == batches_.end()) return absl::OkStatus();
  return Broken(entry, absl::StrCat("repeats the root of the batch at entry ", known->second));
}

absl::Status Chain::CheckEvaluation(const Entry& entry, const Evaluation& evaluation) const {
  const StudyState& study = Find(entry.study);
  const auto model = study.models.find(evaluation.round);
  if (model == study.models.end()) {
    return Broken(entry, absl::StrCat("is of round ", evaluation.round,
                                      ", which has not closed with a model"));
  }
  const absl::Status link = CheckLink("model", evaluation.model, model->second);
  return link.ok() ? link : Broken(entry, link.message());
}

absl::Status Chain::Check(const Entry& entry) const {
  if (const auto* open = std::get_if<RoundOpen>(&entry.body)) return CheckOpen(entry, *open);
  if (const auto* close = std::get_if<RoundClose>(&entry.body)) return CheckClose(entry, *close);
  if (const auto* release = std::get_if<ModelRelease>(&entry.body)) {
    return CheckRelease(entry, *release);
  }
  if (const auto* manifest = std::get_if<TrainManifest>(&entry.body)) {
    return CheckManifest(entry, *manifest);
  }
  if (const auto* batch = std::get_if<ConsentBatch>(&entry.body)) return CheckBatch(entry, *batch);
  if (const auto* evaluation = std::get_if<Evaluation>(&entry.body)) {
    return CheckEvaluation(entry, *evaluation);
  }
  return absl::OkStatus();
}

void Chain::ApplyClose(const EntryPlace& place, const Entry& entry, const RoundClose& close) {
  StudyState& study = studies_[entry.study];
  study.round = close.round;
  study.prev = place.leaf_hash;
  study.model = close.model;
  study.open.reset();
  if (close.status == "ok") study.models[close.round] = close.model;
  closed_[place.leaf_hash] = {place.index, entry.study, close.status == "ok"};
}

void Chain::Apply(const EntryPlace& place, const Entry& entry) {
  if (std::holds_alternative<Genesis>(entry.body)) fresh_.prev = place.leaf_hash;
  if (const auto* open = std::get_if<RoundOpen>(&entry.body)) {
    StudyState& study = studies_.try_emplace(entry.study, fresh_).first->second;
    study.open = OpenRound{place, *open};
    study.pinned_size = study.open->consent_size();
  } else if (const auto* close = std::get_if<RoundClose>(&entry.body)) {
    ApplyClose(place, entry, *close);
  } else if (const auto* manifest = std::get_if<TrainManifest>(&entry.body)) {
    studies_[entry.study].open->manifests.insert(manifest->site);
  } else if (const auto* batch = std::get_if<ConsentBatch>(&entry.body)) {
    batches_[batch->root] = place.index;
    StudyState& study = studies_.try_emplace(entry.study, fresh_).first->second;
    study.batches[batch->site] = {place, batch->active_root};
  }
}

const StudyState& Chain::Find(absl::string_view study) const {
  const auto found = studies_.find(std::string(study));
  return found == studies_.end() ? fresh_ : found->second;
}

}  // namespace hilum::ledger_anchor

#include "ledger_anchor/chain.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

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
  const absl::Status status = CheckOpenAfterState(open, study);
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

absl::Status Chain::Check(const Entry& entry) const {
  if (const auto* open = std::get_if<RoundOpen>(&entry.body)) return CheckOpen(entry, *open);
  if (const auto* close = std::get_if<RoundClose>(&entry.body)) return CheckClose(entry, *close);
  if (const auto* release = std::get_if<ModelRelease>(&entry.body)) {
    return CheckRelease(entry, *release);
  }
  return absl::OkStatus();
}

void Chain::Apply(const EntryPlace& place, const Entry& entry) {
  if (std::holds_alternative<Genesis>(entry.body)) fresh_.prev = place.leaf_hash;
  if (const auto* open = std::get_if<RoundOpen>(&entry.body)) {
    studies_.try_emplace(entry.study, fresh_).first->second.open = OpenRound{place, *open};
  } else if (const auto* close = std::get_if<RoundClose>(&entry.body)) {
    studies_[entry.study] = {.round = close->round,
                             .prev = place.leaf_hash,
                             .model = close->model,
                             .open = std::nullopt};
    closed_[place.leaf_hash] = {place.index, entry.study, close->status == "ok"};
  }
}

const StudyState& Chain::Find(absl::string_view study) const {
  const auto found = studies_.find(std::string(study));
  return found == studies_.end() ? fresh_ : found->second;
}

}  // namespace hilum::ledger_anchor

#include "client/round_receipts.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "client/ledger_gate.h"
#include "ledger_anchor/update_receipt.h"

namespace hilum::client {

absl::StatusOr<std::string> RoundReceipt(State& state, const std::string& job, uint64_t round) {
  HILUM_ASSIGN_OR_RETURN(const std::optional<CheckRecord> check, state.Check(job, round));
  if (!check.has_value()) {
    return absl::NotFoundError(absl::StrCat(
        "this site has not checked round ", round, " of job ", job,
        ": the agent (hilum site run) does so once a round that it took part in is over."));
  }
  if (!check->receipt.empty()) return check->receipt;
  return absl::NotFoundError(
      absl::StrCat("round ", round, " of job ", job, " did not count an update of this site (",
                   check->standing.empty() ? check->verified : check->standing, ")."));
}

absl::StatusOr<RoundReceiptView> VerifyRoundReceipt(const SiteFolder& folder,
                                                    const SiteOptions& options,
                                                    absl::string_view text, int64_t now_s) {
  HILUM_ASSIGN_OR_RETURN(const LedgerGate gate,
                         LedgerGate::Open(folder.ledger(), {.faults = options.faults}));
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::UpdateReceipt receipt,
                         ledger_anchor::ParseUpdateReceipt(text));
  HILUM_ASSIGN_OR_RETURN(
      const ledger_anchor::CheckedUpdateReceipt checked,
      ledger_anchor::CheckUpdateReceipt(receipt, gate.pins(), static_cast<uint64_t>(now_s)));
  return RoundReceiptView{.study = checked.study,
                          .round = checked.round,
                          .site = checked.site,
                          .root = ToHex(receipt.leaf.root),
                          .counted = checked.counted,
                          .model = ToHex(checked.model),
                          .index = checked.place.index,
                          .logged_s = static_cast<int64_t>(checked.logged_s),
                          .witnesses = checked.witnesses,
                          .quorum_none = checked.quorum_none};
}

}  // namespace hilum::client

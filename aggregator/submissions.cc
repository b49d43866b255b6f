#include "aggregator/submissions.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "crypto/tree.h"
#include "ledger_anchor/entry.h"
#include "ledger_anchor/tiles.h"

namespace hilum::aggregator {
namespace {

// What a site may submit. A site leaves by `hilum server remove`, which also ends its certificate.
constexpr std::array<absl::string_view, 5> kSiteTypes = {"consent-batch", "train-manifest",
                                                         "evaluation", "key-rotate", "incident"};

// How long an answer waits for the witnesses; the entry is durable before.
constexpr absl::Duration kProofWait = absl::Seconds(5);

absl::Status CheckSubmission(const SiteId& site, const std::string& text, int64_t now_s) {
  if (text.size() > ledger_anchor::kEntryLimitBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the entry has ", text.size(), " bytes, the limit is ", ledger_anchor::kEntryLimitBytes));
  }
  const absl::StatusOr<ledger_anchor::Entry> entry = ledger_anchor::ParseEntry(text);
  if (!entry.ok()) return absl::InvalidArgumentError(entry.status().message());
  const absl::string_view type = ledger_anchor::EntryType(*entry);
  if (std::find(kSiteTypes.begin(), kSiteTypes.end(), type) == kSiteTypes.end()) {
    return absl::InvalidArgumentError(
        absl::StrCat("a site submits no ", type, " entry, only ", absl::StrJoin(kSiteTypes, ", ")));
  }
  if (entry->by != site.name) {
    return absl::PermissionDeniedError(
        absl::StrCat("the entry is in the name of ", entry->by, ", the caller is ", site.name));
  }
  const int64_t t = static_cast<int64_t>(entry->t);  // canonical integers end at 2^53
  if (std::abs(t - now_s) <= kEntryClockDifferenceS) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the entry says ", FormatUtc(t),
                                                 ", the server's clock ", FormatUtc(now_s),
                                                 "; they may differ by one day"));
}

}  // namespace

absl::StatusOr<SubmittedEntry> SubmitEntry(Federation& federation, const SiteId& site,
                                           const std::string& text, int64_t now_s) {
  SubmittedEntry submitted;
  submitted.leaf_hash = crypto::LeafHash(AsBytes(text));
  // A retry may come late; what stands in the ledger was checked when it came first.
  submitted.repeated = federation.log->Find(submitted.leaf_hash).ok();
  if (!submitted.repeated) HILUM_RETURN_IF_ERROR(CheckSubmission(site, text, now_s));
  const absl::StatusOr<ledger_anchor::LogReceipt> receipt = federation.Append(text);
  if (absl::IsDataLoss(receipt.status())) {
    return absl::FailedPreconditionError(
        absl::StrCat("the ledger does not take the entry: ", receipt.status().message()));
  }
  HILUM_RETURN_IF_ERROR(receipt.status());
  submitted.index = receipt->index;
  absl::StatusOr<std::string> proof = federation.Prove(receipt->index, kProofWait);
  if (proof.ok()) {
    submitted.proof = *std::move(proof);
  } else if (!absl::IsUnavailable(proof.status())) {
    return proof.status();
  }
  return submitted;
}

absl::StatusOr<std::string> ProveRotation(const Federation& federation, absl::string_view member,
                                          uint64_t nth) {
  const ledger_anchor::Admission ledger = federation.log->State();
  const ledger_anchor::Member* found = ledger.members().Find(member);
  if (found != nullptr && nth >= 1 && nth <= found->past_keys.size()) {
    return federation.Prove(found->past_keys[nth - 1].rotate_index);
  }
  if (found != nullptr && found->next_key && nth == found->past_keys.size() + 1) {
    return federation.Prove(found->next_key->index);
  }
  return absl::NotFoundError(
      absl::StrCat("the ledger has no key-rotate ", nth, " of ", member.substr(0, 63)));
}

}  // namespace hilum::aggregator

#include "client/round_check.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "client/published_sum.h"
#include "ledger_anchor/chain.h"
#include "ledger_anchor/entry.h"
#include "ledger_anchor/round_record.h"
#include "ledger_anchor/update_receipt.h"
#include "privacy/round_config.h"

namespace hilum::client {
namespace {

using ledger_anchor::CountedUpdate;
using ledger_anchor::RoundClose;
using ledger_anchor::RoundOpen;

std::string HaltName(const std::string& job) { return absl::StrCat("halted/", job); }

// How much a record's `verified` says.
int RankOf(absl::string_view verified) {
  if (verified == "none" || verified == "proof") return 0;
  if (verified == "tags") return 1;
  if (verified == "sampled") return 2;
  return 3;  // full, sum; open, aborted, failed and accepted are final
}

class Examination {
 public:
  Examination(const RoundContext& context, CheckRecord& result)
      : context_(context), result_(result) {}

  absl::Status Run();
  // SHA-256 of the round record; zero: not known.
  Digest evidence() const { return close_.secagg ? close_.secagg->evidence : Digest{}; }

 private:
  template <class... Parts>
  absl::Status False(const Parts&... parts) const {
    return absl::DataLossError(
        absl::StrCat("round ", result_.round, " of job ", result_.job, ": ", parts...));
  }
  absl::StatusOr<ledger_anchor::ProvenEntry> Entry(const std::string& type, std::string& proof);
  absl::StatusOr<std::vector<std::string>> Names(const ledger_anchor::NameList& list) const;
  absl::Status ReadEntries();
  absl::Status ReadRecord();
  absl::Status CheckCounted();
  absl::Status CheckOwn();
  absl::Status MakeReceipt(size_t position);
  absl::Status SayLeftOut();

  const RoundContext& context_;
  CheckRecord& result_;
  std::string close_proof_;
  RoundOpen open_;
  RoundClose close_;
  std::vector<std::string> roster_;  // names, by index
  ledger_anchor::RoundRecord record_;
  std::vector<ledger_anchor::UpdateLeaf> leaves_;  // of the counted updates
};

absl::StatusOr<ledger_anchor::ProvenEntry> Examination::Entry(const std::string& type,
                                                              std::string& proof) {
  absl::StatusOr<std::string> fetched = context_.fetch_proof(result_.job, result_.round, type);
  if (absl::IsNotFound(fetched.status())) {
    return absl::FailedPreconditionError(fetched.status().message());
  }
  HILUM_RETURN_IF_ERROR(fetched.status());
  proof = *std::move(fetched);
  return context_.gate.CheckEntry(proof, {type, result_.job, result_.round}, context_.prove,
                                  context_.now_s);
}

absl::StatusOr<std::vector<std::string>> Examination::Names(
    const ledger_anchor::NameList& list) const {
  Bytes annex;
  if (list.annex.has_value()) {
    HILUM_ASSIGN_OR_RETURN(annex, context_.fetch_object({result_.job, result_.round, *list.annex},
                                                        ledger_anchor::kAnnexLimitBytes));
  }
  return ledger_anchor::NamesOf(list, AsText(annex));
}

absl::Status Examination::ReadEntries() {
  std::string open_proof;
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::ProvenEntry open, Entry("round-open", open_proof));
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::ProvenEntry close,
                         Entry("round-close", close_proof_));
  open_ = std::get<RoundOpen>(open.entry().body);
  close_ = std::get<RoundClose>(close.entry().body);
  HILUM_RETURN_IF_ERROR(ledger_anchor::CheckCloseOfOpen(close_, open_, open.place().leaf_hash));
  HILUM_ASSIGN_OR_RETURN(roster_, Names(open_.cohort));
  result_.status = close_.status;
  result_.model = close_.model;
  return absl::OkStatus();
}

absl::Status Examination::ReadRecord() {
  if (!close_.secagg.has_value()) return False("the round-close names no round record");
  HILUM_ASSIGN_OR_RETURN(const Bytes text,
                         context_.fetch_object({result_.job, result_.round, evidence()},
                                               ledger_anchor::kRecordLimitBytes));
  HILUM_ASSIGN_OR_RETURN(record_, ledger_anchor::ParseRoundRecord(AsText(text)));
  const bool same = record_.job == result_.job && record_.round == result_.round &&
                    record_.base_model == close_.base_model && record_.model == close_.model &&
                    record_.config == open_.cfg && record_.config == close_.secagg->cfg &&
                    record_.transcript_hash == close_.secagg->transcript;
  return same ? absl::OkStatus() : False("the round record contradicts the round's entries");
}

// The record's updates are the cohort of the round-close, and hash to updates.root.
absl::Status Examination::CheckCounted() {
  HILUM_ASSIGN_OR_RETURN(const std::vector<std::string> cohort, Names(close_.cohort));
  std::vector<std::string> counted;
  for (const CountedUpdate& update : record_.updates) {
    if (update.site_index >= roster_.size()) return False("an update is of no site");
    counted.push_back(roster_[update.site_index]);
    leaves_.push_back(
        {.site_index = update.site_index, .root = update.root, .signature = update.signature});
  }
  HILUM_ASSIGN_OR_RETURN(const Digest root, ledger_anchor::UpdatesRoot(leaves_));
  if (counted == cohort && root == close_.updates.root && leaves_.size() == close_.updates.n) {
    return absl::OkStatus();
  }
  return False("the round record counts other updates than the round-close");
}

absl::Status Examination::MakeReceipt(size_t position) {
  ledger_anchor::UpdateReceipt receipt{
      .leaf = leaves_[position], .position = position, .path = {}, .proof = close_proof_};
  HILUM_ASSIGN_OR_RETURN(receipt.path, ledger_anchor::ProveUpdate(leaves_, position));
  HILUM_ASSIGN_OR_RETURN(const std::string text, ledger_anchor::FormatUpdateReceipt(receipt));
  // What is kept was read and verified as anybody would.
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::UpdateReceipt read,
                         ledger_anchor::ParseUpdateReceipt(text));
  HILUM_RETURN_IF_ERROR(ledger_anchor::CheckUpdateReceipt(read, context_.gate.pins(),
                                                          static_cast<uint64_t>(context_.now_s))
                            .status());
  result_.receipt = text;
  return absl::OkStatus();
}

absl::Status Examination::SayLeftOut() {
  HILUM_ASSIGN_OR_RETURN(const std::vector<RoundRecord> rounds, Own(context_.state.Rounds()));
  std::string why = "no update of it arrived in time";
  std::string next =
      "`hilum site doctor` looks for the fault; the site takes part in the next round by itself";
  for (const RoundRecord& round : rounds) {
    if (round.job != result_.job || round.round != result_.round) continue;
    if (!round.reason.empty()) why = round.reason;
    if (round.phase != "accepted" || round.attempt != record_.attempt) continue;
    why = "although the server had acknowledged its update";
    next = "ask the operator why, and keep this site's log";
  }
  result_.reason =
      absl::StrCat("round ", result_.round, " of job ", result_.job,
                   " was closed without this site: ", why, ". What to do: ", next, ".");
  return absl::OkStatus();
}

absl::Status Examination::CheckOwn() {
  const auto own = std::find(roster_.begin(), roster_.end(), context_.options.site);
  if (own == roster_.end()) {
    result_.standing = "absent";
    return absl::OkStatus();
  }
  const auto index = static_cast<size_t>(own - roster_.begin());
  const auto leaf = std::find_if(leaves_.begin(), leaves_.end(),
                                 [index](const auto& one) { return one.site_index == index; });
  if (leaf == leaves_.end()) {
    result_.standing = "left_out";
    return SayLeftOut();
  }
  result_.standing = "counted";
  HILUM_ASSIGN_OR_RETURN(const std::optional<RoundRecord> sent,
                         Own(context_.state.Round(result_.job, result_.round, record_.attempt)));
  const bool same = sent.has_value() && sent->n_bytes > 0 && sent->root == leaf->root &&
                    std::equal(sent->signature.begin(), sent->signature.end(),
                               leaf->signature.bytes.begin(), leaf->signature.bytes.end());
  if (!same) return False("it counts an update in this site's name that this site did not send");
  return MakeReceipt(static_cast<size_t>(leaf - leaves_.begin()));
}

absl::Status Examination::Run() {
  HILUM_RETURN_IF_ERROR(ReadEntries());
  if (close_.status != "ok") {
    result_.standing = result_.verified = "aborted";
    return absl::OkStatus();
  }
  HILUM_RETURN_IF_ERROR(ReadRecord());
  HILUM_RETURN_IF_ERROR(CheckCounted());
  HILUM_RETURN_IF_ERROR(CheckOwn());
  result_.verified = close_.secagg->suite == 0 ? "open" : "proof";
  if (result_.verified == "open" || context_.options.verify == "none") return absl::OkStatus();
  HILUM_ASSIGN_OR_RETURN(result_.verified, VerifyPublishedSum(context_, record_));
  return absl::OkStatus();
}

// Tells the others, once, however often a crash or a full disk lets the check begin again. What the
// server does not take, the site's own status still shows.
void LogIncident(const RoundContext& context, const CheckRecord& check, const Digest& evidence) {
  if (!context.log_entry || evidence == Digest{}) return;
  const OwnEntry own{
      .study = check.job,
      .body = ledger_anchor::Incident{
          .kind = "bad-sum", .round = check.round, .about = "aggregator", .evidence = evidence}};
  Log(LogLevel::kWarning, "incident", {{"job", check.job}, {"logged", LogOwnEntry(context, own)}});
}

}  // namespace

absl::StatusOr<CheckRecord> CheckClosedRound(const RoundContext& context, const std::string& job,
                                             uint64_t round) {
  HILUM_ASSIGN_OR_RETURN(const std::optional<CheckRecord> known,
                         Own(context.state.Check(job, round)));
  if (known.has_value() && RankOf(known->verified) >= RankOf(context.options.verify)) return *known;
  CheckRecord check{.job = job, .round = round, .checked_at_s = context.now_s};
  Examination examination(context, check);
  const absl::Status found = examination.Run();
  if (!found.ok() && !IsContradiction(found)) return found;
  if (!found.ok()) {
    check.verified = "failed";
    check.reason = absl::StrCat(
        found.message(), ". What to do: this site takes no further part in the job; compare with ",
        "the operator and another site (hilum ledger audit ", round, " --job ", job,
        "), then `hilum site resume ", job, "` or `hilum site deny ", job, "`.");
    LogIncident(context, check, examination.evidence());
  }
  HILUM_RETURN_IF_ERROR(OwnFault(context.state.Atomically([&]() -> absl::Status {
    HILUM_RETURN_IF_ERROR(context.state.PutCheck(check));
    if (found.ok()) return absl::OkStatus();
    return context.state.PutValue(HaltName(job), check.reason);
  })));
  Log(found.ok() ? LogLevel::kInfo : LogLevel::kError, "round checked",
      {{"job", job},
       {"round", round},
       {"standing", check.standing},
       {"verified", check.verified},
       {"reason", found}});
  return check;
}

absl::Status RequireVerified(const RoundContext& context, const CheckedRound& round) {
  const std::string& job = round.facts.job;
  HILUM_ASSIGN_OR_RETURN(const std::string halted, HaltReason(context.state, job));
  if (!halted.empty()) return absl::PermissionDeniedError(halted);
  if (round.config.mode == privacy::RoundMode::kOpen || context.options.verify == "none" ||
      !context.fetch_proof) {
    return absl::OkStatus();
  }
  for (uint64_t before = round.facts.round - 1; before >= 1; --before) {
    HILUM_ASSIGN_OR_RETURN(const CheckRecord check, CheckClosedRound(context, job, before));
    if (check.verified == "failed") return absl::PermissionDeniedError(check.reason);
    // Of what failed the record may not know the model; the operator trusts the ledger's proof.
    if (check.verified == "accepted") return absl::OkStatus();
    if (check.status != "ok") continue;  // its model is the one before
    if (check.model == round.proven.open().base_model) return absl::OkStatus();
    return absl::DataLossError(absl::StrCat("round ", round.facts.round, " of job ", job,
                                            " does not start from the model of round ", before));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> HaltReason(State& state, const std::string& job) {
  return state.Value(HaltName(job));
}

absl::Status ResumeJob(State& state, const std::string& job) {
  return state.Atomically([&]() -> absl::Status {
    HILUM_ASSIGN_OR_RETURN(const std::string halted, HaltReason(state, job));
    if (halted.empty()) {
      return absl::NotFoundError(absl::StrCat("job ", job, " is not halted at this site."));
    }
    HILUM_ASSIGN_OR_RETURN(const std::vector<CheckRecord> checks, state.Checks());
    for (CheckRecord check : checks) {
      if (check.job != job || check.verified != "failed") continue;
      check.verified = "accepted";
      HILUM_RETURN_IF_ERROR(state.PutCheck(check));
    }
    return state.PutValue(HaltName(job), "");
  });
}

}  // namespace hilum::client

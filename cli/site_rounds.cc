#include "cli/site_rounds.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "cli/output.h"
#include "cli/site_config.h"
#include "cli/site_output.h"
#include "client/round_check.h"
#include "client/round_receipts.h"
#include "client/state.h"

namespace hilum::cli {
namespace {

absl::Status CheckFlags(const SiteRoundFlags& flags) {
  const bool stored = flags.round > 0 && !flags.job.empty() && flags.verify.empty();
  const bool verifies = flags.round == 0 && flags.job.empty() && !flags.verify.empty();
  if (stored || (verifies && flags.out.empty())) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "round-receipt takes ROUND with --study JOB (and --out FILE), or --verify FILE alone");
}

absl::Status PrintView(const SiteRoundFlags& flags, const client::RoundReceiptView& view) {
  if (flags.json) {
    PrintJson({{"study", view.study},
               {"round", view.round},
               {"site", view.site},
               {"root", view.root},
               {"counted", view.counted},
               {"model", view.model},
               {"index", view.index},
               {"logged_at", FormatUtc(view.logged_s)},
               {"witnesses", view.witnesses},
               {"quorum_none", view.quorum_none}});
    return absl::OkStatus();
  }
  Print(absl::StrCat(
      "verified: round ", view.round, " of job ", view.study, " counts the update of ",
      view.site.empty() ? "this site" : view.site, " among ", view.counted, "\nupdate ",
      ShortRoot(view.root), ", in full ", view.root, "\nmodel ", view.model, "\nledger entry ",
      view.index, ", ", FormatUtc(view.logged_s), "\nwitnesses: ",
      view.quorum_none ? "none asked for" : absl::StrJoin(view.witnesses, ", "), "\n"));
  return absl::OkStatus();
}

}  // namespace

absl::Status RunRoundReceipt(const SiteRoundFlags& flags) {
  HILUM_RETURN_IF_ERROR(CheckFlags(flags));
  const client::SiteFolder folder{flags.dir};
  HILUM_ASSIGN_OR_RETURN(const client::SiteOptions options, ReadSiteConfig(folder));
  std::string text;
  if (flags.verify.empty()) {
    HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<client::State> state,
                           client::State::Open(folder.database()));
    HILUM_ASSIGN_OR_RETURN(text, client::RoundReceipt(*state, flags.job, flags.round));
  } else {
    HILUM_ASSIGN_OR_RETURN(text, ReadTextFile(flags.verify, client::kRoundReceiptLimitBytes));
  }
  HILUM_ASSIGN_OR_RETURN(
      const client::RoundReceiptView view,
      client::VerifyRoundReceipt(folder, options, text, SystemClock().NowSeconds()));
  if (!flags.out.empty()) HILUM_RETURN_IF_ERROR(WriteFileDurably(flags.out, AsBytes(text)));
  return PrintView(flags, view);
}

absl::Status RunResume(const SiteRoundFlags& flags) {
  const client::SiteFolder folder{flags.dir};
  HILUM_ASSIGN_OR_RETURN(const client::SiteOptions options, ReadSiteConfig(folder));
  HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<client::State> state,
                         client::State::Open(folder.database()));
  HILUM_RETURN_IF_ERROR(client::ResumeJob(*state, flags.job));
  if (flags.json) {
    PrintJson({{"job", flags.job}, {"halted", false}});
    return absl::OkStatus();
  }
  Print(absl::StrCat(options.site, " takes part in job ", flags.job,
                     " again, from its next round; `hilum site status` keeps what failed.\n"));
  return absl::OkStatus();
}

}  // namespace hilum::cli

#include "cli/site_consent.h"

#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "cli/output.h"
#include "cli/site_config.h"
#include "client/consent_desk.h"
#include "client/rotation.h"
#include "client/state.h"

namespace hilum::cli {
namespace {

constexpr uint64_t kReceiptFileLimitBytes = 1 << 20;

absl::Status CheckReceiptFlags(const SiteConsentFlags& flags) {
  if (!flags.verify.empty() && flags.patient.empty()) return absl::OkStatus();
  if (flags.verify.empty() && !flags.patient.empty() && !flags.study.empty() &&
      !flags.out.empty()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "receipt takes PATIENT with --study JOB and --out FILE, or --verify FILE alone");
}

absl::Status PrintReceipt(const SiteConsentFlags& flags, const client::ReceiptView& view) {
  if (flags.json) {
    PrintJson({{"site", view.site},
               {"study", view.study},
               {"pid", view.pid},
               {"action", view.action},
               {"at", FormatUtc(view.at_s)},
               {"index", view.index},
               {"entry_key", view.entry_key},
               {"witnesses", view.witnesses},
               {"quorum_none", view.quorum_none},
               {"limit", client::ConsentLimit()}});
    return absl::OkStatus();
  }
  Print(absl::StrCat("verified: ", view.site, " logged \"", view.action, "\" for study ",
                     view.study, " at ", FormatUtc(view.at_s), " in ledger entry ", view.index,
                     "\npatient ", view.pid, "\nsigned by ", view.entry_key, "\nwitnesses: ",
                     view.quorum_none ? "none asked for" : absl::StrJoin(view.witnesses, ", "),
                     "\n", client::ConsentLimit(), "\n"));
  return absl::OkStatus();
}

}  // namespace

absl::Status RunReceipt(const SiteConsentFlags& flags) {
  HILUM_RETURN_IF_ERROR(CheckReceiptFlags(flags));
  const client::SiteFolder folder{flags.dir};
  HILUM_ASSIGN_OR_RETURN(const client::SiteOptions options, ReadSiteConfig(folder));
  std::string text;
  if (flags.verify.empty()) {
    HILUM_ASSIGN_OR_RETURN(text,
                           client::WriteReceipt(folder, options, {flags.patient, flags.study}));
  } else {
    HILUM_ASSIGN_OR_RETURN(text, ReadTextFile(flags.verify, kReceiptFileLimitBytes));
  }
  // What is handed out was verified by the one who hands it out.
  HILUM_ASSIGN_OR_RETURN(const client::ReceiptView view,
                         client::VerifyReceipt(folder, options, text, SystemClock().NowSeconds()));
  if (flags.verify.empty()) HILUM_RETURN_IF_ERROR(WriteFileDurably(flags.out, AsBytes(text)));
  return PrintReceipt(flags, view);
}

absl::Status RunDisclose(const SiteConsentFlags& flags) {
  const client::SiteFolder folder{flags.dir};
  HILUM_ASSIGN_OR_RETURN(const client::SiteOptions options, ReadSiteConfig(folder));
  HILUM_ASSIGN_OR_RETURN(
      const std::string text,
      client::Disclose(folder, options, {flags.study, flags.round, flags.seed, flags.n_samples}));
  HILUM_RETURN_IF_ERROR(WriteFileDurably(flags.out, AsBytes(text)));
  if (flags.json) {
    PrintJson({{"out", flags.out},
               {"round", flags.round},
               {"seed", flags.seed},
               {"samples", flags.n_samples},
               {"limit", client::ConsentLimit()}});
    return absl::OkStatus();
  }
  Print(absl::StrCat("wrote ", flags.out, ": it holds pseudonyms of patients; give it to the ",
                     "auditor only.\n", client::ConsentLimit(), "\n"));
  return absl::OkStatus();
}

absl::Status RunRotateKey(const SiteConsentFlags& flags) {
  const client::SiteFolder folder{flags.dir};
  HILUM_ASSIGN_OR_RETURN(const client::SiteOptions options, ReadSiteConfig(folder));
  HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<client::State> state,
                         client::State::Open(folder.database()));
  HILUM_ASSIGN_OR_RETURN(const client::RotationReport report,
                         client::RotateKey(folder, options, *state, SystemClock().NowSeconds()));
  if (flags.json) {
    PrintJson({{"site", report.site},
               {"index", report.index},
               {"old_key", report.old_key},
               {"new_key", report.new_key}});
    return absl::OkStatus();
  }
  Print(
      absl::StrCat(report.site, " rotates its entry key by ledger entry ", report.index, "\nold ",
                   report.old_key, "\nnew ", report.new_key,
                   "\nThe old key signs until a round completes, a day from now at the earliest; ",
                   "the agent changes over by itself.\n"));
  return absl::OkStatus();
}

}  // namespace hilum::cli

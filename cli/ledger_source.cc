#include "cli/ledger_source.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/bytes.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "ledger_anchor/policy.h"

namespace hilum::cli {

using ledger_anchor::Genesis;
using ledger_anchor::LogView;
using nlohmann::ordered_json;

namespace {

// A log at rest does not grow stale: only whose signatures stand there counts.
absl::Status CheckPolicyFile(const std::string& path, const LogView& view) {
  HILUM_ASSIGN_OR_RETURN(const std::string text,
                         ReadTextFile(path, ledger_anchor::kPolicyLimitBytes));
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::Policy policy, ledger_anchor::ParsePolicy(text));
  const auto now_s = static_cast<uint64_t>(SystemClock().NowSeconds());
  return ledger_anchor::CheckPolicy(policy, view.checkpoint_note,
                                    {.now_s = now_s, .max_age_s = now_s})
      .status();
}

// Names the option whose value does not parse.
absl::Status OfOption(const char* option, const absl::StatusOr<ledger_anchor::LedgerPins>& parsed) {
  if (parsed.ok()) return absl::OkStatus();
  return absl::Status(parsed.status().code(),
                      absl::StrCat(option, ": ", parsed.status().message()));
}

}  // namespace

absl::StatusOr<LedgerSource> OpenLedger(const LedgerFlags& flags,
                                        ledger_anchor::VerifyDepth depth) {
  HILUM_RETURN_IF_ERROR(OfOption("--vkey", ledger_anchor::ParsePins(flags.vkey, "")));
  HILUM_RETURN_IF_ERROR(OfOption("--entry-key", ledger_anchor::ParsePins("", flags.entry_key)));
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::LedgerPins pins,
                         ledger_anchor::ParsePins(flags.vkey, flags.entry_key));
  LedgerSource source;
  HILUM_ASSIGN_OR_RETURN(source.place, ledger_anchor::LocateLedger(flags.from));
  if (const auto note = source.place.fetch("checkpoint", ledger_anchor::kNoteLimitBytes);
      absl::IsNotFound(note.status())) {
    return absl::NotFoundError(
        absl::StrCat("there is no ledger at ", flags.from, ": ", note.status().message()));
  }
  absl::StatusOr<LogView> view = ledger_anchor::VerifyLog(source.place.fetch, pins, depth);
  // A file that a signed checkpoint needs is missing: the log does not verify.
  if (absl::IsNotFound(view.status())) return absl::DataLossError(view.status().message());
  if (!view.ok()) return view.status();
  source.view = *std::move(view);
  HILUM_ASSIGN_OR_RETURN(source.cosigners, ledger_anchor::CosignersOf(source.view));
  if (!flags.policy.empty()) {
    HILUM_RETURN_IF_ERROR(CheckPolicyFile(flags.policy, source.view));
    source.view.trusted_on_first_use = false;  // the policy names the log's key, and it signed
  }
  return source;
}

std::string TrustOf(const LogView& view) {
  return view.trusted_on_first_use
             ? "trust on first use: pinned by the genesis entry itself; give --vkey to pin the log"
             : "pinned";
}

const Genesis& GenesisOf(const LogView& view) {
  const auto* genesis = std::get_if<Genesis>(&view.entries.at(0).entry.body);
  HILUM_CHECK(genesis != nullptr);  // VerifyLog took it as the first entry
  return *genesis;
}

ordered_json EntryJson(const ledger_anchor::ViewEntry& entry) {
  ordered_json out = {{"index", entry.index}, {"leaf", ToHex(entry.leaf_hash)}};
  const ordered_json fields = ordered_json::parse(entry.text, nullptr, /*allow_exceptions=*/false);
  for (const auto& [key, value] : fields.items()) out[key] = value;
  return out;
}

ordered_json LedgerJson(const LedgerSource& source) {
  const LogView& view = source.view;
  const ordered_json genesis = EntryJson(view.entries.at(0));
  return {{"origin", view.checkpoint.origin},     {"size", view.checkpoint.size},
          {"root", ToHex(view.checkpoint.root)},  {"log_vkey", genesis.at("log_vkey")},
          {"entry_key", genesis.at("entry_key")}, {"trust", TrustOf(view)},
          {"cosigned_by", source.cosigners}};
}

}  // namespace hilum::cli

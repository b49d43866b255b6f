#include "cli/site_report.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/count.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "cli/output.h"
#include "cli/site_config.h"
#include "client/consent_gate.h"
#include "client/incident.h"
#include "client/local_layers.h"
#include "client/pins.h"
#include "client/site_evaluation.h"
#include "client/state.h"

namespace hilum::cli {
namespace {

using nlohmann::ordered_json;

constexpr char kEvaluationLimit[] =
    "These are the site's own numbers on films that nobody else sees: the entry shows that it said "
    "so, not that they are right. No leak audit was run: `hilum model evaluate` runs it.";

absl::StatusOr<client::SiteEvaluation> Evaluate(const client::SiteFolder& folder,
                                                const client::SiteOptions& options,
                                                client::State& state,
                                                const SiteReportFlags& flags) {
  const int64_t now_s = SystemClock().NowSeconds();
  HILUM_ASSIGN_OR_RETURN(const client::ReleasePins pins, client::ReadPins({.site = flags.dir}));
  HILUM_ASSIGN_OR_RETURN(const client::VerifiedModel model,
                         client::LedgerGate::AdmitRelease(flags.model, pins, now_s));
  HILUM_ASSIGN_OR_RETURN(const client::SiteSecret secret,
                         client::LoadSiteSecret(folder.pseudonym_secret()));
  HILUM_ASSIGN_OR_RETURN(std::vector<float> layers, client::LayersFor(model, folder.root));
  HILUM_ASSIGN_OR_RETURN(const std::vector<client::ConsentRecord> consents, state.Consents());
  return client::EvaluateForLedger(
      {.model = model,
       .data = flags.data,
       .site = options.site,
       .secret = secret,
       .consents = client::ActiveSet::Build(consents, now_s),
       .threads = std::clamp<int>(static_cast<int>(std::thread::hardware_concurrency()), 1, 8),
       .layers = std::move(layers)});
}

// One row a metric: no number without its interval.
std::string MetricsTable(const std::string& report) {
  const ordered_json json = ordered_json::parse(report);
  const ordered_json& estimates = json["estimates"];
  Table table({"metric", "value [95 %]", "films"});
  const auto add = [&table](const std::string& name, const ordered_json& estimate) {
    if (!estimate.is_object()) return;  // the films do not define it
    table.AddRow({name, FormatEstimate(estimate["value"], estimate["ci95"]),
                  absl::StrCat(estimate["n"].get<int64_t>())});
  };
  for (const char* name : {"balanced_accuracy", "accuracy", "brier", "ece"}) {
    add(name, estimates[name]);
  }
  for (const auto& [name, estimate] : estimates["auroc"].items()) {
    add(absl::StrCat("AUROC ", name), estimate);
  }
  return table.ToString();
}

void PrintEvaluation(const SiteReportFlags& flags, const client::SiteEvaluation& evaluation,
                     std::optional<uint64_t> index) {
  const auto& body = evaluation.body();
  if (flags.json) {
    ordered_json out = {{"site", body.site},
                        {"study", evaluation.entry.study},
                        {"round", body.round},
                        {"model_sha256", ToHex(body.model)},
                        {"dataset", ToHex(body.dataset)},
                        {"n", evaluation.n_films},
                        {"left_out", evaluation.n_left_out},
                        {"metrics", ordered_json::parse(evaluation.report)},
                        {"limit", kEvaluationLimit}};
    if (index) out["index"] = *index;
    PrintJson(out);
    return;
  }
  Print(absl::StrCat(
      "model ", evaluation.entry.study, ", round ", body.round, ", proven\n",
      MetricsTable(evaluation.report), Count(evaluation.n_films, "film"), ", ",
      evaluation.n_left_out, " left out without consent\ndata set ", ToHex(body.dataset), "\n",
      index ? absl::StrCat("logged as ledger entry ", *index) : std::string("nothing was logged"),
      "\n", kEvaluationLimit, "\n"));
}

}  // namespace

absl::Status RunEvaluate(const SiteReportFlags& flags) {
  const client::SiteFolder folder{flags.dir};
  HILUM_ASSIGN_OR_RETURN(const client::SiteOptions options, ReadSiteConfig(folder));
  HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<client::State> state,
                         client::State::Open(folder.database()));
  HILUM_ASSIGN_OR_RETURN(const client::SiteEvaluation evaluation,
                         Evaluate(folder, options, *state, flags));
  std::optional<uint64_t> index;
  if (!flags.dry_run) {
    HILUM_ASSIGN_OR_RETURN(index, client::SendOwnEntry(folder, options, *state, evaluation.entry,
                                                       SystemClock().NowSeconds()));
  }
  PrintEvaluation(flags, evaluation, index);
  return absl::OkStatus();
}

absl::Status RunIncident(const SiteReportFlags& flags) {
  const client::SiteFolder folder{flags.dir};
  HILUM_ASSIGN_OR_RETURN(const client::SiteOptions options, ReadSiteConfig(folder));
  HILUM_ASSIGN_OR_RETURN(const std::unique_ptr<client::State> state,
                         client::State::Open(folder.database()));
  HILUM_ASSIGN_OR_RETURN(const Bytes evidence,
                         ReadFile(flags.evidence, client::kEvidenceLimitBytes));
  HILUM_ASSIGN_OR_RETURN(const client::IncidentEntry incident,
                         client::MakeIncident(folder, {.kind = flags.kind,
                                                       .about = flags.about,
                                                       .study = flags.study,
                                                       .round = flags.round,
                                                       .evidence = AsText(evidence)}));
  HILUM_ASSIGN_OR_RETURN(
      const uint64_t index,
      client::SendOwnEntry(folder, options, *state, incident.entry, SystemClock().NowSeconds()));
  if (flags.json) {
    PrintJson({{"site", options.site},
               {"kind", flags.kind},
               {"about", flags.about},
               {"index", index},
               {"evidence", incident.evidence.filename().string()}});
    return absl::OkStatus();
  }
  Print(absl::StrCat(options.site, " reports ", flags.kind, " about ", flags.about,
                     " by ledger entry ", index, "\nevidence kept as ", incident.evidence.string(),
                     "\n"));
  return absl::OkStatus();
}

}  // namespace hilum::cli

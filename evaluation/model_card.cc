#include "evaluation/model_card.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/version.h"

namespace hilum::evaluation {
namespace {

// Empty where all of the network is shared.
std::string LocalLayersText(const proto::ModelPlan& model) {
  if (!proto::KeepsLayers(model)) return "";
  return absl::StrCat("| not in this file | what stays at each site: norm ", model.norm,
                      model.local_layers.empty() ? "" : ", layers ",
                      absl::StrJoin(model.local_layers, ", "),
                      "; `hilum infer --site` adds a site's |\n");
}

// What the server saw, and what is claimed of the model itself. A clip alone is no claim.
std::string PrivacyText(const proto::RoundPlan& plan) {
  const proto::PrivacyPlan& privacy = plan.privacy;
  return absl::StrCat(
      plan.aggregation.mode == "masked" ? "masks: the server learned the sum of the updates only; "
                                        : "no masks: the server saw each update; ",
      privacy.unit == "none"
          ? std::string("no differential privacy")
          : absl::StrCat("differential privacy of unit ", privacy.unit, ", noise multiplier ",
                         privacy.sigma, ", delta ", privacy.delta,
                         "; epsilon is in the round-close of the ledger"));
}

}  // namespace

std::string ModelCard(const proto::ModelDescription& model, const proto::RoundPlan& plan,
                      const CardRound& round) {
  std::string card = absl::StrCat(
      "# Model card: ", model.job, ", round ", model.round, "\n\n", kResearchUseOnly, "\n\n",
      "| | |\n|---|---|\n| architecture | ", model.architecture,
      " (COVID-Net-style, reconstructed) |\n| parameters | ", model.n_params, " |\n| classes | ",
      absl::StrJoin(model.classes, ", "), " |\n| preprocessing | ", model.profile, " (",
      ToHex(model.profile_digest), ") |\n| patients | ", model.min_age_years,
      " years and older; younger ones are refused |\n| training | ", plan.strategy.name, ", ",
      model.round, " rounds, ", proto::RoundLength(plan), " a round, ", plan.training.optimizer,
      ", clip ", plan.aggregation.clip_l2, " |\n| sites of this round | ",
      absl::StrJoin(round.cohort, ", "), " |\n", LocalLayersText(plan.model));
  if (!round.dropped.empty()) {
    absl::StrAppend(&card, "| dropped in this round | ", absl::StrJoin(round.dropped, ", "),
                    " |\n");
  }
  for (const CardMeasure& measure : round.measures) {
    absl::StrAppend(&card, "| ", measure.name, " of this round's training | ", measure.value,
                    " (n=", measure.n, ") |\n");
  }
  absl::StrAppend(
      &card, "| privacy | ", PrivacyText(plan), " |\n", "| ledger | ", model.origin, ", entry ",
      round.entry_index, round.quorum_none ? ", no witness vouches for the log" : "",
      " |\n| SHA-256 | ", ToHex(model.sha256),
      " |\n\n## How well it does\n\n**Status: `research`.** No leak audit was run. Nothing is "
      "stated ",
      "here: a figure counts ",
      "only with its table, number of cases and interval. `hilum model evaluate` makes one for a ",
      "set of films, and `hilum job report --evaluation` shows it.\n");
  return card;
}

}  // namespace hilum::evaluation

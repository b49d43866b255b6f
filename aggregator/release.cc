#include "aggregator/release.h"

#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "evaluation/model_card.h"
#include "ledger_anchor/entry.h"
#include "ledger_anchor/release_bundle.h"
#include "proto/canonical_json.h"
#include "proto/model_json.h"

namespace hilum::aggregator {
namespace {

absl::StatusOr<evaluation::CardRound> CardOf(const ReleaseInputs& inputs) {
  const RoundRow& row = inputs.row;
  evaluation::CardRound round{.cohort = {},
                              .dropped = row.dropped,
                              .measures = {},
                              .entry_index = row.close_index.value_or(0),
                              .quorum_none = inputs.quorum_none};
  for (const RosterSite& member : row.roster) {
    const std::string& name = member.site.name;
    if (!absl::c_linear_search(row.dropped, name)) round.cohort.push_back(name);
  }
  if (row.total_weight == 0) return round;  // with differential privacy no loss was sent
  HILUM_ASSIGN_OR_RETURN(std::string loss, proto::FormatDecimal(row.mean_loss));
  round.measures.push_back({.name = "train_loss", .value = std::move(loss), .n = row.total_weight});
  return round;
}

}  // namespace

absl::StatusOr<PreparedRelease> PrepareRelease(const Publisher& publisher,
                                               const ReleaseInputs& inputs) {
  const RoundRow& row = inputs.row;
  HILUM_ASSIGN_OR_RETURN(const proto::ModelDescription model,
                         proto::DescribeModel(inputs.plan, {.round = row.round.number,
                                                            .origin = publisher.origin,
                                                            .sha256 = row.model}));
  HILUM_ASSIGN_OR_RETURN(const evaluation::CardRound round, CardOf(inputs));
  const std::string card = evaluation::ModelCard(model, inputs.plan, round);
  HILUM_ASSIGN_OR_RETURN(const Digest json_digest,
                         publisher.store.Put(AsBytes(proto::ModelDescriptionToJson(model))));
  HILUM_ASSIGN_OR_RETURN(const Digest card_digest, publisher.store.Put(AsBytes(card)));
  HILUM_ASSIGN_OR_RETURN(
      const std::string text,
      ledger_anchor::SignRelease(row.job.name,
                                 {{.name = "MODEL_CARD.md", .sha256 = card_digest},
                                  {.name = "model.json", .sha256 = json_digest},
                                  {.name = "model.safetensors", .sha256 = row.model}},
                                 publisher.release_key_pem));
  HILUM_ASSIGN_OR_RETURN(const ledger_anchor::ReleaseBundle bundle,
                         ledger_anchor::ParseReleaseBundle(text));
  HILUM_ASSIGN_OR_RETURN(const Digest bundle_digest, publisher.store.Put(AsBytes(text)));

  ledger_anchor::ModelRelease release;
  release.name = row.job.name;
  release.version = absl::StrCat(row.round.number);
  release.close = row.close_leaf;
  release.close_index = row.close_index.value_or(0);
  release.files = ledger_anchor::FilesDigest(bundle.files);
  release.bundle = bundle_digest;
  release.licence = inputs.licence;
  release.objects.items = {row.model, json_digest, card_digest};
  release.objects.n = release.objects.items.size();
  ledger_anchor::Entry entry;
  entry.by = std::string(kAggregatorName);
  entry.t = static_cast<uint64_t>(inputs.now_s);
  entry.study = row.job.name;
  entry.body = std::move(release);
  PreparedRelease prepared{.entry = "", .files = {json_digest, card_digest, bundle_digest}};
  HILUM_ASSIGN_OR_RETURN(
      prepared.entry,
      ledger_anchor::SignEntry(std::move(entry), publisher.origin, publisher.entry_key));
  return prepared;
}

}  // namespace hilum::aggregator

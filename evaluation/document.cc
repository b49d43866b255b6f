#include "evaluation/document.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

namespace hilum::evaluation {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kMaxCount = int64_t{1} << 53;  // what JSON can count exactly

std::optional<double> ReadNumber(const Json& json) {
  if (!json.is_number()) return std::nullopt;
  const double value = json.get<double>();
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

std::optional<int64_t> ReadCount(const Json& json) {
  if (!json.is_number_unsigned() || json.get<uint64_t>() > uint64_t{kMaxCount}) {
    return std::nullopt;
  }
  return static_cast<int64_t>(json.get<uint64_t>());
}

std::string ReadText(const Json& json) {
  return json.is_string() ? json.get<std::string>() : std::string();
}

std::optional<Baseline> ReadBaseline(const Json& json) {
  const std::optional<Estimate> auroc = ReadEstimate(FieldOf(json, "auroc"));
  const std::optional<int64_t> n_train = ReadCount(FieldOf(json, "n_train"));
  if (!auroc.has_value() || !n_train.has_value()) return std::nullopt;
  return Baseline{*auroc, *n_train, ReadEstimate(FieldOf(json, "model_better_by"))};
}

std::optional<SplitAudit> ReadSplit(const Json& json) {
  const std::optional<int64_t> n_train = ReadCount(FieldOf(json, "n_train")),
                               n_test = ReadCount(FieldOf(json, "n_test")),
                               n_overlaps = ReadCount(FieldOf(json, "n_overlaps"));
  if (!n_train || !n_test || !n_overlaps) return std::nullopt;
  return SplitAudit{
      .overlaps = {}, .n_overlaps = *n_overlaps, .n_train = *n_train, .n_test = *n_test};
}

std::optional<SourceOnly> ReadSourceOnly(const Json& json) {
  const std::optional<Estimate> accuracy = ReadEstimate(FieldOf(json, "accuracy")),
                                balanced = ReadEstimate(FieldOf(json, "balanced_accuracy"));
  if (!accuracy || !balanced) return std::nullopt;
  return SourceOnly{*accuracy, *balanced};
}

std::vector<LeftOut> ReadLeftOut(const Json& json) {
  std::vector<LeftOut> networks;
  if (!json.is_array()) return networks;
  for (size_t i = 0; i < std::min(json.size(), kMaxDocumentRows); ++i) {
    networks.push_back({.site = ReadText(FieldOf(json[i], "site")),
                        .n_train = ReadCount(FieldOf(json[i], "n_train")).value_or(0),
                        .n_samples_seen = ReadCount(FieldOf(json[i], "n_samples_seen")).value_or(0),
                        .auroc = ReadEstimate(FieldOf(json[i], "auroc")),
                        .reason = ReadText(FieldOf(json[i], "reason"))});
  }
  return networks;
}

}  // namespace

const Json& FieldOf(const Json& json, const char* key) {
  static const auto& none = *new Json(nullptr);
  if (!json.is_object()) return none;
  const auto found = json.find(key);
  return found == json.end() ? none : *found;
}

std::optional<Estimate> ReadEstimate(const Json& json) {
  const Json& ci95 = FieldOf(json, "ci95");
  const std::optional<int64_t> n = ReadCount(FieldOf(json, "n"));
  if (!ci95.is_array() || ci95.size() != 2 || !n.has_value()) return std::nullopt;
  const std::optional<double> value = ReadNumber(FieldOf(json, "value")), low = ReadNumber(ci95[0]),
                              high = ReadNumber(ci95[1]);
  if (!value || !low || !high) return std::nullopt;
  Estimate estimate{*value, {*low, *high}, *n, ReadText(FieldOf(json, "method"))};
  if (!IsComplete(estimate)) return std::nullopt;
  return estimate;
}

AuditRows ReadAuditRows(const Json& audit) {
  AuditRows rows;
  rows.split = ReadSplit(FieldOf(audit, "split"));
  rows.model_balanced_accuracy = ReadEstimate(FieldOf(audit, "model_balanced_accuracy"));
  rows.source_only = ReadSourceOnly(FieldOf(audit, "source_only"));
  rows.site_prediction = ReadBaseline(FieldOf(audit, "site_prediction"));
  rows.lungs_out_auroc = ReadEstimate(FieldOf(audit, "lungs_out_auroc"));
  rows.border_only_auroc = ReadEstimate(FieldOf(audit, "border_only_auroc"));
  rows.thumbnail_auroc = ReadEstimate(FieldOf(audit, "thumbnail_auroc"));
  rows.border_baseline = ReadBaseline(FieldOf(audit, "border_baseline"));
  rows.lungs_out_baseline = ReadBaseline(FieldOf(audit, "lungs_out_baseline"));
  rows.thumbnail_baseline = ReadBaseline(FieldOf(audit, "thumbnail_baseline"));
  rows.left_out = ReadLeftOut(FieldOf(audit, "left_out"));
  return rows;
}

}  // namespace hilum::evaluation

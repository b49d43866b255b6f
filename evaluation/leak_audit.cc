#include "evaluation/leak_audit.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "evaluation/ablation.h"

namespace hilum::evaluation {
namespace {

constexpr int kHashRows = 16;
constexpr int kHashCells = 17;  // of a row: 16 pairs of neighbours

// Mean of the pixels of cell (row, column) of a kHashRows x kHashCells grid.
double CellMean(std::span<const float> pixels, int height, int width, int row, int column) {
  const int top = height * row / kHashRows, bottom = height * (row + 1) / kHashRows;
  const int left = width * column / kHashCells, right = width * (column + 1) / kHashCells;
  double sum = 0;
  for (int y = top; y < bottom; ++y) {
    for (int x = left; x < right; ++x) sum += pixels[int64_t{y} * width + x];
  }
  return sum / ((bottom - top) * (right - left));
}

int64_t Of(const ClassBySite& table, size_t label) {
  int64_t n = 0;
  for (size_t site = 0; site < table.sites.size(); ++site) n += table.at(site, label);
  return n;
}

// The share of all cases of a class that a site has, for each class; 0 where there are none.
std::vector<double> Shares(const ClassBySite& table, size_t site) {
  std::vector<double> shares;
  for (size_t label = 0; label < table.labels.size(); ++label) {
    const int64_t n = Of(table, label);
    shares.push_back(n == 0 ? 0
                            : static_cast<double>(table.at(site, label)) / static_cast<double>(n));
  }
  return shares;
}

void Normalise(std::span<double> row) {
  double sum = 0;
  for (double value : row) sum += value;
  for (double& value : row) value = sum > 0 ? value / sum : 1.0 / static_cast<double>(row.size());
}

void AddOverlap(SplitAudit& audit, Overlap overlap) {
  ++audit.n_overlaps;
  if (audit.overlaps.size() < kMaxOverlaps) audit.overlaps.push_back(std::move(overlap));
}

}  // namespace

absl::StatusOr<PerceptualHash> HashImage(std::span<const float> pixels, int height, int width) {
  if (height < kHashCells || width < kHashCells || pixels.size() != uint64_t{1} * height * width) {
    return absl::InvalidArgumentError(
        absl::StrCat("an image of ", height, " x ", width, " pixels with ", pixels.size(),
                     " values cannot be hashed: at least ", kHashCells, " x ", kHashCells,
                     " and a value a pixel are needed"));
  }
  PerceptualHash hash{};
  for (int row = 0; row < kHashRows; ++row) {
    double left = CellMean(pixels, height, width, row, 0);
    for (int column = 0; column + 1 < kHashCells; ++column) {
      const double right = CellMean(pixels, height, width, row, column + 1);
      const int bit = row * (kHashCells - 1) + column;
      if (right > left) hash[bit / 64] |= uint64_t{1} << bit % 64;
      left = right;
    }
  }
  return hash;
}

int Distance(const PerceptualHash& a, const PerceptualHash& b) {
  int distance = 0;
  for (size_t i = 0; i < a.size(); ++i) distance += std::popcount(a[i] ^ b[i]);
  return distance;
}

SplitAudit AuditSplit(std::span<const AuditedImage> images, int near_duplicate_bits) {
  SplitAudit audit;
  std::vector<int64_t> tests;
  for (size_t i = 0; i < images.size(); ++i) {
    if (images[i].split == Split::kTest) tests.push_back(static_cast<int64_t>(i));
  }
  audit.n_test = static_cast<int64_t>(tests.size());
  audit.n_train = static_cast<int64_t>(images.size()) - audit.n_test;
  for (size_t i = 0; i < images.size(); ++i) {
    if (images[i].split == Split::kTest) continue;
    const int64_t train = static_cast<int64_t>(i);
    for (int64_t test : tests) {
      const int distance = Distance(images[train].hash, images[test].hash);
      if (images[train].sop == images[test].sop) {
        AddOverlap(audit, {"sop", train, test, distance});
      } else if (images[train].patient == images[test].patient) {
        AddOverlap(audit, {"patient", train, test, distance});
      } else if (distance <= near_duplicate_bits) {
        AddOverlap(audit, {"near-duplicate", train, test, distance});
      }
    }
  }
  return audit;
}

absl::Status RequireDisjoint(const SplitAudit& audit) {
  if (audit.n_overlaps == 0) return absl::OkStatus();
  const Overlap& first = audit.overlaps.front();
  return absl::FailedPreconditionError(absl::StrCat(
      "training and test share ", audit.n_overlaps, " pairs, 0 are allowed; the first is image ",
      first.train, " with image ", first.test, " (", first.kind, ", ", first.distance,
      " of 256 bits differ): take one of them out"));
}

std::vector<std::string> ClassBySite::one_class_sites() const {
  std::vector<std::string> names;
  for (size_t site = 0; site < sites.size(); ++site) {
    int n_present = 0;
    for (size_t label = 0; label < labels.size(); ++label) n_present += at(site, label) > 0;
    if (n_present == 1) names.push_back(sites[site]);
  }
  return names;
}

ClassBySite TabulateClassBySite(std::span<const AuditedImage> images, Split split) {
  std::map<std::pair<std::string, std::string>, int64_t> counts;
  std::set<std::string> sites, labels;
  for (const AuditedImage& image : images) {
    if (image.split != split) continue;
    ++counts[{image.site, image.label}];
    sites.insert(image.site);
    labels.insert(image.label);
  }
  ClassBySite table{{sites.begin(), sites.end()}, {labels.begin(), labels.end()}, {}};
  for (const std::string& site : table.sites) {
    for (const std::string& label : table.labels) table.counts.push_back(counts[{site, label}]);
  }
  return table;
}

absl::StatusOr<Predictions> SourceRule(const ClassBySite& train,
                                       const std::vector<std::string>& classes,
                                       const Predictions& test) {
  if (test.sites.size() != test.labels.size() ||
      static_cast<int>(classes.size()) != test.n_classes) {
    return absl::InvalidArgumentError(
        absl::StrCat("the source rule needs the site of each of ", test.labels.size(),
                     " cases and a name for each of ", test.n_classes, " classes, it got ",
                     test.sites.size(), " and ", classes.size()));
  }
  std::map<std::string, std::vector<double>> shares_of;
  for (size_t site = 0; site < train.sites.size(); ++site) {
    const std::vector<double> shares = Shares(train, site);
    std::vector<double> row;
    for (const std::string& name : classes) {
      const auto label = std::ranges::find(train.labels, name);
      row.push_back(label == train.labels.end() ? 0 : shares[label - train.labels.begin()]);
    }
    Normalise(row);
    shares_of[train.sites[site]] = std::move(row);
  }
  const std::vector<double> unknown(classes.size(), 1.0 / static_cast<double>(classes.size()));
  Predictions result = test;
  result.probabilities.clear();
  for (const std::string& site : test.sites) {
    const auto known = shares_of.find(site);
    const std::vector<double>& row = known == shares_of.end() ? unknown : known->second;
    result.probabilities.insert(result.probabilities.end(), row.begin(), row.end());
  }
  return result;
}

absl::StatusOr<SourceOnly> BestSourceRule(const ClassBySite& table,
                                          const BootstrapOptions& options) {
  Predictions cases{static_cast<int>(table.labels.size()), {}, {}, {}, {}};
  int64_t hits = 0;
  for (size_t site = 0; site < table.sites.size(); ++site) {
    int64_t most = 0;
    for (size_t label = 0; label < table.labels.size(); ++label) {
      const int64_t n = table.at(site, label);
      most = std::max(most, n);
      cases.labels.insert(cases.labels.end(), n, static_cast<int>(label));
      cases.sites.insert(cases.sites.end(), n, table.sites[site]);
    }
    hits += most;
  }
  if (cases.n_classes < 2) {
    return absl::FailedPreconditionError(absl::StrCat(
        "the best rule by site needs 2 classes with cases, there are ", cases.n_classes));
  }
  HILUM_ASSIGN_OR_RETURN(const Predictions rule, SourceRule(table, table.labels, cases));
  HILUM_ASSIGN_OR_RETURN(Estimate accuracy, WilsonEstimate(hits, cases.n()));
  HILUM_ASSIGN_OR_RETURN(
      Estimate balanced,
      BootstrapByPatient(
          rule, [](const Predictions& p) { return BalancedAccuracy(Confuse(p)); }, options));
  return SourceOnly{std::move(accuracy), std::move(balanced)};
}

absl::StatusOr<std::vector<std::string>> RunBaselines(const BaselineFilms& train,
                                                      const BaselineFilms& test,
                                                      const Predictions* model, AuditRows& rows,
                                                      const BootstrapOptions& options) {
  std::vector<std::string> notes;
  const auto keep = [&](absl::string_view row, absl::StatusOr<Baseline> found,
                        std::optional<Baseline>& to) -> absl::Status {
    if (absl::IsFailedPrecondition(found.status())) {
      notes.push_back(absl::StrCat(row, ": ", found.status().message()));
      return absl::OkStatus();
    }
    HILUM_RETURN_IF_ERROR(found.status());
    to = *std::move(found);
    return absl::OkStatus();
  };
  HILUM_RETURN_IF_ERROR(keep("site prediction", PredictSite(train, options), rows.site_prediction));
  const struct {
    const char* row;
    Ablate ablate;
    std::optional<Baseline>& to;
  } baselines[] = {{"border baseline", KeepBorder, rows.border_baseline},
                   {"lungs-out baseline", BlackOutLungs, rows.lungs_out_baseline},
                   {"thumbnail baseline", nullptr, rows.thumbnail_baseline}};
  for (const auto& baseline : baselines) {
    const auto found = [&]() -> absl::StatusOr<Baseline> {
      HILUM_ASSIGN_OR_RETURN(const Predictions predictions,
                             BaselinePredictions(train, test, baseline.ablate));
      return CompareBaseline(predictions, static_cast<int64_t>(train.films.size()), model, options);
    };
    HILUM_RETURN_IF_ERROR(keep(baseline.row, found(), baseline.to));
  }
  return notes;
}

}  // namespace hilum::evaluation

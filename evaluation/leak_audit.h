// The leak audit: can a score come from the split or the source, rather than from the disease?
// Rules and evidence: docs/models.md.
#ifndef HILUM_EVALUATION_LEAK_AUDIT_H_
#define HILUM_EVALUATION_LEAK_AUDIT_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "evaluation/baselines.h"
#include "evaluation/intervals.h"

namespace hilum::evaluation {

// 256 bits that change little when an image is scaled, re-encoded or windowed.
using PerceptualHash = std::array<uint64_t, 4>;

// Difference hash: means of 16 rows of 17 cells, one bit for each pair of neighbours.
//   pixels [height, width], any range, finite
// InvalidArgument: fewer than 17 pixels in a direction, or another length than height * width.
absl::StatusOr<PerceptualHash> HashImage(std::span<const float> pixels, int height, int width);

// Bits that differ, 0 to 256.
int Distance(const PerceptualHash& a, const PerceptualHash& b);

enum class Split { kTrain, kTest };

struct AuditedImage {
  Split split = Split::kTrain;
  std::string site;
  std::string patient;  // pseudonym, the same for one patient at all sites
  std::string sop;      // pseudonym of the SOP instance
  std::string label;
  PerceptualHash hash{};
};

// Two images that should not be on two sides of the split.
struct Overlap {
  std::string kind;   // "patient", "sop" or "near-duplicate"
  int64_t train = 0;  // indices into the images
  int64_t test = 0;
  int distance = 0;  // of the hashes
};

struct SplitAudit {
  std::vector<Overlap> overlaps;  // at most kMaxOverlaps, in the order of the images
  int64_t n_overlaps = 0;
  int64_t n_train = 0;
  int64_t n_test = 0;
};

inline constexpr int kMaxOverlaps = 100;
// Measured on the demo's 330 films: different films differ in at least 22 bits (median 79), a film
// and its copy of half the size in at most 17 (median 8).
inline constexpr int kNearDuplicateBits = 16;

// Every pair of a training and a test image. O(n_train * n_test).
SplitAudit AuditSplit(std::span<const AuditedImage> images,
                      int near_duplicate_bits = kNearDuplicateBits);

// OK, or FailedPrecondition that names the first overlap: such a job must stop.
absl::Status RequireDisjoint(const SplitAudit& audit);

// Cases by class and site.
struct ClassBySite {
  std::vector<std::string> sites;   // sorted
  std::vector<std::string> labels;  // sorted
  std::vector<int64_t> counts;      // [sites, labels]
  int64_t at(size_t site, size_t label) const { return counts[site * labels.size() + label]; }
  // Sites whose cases are all of one class: a warning each.
  std::vector<std::string> one_class_sites() const;
};
ClassBySite TabulateClassBySite(std::span<const AuditedImage> images, Split split);

// What the best rule that sees only the site reaches on the very table it was made from: for
// accuracy the most common class of each site, for balanced accuracy the class of which the site
// has the largest share.
struct SourceOnly {
  Estimate accuracy;           // Wilson
  Estimate balanced_accuracy;  // bootstrap
};
// FailedPrecondition: fewer than two classes have cases.
absl::StatusOr<SourceOnly> BestSourceRule(const ClassBySite& table,
                                          const BootstrapOptions& options = {});

// The rule of `train` applied to other cases: the probability of class k at a site grows with the
// share of the cases of k that the site has; the same for all where `train` does not know the site.
//   classes  names of test's classes, in their order
// The result has test's labels, patients and sites. InvalidArgument: test has no sites, or another
// number of classes.
absl::StatusOr<Predictions> SourceRule(const ClassBySite& train,
                                       const std::vector<std::string>& classes,
                                       const Predictions& test);

// A network that saw no film of a site, judged on the test films of that site.
struct LeftOut {
  std::string site;
  int64_t n_train = 0;            // films that it was trained on
  int64_t n_samples_seen = 0;     // how often it saw one of them
  std::optional<Estimate> auroc;  // mean over the classes; empty: not defined there
  std::string reason;             // why it is not
};

// The rows of the audit; empty: not run, so the model is not promoted (audit_verdict.h).
struct AuditRows {
  std::optional<Estimate> model_balanced_accuracy;
  std::optional<SourceOnly> source_only;
  std::optional<Baseline> site_prediction;  // shown, no threshold
  // The model itself on films with a part taken away.
  std::optional<Estimate> lungs_out_auroc;
  std::optional<Estimate> border_only_auroc;  // shown, no threshold
  std::optional<Estimate> thumbnail_auroc;    // shown, no threshold
  // Trained on such films: a leak that the model may not use yet, and what the model adds to it.
  std::optional<Baseline> border_baseline;
  std::optional<Baseline> lungs_out_baseline;  // shown, no threshold
  std::optional<Baseline> thumbnail_baseline;  // shown, no threshold
  std::vector<LeftOut> left_out;               // the whole table, never only its mean
  std::optional<SplitAudit> split;
};

// Fills site prediction and the three baselines of `rows`. A row that the films cannot give (too
// few, one site, a class missing) stays empty, and a sentence of the result says why.
//   model  predictions for `test` in its order, or null
// Errors: as BaselinePredictions, FailedPrecondition excepted.
absl::StatusOr<std::vector<std::string>> RunBaselines(const BaselineFilms& train,
                                                      const BaselineFilms& test,
                                                      const Predictions* model, AuditRows& rows,
                                                      const BootstrapOptions& options = {});

}  // namespace hilum::evaluation

#endif  // HILUM_EVALUATION_LEAK_AUDIT_H_

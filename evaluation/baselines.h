// Baselines of the leak audit: what the simplest learner reaches on pixels that no diagnosis needs.
//
// A network that was trained on whole films says little when it gets a border: it has never seen
// one. So these are trained on what they are judged on. Logistic regression on a 32 x 32 thumbnail:
// seconds on a CPU, the same bits everywhere, nothing to tune.
#ifndef HILUM_EVALUATION_BASELINES_H_
#define HILUM_EVALUATION_BASELINES_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "evaluation/intervals.h"
#include "evaluation/metrics.h"

namespace hilum::evaluation {

// One film as a profile prepared it.
struct BaselineFilm {
  std::span<const float> pixels;  // [height, width], finite
  int label = 0;                  // in [0, n_classes)
  std::string patient;            // pseudonym; empty: nobody else's
  std::string site;
};

struct BaselineFilms {
  int n_classes = 0;
  int height = 0;  // pixels, the same for all
  int width = 0;
  std::vector<BaselineFilm> films;
};

// What is done to a copy of each image first: one of evaluation/ablation.h, or nothing (null).
using Ablate = void (*)(std::span<float> pixels, int height, int width);

// The least number of films a baseline is trained on.
inline constexpr int64_t kMinBaselineFilms = 8;

// Probabilities for `test` by a regression that was trained on `train`; labels, patients and sites
// are those of `test`. Multinomial, L2 penalty 0.01, 200 steps of Nesterov's method on standardised
// features.
// FailedPrecondition: fewer than kMinBaselineFilms films or two classes to train on, or no test
// film. InvalidArgument: sizes, labels or classes that do not fit. DataLoss: a pixel is not finite.
absl::StatusOr<Predictions> BaselinePredictions(const BaselineFilms& train,
                                                const BaselineFilms& test, Ablate ablate = nullptr);

// A baseline beside the model.
struct Baseline {
  Estimate auroc;       // mean over the classes
  int64_t n_train = 0;  // films that it was trained on
  // The model's AUROC minus this one, on the same cases. Empty: there was no model.
  std::optional<Estimate> model_better_by;
};
// `model`: predictions for the same films as `baseline`, or null. Errors: as AurocDifference.
absl::StatusOr<Baseline> CompareBaseline(const Predictions& baseline, int64_t n_train,
                                         const Predictions* model,
                                         const BootstrapOptions& options = {});

// How well a regression names the site of a film: trained on the films of three patients of four,
// judged on those of every fourth of a site.
// FailedPrecondition: fewer than two sites, or as above.
absl::StatusOr<Baseline> PredictSite(const BaselineFilms& films,
                                     const BootstrapOptions& options = {});

}  // namespace hilum::evaluation

#endif  // HILUM_EVALUATION_BASELINES_H_
